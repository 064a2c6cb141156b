// Another metric, another K, one family: the leaderboard's levels written anew. It is whole without.
const levels = document.getElementById("levels");
if (levels) {
  const { metric, rows } = JSON.parse(levels.textContent);
  const board = document.getElementById("site-leaderboard").querySelector("table");
  const place = document.getElementById("choice");
  const pick = (name, values, start) => {
    const label = document.createElement("label");
    const list = document.createElement("select");
    values.forEach((value) => list.add(new Option(value, value, false, value === start)));
    label.append(`${name} `, list);
    place.append(label);
    return list;
  };
  const all = [...new Set(rows.map((row) => row.k))].sort((a, b) => a - b);
  const which = pick("metric", [...new Set(rows.map((row) => row.x))], metric);
  const label = document.createElement("label");
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: all.length, value: all.length, step: 1 });
  const said = document.createElement("output");
  label.append("K ", slider, said);
  place.append(label);
  const kin = new Map([...board.querySelectorAll("tr[data-method]")].map((row) => [row, row.cells[1].textContent.trim()]));
  const family = pick("family", ["all", ...new Set(kin.values())], "all");
  const first = new Map([...kin.keys()].map((row) => [row, [...row.cells].map((cell) => [cell.innerHTML, cell.dataset.sort, cell.className])]));
  const draw = () => {
    const k = slider.value < all.length ? all[slider.value] : null;
    said.textContent = k === null ? " largest of each set" : ` ${k}`;
    const given = k === null && which.value === metric;
    const found = new Map();
    const most = new Map();
    rows.forEach((row) => most.set(row.s, Math.max(row.k, most.get(row.s) ?? 0)));
    rows.filter((row) => row.x === which.value && row.k === (k ?? most.get(row.s)))
      .forEach((row) => found.set(`${row.s} ${row.m}`, row.v));
    first.forEach((cells, row) => {
      row.hidden = family.value !== "all" && kin.get(row) !== family.value;
      cells.forEach(([html, number, names], at) => {
        const cell = row.cells[at];
        const set = at - 3;
        cell.innerHTML = html;
        cell.className = names;
        if (number === undefined) delete cell.dataset.sort; else cell.dataset.sort = number;
        if (given || at < 2 || at === cells.length - 1) return;
        const value = set < 0 ? undefined : found.get(`${set} ${row.dataset.method}`);
        cell.textContent = value === undefined ? "" : value.toFixed(3).replace(/^0/, "");
        cell.className = "";
        if (value === undefined) delete cell.dataset.sort; else cell.dataset.sort = value;
      });
    });
  };
  [which, slider, family].forEach((one) => one.addEventListener("input", draw));
  place.hidden = false;
  draw();
}
