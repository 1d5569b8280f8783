{% raw %}(() => {
  const number = cell => parseFloat(cell.dataset.value ?? cell.textContent.replace(/,/g, ""));
  document.querySelectorAll("table:not(.confusion)").forEach(table => {
    const names = [...table.tHead?.rows[0].cells ?? []].map(head => head.textContent);
    table.classList.add("cards");
    [...table.tBodies[0].rows].forEach(row => [...row.cells].forEach((cell, i) => cell.dataset.label = names[i] ?? ""));
  });
  document.querySelectorAll("table.sortable").forEach(table => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rows = [...table.tBodies[0].rows], known = rows.some(row => !isNaN(number(row.cells[column])));
        const down = head.ariaSort ? head.ariaSort !== "descending" : known;
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = row => known ? number(row.cells[column]) : row.cells[column].textContent;
        rows.sort((a, b) => {
          const x = key(a), y = key(b);
          if (known && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);
          return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
        });
        table.tBodies[0].append(...rows);
      });
    });
  });
  const gallery = document.getElementById("wrong");
  if (!gallery) return;
  const groups = [...gallery.querySelectorAll("[data-class]")], status = document.getElementById("wrong-shown");
  const everything = status.textContent, cells = [...document.querySelectorAll("button[data-true]")];
  const show = button => {
    const other = button && button.getAttribute("aria-pressed") !== "true" ? button : null;
    cells.forEach(cell => cell.setAttribute("aria-pressed", String(cell === other)));
    let count = 0;
    groups.forEach(group => {
      let here = 0;
      group.querySelectorAll("figure").forEach(figure => {
        figure.hidden = Boolean(other) &&
          (figure.dataset.true !== other.dataset.true || figure.dataset.predicted !== other.dataset.predicted);
        here += !figure.hidden;
      });
      group.hidden = Boolean(other) && !here;
      if (other && here) group.open = true;
      count += here;
    });
    status.textContent = other ? `${other.title} Pictures shown: ${count}. Choose the cell again to see all.` : everything;
  };
  cells.forEach(cell => cell.addEventListener("click", () => show(cell)));
})();{% endraw %}
