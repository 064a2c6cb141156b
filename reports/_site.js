// Another metric, another K, one family: the leaderboard written anew. It is whole without.
const record = document.getElementById("board");
const board = record && JSON.parse(record.textContent);
const choice = document.getElementById("choice");
const most = (set) => set.shots[set.shots.length - 1];

function pick(name, values, start, names = values) {
  const label = document.createElement("label");
  const list = document.createElement("select");
  values.forEach((value, at) => list.add(new Option(names[at], value, false, value === start)));
  label.append(`${name} `, list);
  choice.append(label);
  return list;
}

// K or, at the right end, the largest of each set
function slide() {
  const all = [...new Set(board.sets.flatMap((set) => set.shots))].sort((a, b) => a - b);
  const label = document.createElement("label");
  const slider = document.createElement("input");
  const said = document.createElement("output");
  Object.assign(slider, { type: "range", min: 0, max: all.length, value: all.length, step: 1 });
  label.append("K ", slider, said);
  choice.append(label);
  const say = () => { said.textContent = slider.value < all.length ? ` ${all[slider.value]}` : " largest of each set"; };
  slider.addEventListener("input", say);
  say();
  return { slider, shots: () => (slider.value < all.length ? all[slider.value] : null) };
}

const plain = (x) => x.toFixed(3).replace(/^(-?)0\./, "$1.");

function levelsOf(metric, shots) {
  return board.sets.map((set, at) => board.levels[metric]?.[at]?.[shots ?? most(set)] ?? board.methods.map(() => null));
}

// places in a set, 1 is best; equal levels share the better place
function placesOf(levels, falls) {
  return levels.map((level) => (level === null ? null : 1 + levels.filter((other) => other !== null && (falls ? other < level : other > level)).length));
}

const metricList = () => {
  const metrics = Object.keys(board.levels);
  return pick("metric", metrics, board.metric, metrics.map((name) => board.names[name]));
};

function leaderboard(table) {
  const heads = [...table.tHead.rows[0].cells].map((head) => head.querySelector("button") ?? head);
  const shown = heads.map((head) => head.textContent);
  const rows = new Map([...table.querySelectorAll("tr[data-method]")].map((row) => [row.dataset.method, row]));
  const first = new Map([...rows.values()].map((row) => [row, [...row.cells].map((cell) => [cell.innerHTML, cell.dataset.sort, cell.className])]));
  const all = board.sets.map((_, at) => at);
  const large = all.filter((at) => !board.sets[at].small);
  const telling = large.length ? large : all; // sets whose users can tell methods apart: mean ranks
  table.tHead.rows[0].cells[2].setAttribute("aria-sort", "ascending");
  const metric = metricList();
  const k = slide();
  const family = pick("family", ["all", ...new Set(board.families)], "all");
  const put = (cell, value, text, best) => {
    cell.textContent = text;
    cell.className = best ? "best" : "";
    if (value === null) delete cell.dataset.sort; else cell.dataset.sort = value;
  };
  const restore = () => first.forEach((cells, row) => cells.forEach(([html, number, names], at) => {
    row.cells[at].innerHTML = html;
    row.cells[at].className = names;
    if (number === undefined) delete row.cells[at].dataset.sort; else row.cells[at].dataset.sort = number;
  }));
  const draw = () => {
    const shots = k.shots();
    board.methods.forEach((name, at) => rows.get(name)?.classList.toggle("off", family.value !== "all" && board.families[at] !== family.value));
    restore();
    table.tBodies[0].append(...rows.values()); // as they were written: equal ranks keep that order
    heads.forEach((head, at) => { head.textContent = shown[at]; });
    if (shots !== null || metric.value !== board.metric) {
      const levels = levelsOf(metric.value, shots);
      const ranked = levels.map((set) => set.map((level, at) => (rows.has(board.methods[at]) ? level : null)));
      const places = ranked.map((set) => placesOf(set, board.falls.includes(metric.value)));
      board.sets.forEach((set, at) => { heads[at + 3].textContent = `${set.name} K=${shots ?? most(set)}${set.small ? ", too small" : ""}`; });
      board.methods.forEach((name, at) => {
        const row = rows.get(name);
        if (!row) return;
        const own = telling.map((s) => places[s][at]).filter((place) => place !== null);
        const mean = own.reduce((sum, place) => sum + place, 0) / own.length;
        const whole = own.length === telling.length;
        put(row.cells[2], whole ? mean : null, own.length ? mean.toFixed(1) + (whole ? "" : ` (${own.length} of ${telling.length})`) : "");
        levels.forEach((set, s) => put(row.cells[s + 3], set[at], set[at] === null ? "" : plain(set[at]), places[s][at] === 1 && !board.sets[s].small));
      });
    }
    const sorted = table.querySelector("[aria-sort]");
    const column = sorted ? sorted.cellIndex : 2;
    sort(table, column, sorted?.getAttribute("aria-sort") === "descending");
  };
  [metric, k.slider, family].forEach((one) => one.addEventListener("input", draw));
  choice.hidden = false;
}

const table = document.querySelector("#site-leaderboard table");
if (board && table) leaderboard(table);
