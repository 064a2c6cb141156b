"use strict";
// Sort a table by a click on a head, filter all tables by a word. The page is whole without it.
function rowsOf(table) {
  return [...table.querySelectorAll("tbody tr[data-method]")];
}

function sort(table, column, down) {
  const numbers = rowsOf(table).some((row) => row.cells[column]?.dataset.sort !== undefined);
  const rank = (row) => {
    const cell = row.cells[column];
    if (!cell || row.classList.contains("failed")) return null;
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    return numbers ? null : cell.textContent.trim() || null; // words among numbers stand last
  };
  const rows = rowsOf(table).map((row, place) => ({ row, place, rank: rank(row) }));
  rows.sort((a, b) => {
    if (a.rank === null || b.rank === null) return (a.rank === null) - (b.rank === null) || a.place - b.place;
    const order = a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0;
    return (down ? -order : order) || a.place - b.place;
  });
  table.querySelectorAll("tr.family").forEach((row) => { row.hidden = true; });
  const body = table.tBodies[0];
  rows.forEach(({ row }) => body.append(row));
}

document.querySelectorAll("table").forEach((table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "sort by this column";
    if (!head.textContent.trim()) button.setAttribute("aria-label", `column ${column + 1}`);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numbers = rowsOf(table).some((row) => row.cells[column]?.dataset.sort !== undefined);
      const now = head.getAttribute("aria-sort");
      const down = numbers ? now !== "descending" : now === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, column, down);
    });
  });
});

const nav = document.querySelector("nav");
const word = document.createElement("input");
word.type = "search";
word.placeholder = "filter methods";
word.setAttribute("aria-label", "filter methods");
word.addEventListener("input", () => {
  const wanted = word.value.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
  document.querySelectorAll("tr[data-method]").forEach((row) => {
    const name = row.dataset.method.toLowerCase();
    row.hidden = wanted.length > 0 && !wanted.some((part) => name.includes(part));
  });
});
nav.append(word);

// a link into a fold opens it
function unfold() {
  const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = there; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  if (there) there.scrollIntoView();
}
addEventListener("hashchange", unfold);
if (location.hash) unfold();
