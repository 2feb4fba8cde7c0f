"use strict";

// Charts. Their colors are CSS variables, so switching the color scheme or printing needs no redrawing.
const specs = JSON.parse(document.getElementById("charts").textContent);
const drawn = [...document.querySelectorAll(".chart")].map((place) =>
  window
    .vegaEmbed(place, specs[place.dataset.chart], { renderer: "svg", actions: false })
    .then(({ view }) => {
      const picture = place.querySelector("svg");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", view.description());
    })
);
Promise.all(drawn).then(() => document.documentElement.setAttribute("data-drawn", drawn.length));

// Table: click a heading to sort, type to filter.
const table = document.querySelector("table.sortable");
if (table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const { value } = row.cells[column].dataset;
    return value === undefined ? row.cells[column].textContent.trim() : value === "" ? null : Number(value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].sort((first, second) => {
        const [a, b] = [key(first, column), key(second, column)];
        if (a === null || b === null) return (a === null) - (b === null); // rows without a value stay last
        return ascending ? compare(a, b) : compare(b, a);
      });
      body.append(...rows);
    });
  });
  const search = document.getElementById("filter");
  const count = document.getElementById("shown");
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${body.rows.length} rows`;
  };
  search.addEventListener("input", filter);
  filter();
}

// Predictions: the slider of a frame reveals the predictions of all networks at once.
for (const frame of document.querySelectorAll(".frame")) {
  const slider = frame.querySelector('input[type="range"]');
  const reveal = () => {
    frame.style.setProperty("--reveal", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `prediction over the left ${slider.value} percent`);
  };
  slider.addEventListener("input", reveal);
  reveal();
  for (const choice of frame.querySelectorAll('input[type="radio"]')) {
    choice.addEventListener("change", () => {
      frame.dataset.base = choice.value;
    });
  }
}
