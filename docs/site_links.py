"""A hook of `make docs`: pages link to files elsewhere in the repository, and some of these are pages of the site."""

import re
import shutil
from pathlib import Path

PAGES = {"config/README.md": "configuration.html", "README.md": "index.html"}
LINK = re.compile(r'\b(href|src)="\.\./([^"#]+)(#[^"]*)?"')


def on_page_content(html: str, config, **_) -> str:
    """Lead a link out of docs/ to the page of that file, or else to a copy of the file beside the pages."""

    def led(match: re.Match) -> str:
        attribute, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        if target.startswith("docs/"):
            found = re.sub(r"\.md$", ".html", target.removeprefix("docs/")) + anchor
        elif target in PAGES:
            found = PAGES[target]  # the front page has headings of its own
        else:
            found = f"repository/{target}"
            copy = Path(config["site_dir"], found)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(config["docs_dir"]).parent / target, copy)
        return f'{attribute}="{found}"'

    return LINK.sub(led, html)
