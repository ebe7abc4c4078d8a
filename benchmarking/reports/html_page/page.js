(() => {
  "use strict";
  const numberOf = (cell) => (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value));

  // Cells without a value are last in every order; equal ones keep their order.
  const compare = (column, descending) => (a, b) => {
    const [one, other] = [a.cells[column], b.cells[column]];
    const [x, y] = [numberOf(one), numberOf(other)];
    if (!isNaN(x) && !isNaN(y)) return descending ? y - x : x - y;
    if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
    const [s, t] = [one.textContent.trim(), other.textContent.trim()];
    if (!s !== !t) return s ? -1 : 1;
    const order = s.localeCompare(t, "en", {numeric: true});
    return descending ? -order : order;
  };

  const sortable = (table, tell) => {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort");
        const descending = before ? before === "ascending" : heading.hasAttribute("data-descending");
        headings.forEach((each) => each.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        body.append(...[...body.rows].sort(compare(column, descending)));
        tell(`sorted by ${button.textContent}, ${descending ? "descending" : "ascending"}`);
      });
    });
  };

  for (const section of document.querySelectorAll("section")) {
    const table = section.querySelector("table.runs");
    if (!table) continue;
    const rows = [...table.tBodies[0].rows];
    const controls = section.querySelector(".controls");
    const text = controls.querySelector("[data-filter]");
    const platform = controls.querySelector("[data-platform]");
    const count = controls.querySelector("[data-count]");
    let order = "";
    const show = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const name = row.cells[0].textContent.toLowerCase();
        const fits = !platform || !platform.value || row.cells[1].textContent === platform.value;
        row.hidden = !(fits && words.every((word) => name.includes(word)));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length} runs${order && ", " + order}`;
    };
    sortable(table, (what) => { order = what; show(); });
    text.addEventListener("input", show);
    if (platform) platform.addEventListener("change", show);
    controls.hidden = false;
    show();
  }

  // A link to a panel opens it.
  const open = () => {
    const panel = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (panel && panel.tagName === "DETAILS") {
      panel.open = true;
      panel.querySelector("summary").focus({preventScroll: true});
      panel.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();

  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = button.parentElement.querySelector("pre");
    const select = () => getSelection().selectAllChildren(source);
    const tell = (what) => {
      button.textContent = what;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        tell("Copied");
      } catch {  // a page that was opened as a file may not be allowed to
        select();
        tell(document.execCommand("copy") ? "Copied" : "Selected");
      }
    });
  }
})();
