// Buttons in the heads of tables; without it every table is there, in the order of its errors.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];

  const key = (row, at) => {
    const cell = row.cells[at];
    const told = cell.dataset.key ?? cell.innerText.trim();
    const value = parseFloat(told);
    return at > 0 && !isNaN(value) ? value : told.toLowerCase();
  };

  const order = (one, two) => {
    if (typeof one !== typeof two) return typeof one === "number" ? -1 : 1;
    return one < two ? -1 : one > two ? 1 : 0;
  };

  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const sign = up ? 1 : -1;
      body.append(...[...body.rows].sort((one, two) => sign * order(key(one, at), key(two, at))));
    });
  });
}
