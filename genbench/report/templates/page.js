// Sorting: a click or Enter on a heading; cells without a value stay last, the floor stays on top
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[table.tBodies.length - 1];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const value = (row) => {
      const cell = row.cells[column];
      return (cell.dataset.v ?? cell.textContent.replaceAll(",", "")).trim();
    };
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const empty = (text) => text === "" || text === "–";
      const rows = [...body.rows].sort((first, second) => {
        const a = value(first), b = value(second);
        if (empty(a) || empty(b)) return empty(a) - empty(b);
        const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
        return down ? -order : order;
      });
      body.append(...rows);
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
// Filtering: a row stays if it holds every word
for (const input of document.querySelectorAll("input[data-filters]")) {
  const rows = document.getElementById(input.dataset.filters).tBodies[0].rows;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
}
