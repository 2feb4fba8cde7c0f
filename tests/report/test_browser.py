"""The page in headless Chromium, operated by keyboard and mouse."""

import itertools
import shutil
from pathlib import Path

import pytest
from report_files import experiment, write_results
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from ssr_mmseg.report import write_report
from ssr_mmseg.settings import paths

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--proxy-server=127.0.0.1:9",  # nothing listens there, so every network request of the page fails
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    assert all(programs.values()), "chromium or chromedriver not found; run tests/report/get_chromium.sh"
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of the page of a complete experiment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("experiment"))
        config = experiment()
        write_results(config)
        write_report(config, "config/town.yaml")
        return Path(paths.REPORT).resolve().as_uri()


@pytest.fixture
def page(browser, address):
    """The page, newly loaded, with all charts drawn."""
    return load(browser, address)


def load(browser, address, width=1280, scheme="light"):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda b: b.find_element(By.TAG_NAME, "html").get_attribute("data-drawn"))
    return browser


COLUMN = """
const [table, title] = [document.querySelector("table.sortable"), arguments[0]];
const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.innerText.startsWith(title));
return [...table.tBodies[0].rows].filter((row) => row.checkVisibility()).map((row) => row.cells[index].innerText);"""


def column(page, title):
    """Return the texts of a table column in the visible rows."""
    return page.execute_script(COLUMN, title)


def heading(page, title):
    return page.find_element(By.XPATH, f'//table[contains(@class, "sortable")]//th[contains(., "{title}")]')


def test_the_page_loads_without_network_or_console_errors(browser, address):
    browser.get_log("browser")
    browser.get_log("performance")
    page = load(browser, address)
    assert page.get_log("browser") == []
    requests = [
        entry["message"] for entry in page.get_log("performance") if 'Network.requestWillBeSent"' in entry["message"]
    ]
    assert requests
    assert not [message for message in requests if '"url":"http' in message or '"url":"ws' in message]


def test_every_chart_is_drawn_and_has_a_label(page):
    places = page.find_elements(By.CSS_SELECTOR, ".chart")
    assert len(places) == int(page.find_element(By.TAG_NAME, "html").get_attribute("data-drawn")) > 30
    for place in places:
        picture = place.find_element(By.TAG_NAME, "svg")
        assert picture.get_attribute("role") == "img"
        assert len(picture.get_attribute("aria-label")) > 20
        assert picture.size["width"] > 100
        assert place.find_elements(By.CSS_SELECTOR, ".role-mark path, .role-mark line, .role-mark text")


def test_charts_have_marks_for_every_row(page):
    def marks(chart, kind="symbol"):
        return page.find_elements(By.CSS_SELECTOR, f'[data-chart="{chart}"] .mark-{kind}.role-mark path')

    rows = [row for row in zip(column(page, "Dataset"), column(page, "mIoU val, %"), strict=True) if row[1] != "–"]
    assert len(marks("d1-accuracy")) == sum(dataset == "town" for dataset, _ in rows) == 3
    cells = page.find_elements(By.XPATH, '//details[contains(summary, "Published")]//tbody/tr/td[3]')
    speeds = [cell.get_attribute("textContent") for cell in cells]
    assert len(marks("d2-accuracy")) == 3 + sum(speed != "–" for speed in speeds)
    assert len(marks("d1-classes")) == 3 * 3
    assert len(marks("d1-s1-cost-hours", "rect")) == 3


def test_the_table_sorts_by_number_and_text_and_marks_the_column(page):
    button = heading(page, "Parameters").find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    ascending = column(page, "Parameters")
    assert heading(page, "Parameters").get_attribute("aria-sort") == "ascending"
    assert ascending == sorted(ascending, key=lambda text: float(text.split()[0]))
    button.click()
    assert column(page, "Parameters") == ascending[::-1]
    heading(page, "Network").find_element(By.TAG_NAME, "button").click()
    assert heading(page, "Parameters").get_attribute("aria-sort") == "none"
    names = column(page, "Network")
    assert names == sorted(names)
    heading(page, "mIoU test, %").find_element(By.TAG_NAME, "button").click()
    values = column(page, "mIoU test, %")
    assert values[:3] == ["50.00", "55.00", "60.00"]
    assert set(values[3:]) == {"–"}


def test_the_table_filters(page):
    field = page.find_element(By.ID, "filter")
    count = page.find_element(By.ID, "shown")
    assert count.text == "12 of 12 rows"
    field.send_keys("ERFNET yard")
    assert count.text == "2 of 12 rows"
    assert set(column(page, "Network")) == {"erfnet"}
    field.send_keys(" nothing like it")
    assert count.text == "0 of 12 rows"
    field.clear()
    field.send_keys(" ")
    assert count.text == "12 of 12 rows"


def test_the_slider_reveals_the_prediction_over_photograph_or_ground_truth(page):
    frame = page.find_element(By.CSS_SELECTOR, ".frame")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", frame)
    slider = frame.find_element(By.CSS_SELECTOR, 'input[type="range"]')
    prediction = frame.find_element(By.CSS_SELECTOR, ".prediction")
    edge = frame.find_element(By.CSS_SELECTOR, ".edge")
    assert "50%" in prediction.value_of_css_property("clip-path")
    before = edge.rect["x"]
    slider.send_keys(Keys.ARROW_RIGHT * 25)
    assert slider.get_attribute("value") == "75"
    assert "25%" in prediction.value_of_css_property("clip-path")
    assert edge.rect["x"] > before
    assert "75 percent" in slider.get_attribute("aria-valuetext")
    truth = frame.find_element(By.CSS_SELECTOR, ".truth")
    assert truth.value_of_css_property("display") == "none"
    frame.find_element(By.CSS_SELECTOR, 'input[value="truth"]').click()
    assert truth.value_of_css_property("display") != "none"


def test_nothing_overflows_on_a_phone(browser, address):
    page = load(browser, address, width=390)
    widths = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths == [390, 390]
    for place in page.find_elements(By.CSS_SELECTOR, ".chart"):
        assert place.find_element(By.TAG_NAME, "svg").rect["x"] + place.size["width"] <= 390


def test_text_has_contrast_in_light_and_dark(browser, address):
    script = """
    const probe = document.createElement("span");
    document.body.append(probe);
    return arguments[0].map((name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    });"""

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(first, second):
        low, high = sorted((luminance(first), luminance(second)))
        return (high + 0.05) / (low + 0.05)

    papers = []
    for scheme in ("light", "dark"):
        names = ("paper", "ground", "ink", "muted", "blue", "vermillion", "green", "warn", "warn-ground")
        colors = dict(zip(names, load(browser, address, scheme=scheme).execute_script(script, names), strict=True))
        papers.append(luminance(colors["paper"]))
        for text, ground in itertools.product(("ink", "muted", "blue"), ("paper", "ground")):
            assert contrast(colors[text], colors[ground]) >= 4.5, (scheme, text, ground)
        assert contrast(colors["warn"], colors["warn-ground"]) >= 4.5
        for series in ("blue", "vermillion", "green"):
            assert contrast(colors[series], colors["paper"]) >= 3, (scheme, series)
    assert papers[0] > 0.9
    assert papers[1] < 0.1


def test_controls_and_pictures_have_labels(page):
    for control in page.find_elements(By.CSS_SELECTOR, "input, select, button"):
        assert control.accessible_name, control.get_attribute("outerHTML")
    for picture in page.find_elements(By.CSS_SELECTOR, 'svg[role="img"]'):
        assert picture.get_attribute("aria-label")
    levels = [int(element.tag_name[1]) for element in page.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
