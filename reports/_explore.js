// Accuracy against cost, to explore: a dot a method; needs vega.js beside it.
const set = pick("set", board.sets.map((_, at) => String(at)), "0", board.sets.map((one) => one.title));
const metric = metricList();
const k = slide();
const axis = pick("cost", ["ms", "rate"], "ms", ["ms for one user", "users a second"]);
const family = pick("family", ["all", ...new Set(board.families)], "all");
choice.hidden = false;
const place = document.getElementById("plot");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");

function dots() {
  const of = board.sets[set.value];
  const shots = k.shots() ?? most(of);
  const at = (column) => board[column][metric.value]?.[set.value]?.[shots] ?? [];
  const [levels, low, high] = ["levels", "low", "high"].map(at);
  const all = board.methods.map((method, i) => ({
    method, family: board.families[i], level: levels[i] ?? null, low: low[i] ?? null, high: high[i] ?? null, cost: of[axis.value][i],
    interval: low[i] == null ? "" : `${plain(low[i])} to ${plain(high[i])}`,
  })).filter((dot) => dot.level !== null && (family.value === "all" || dot.family === family.value));
  const better = (a, b) => (board.falls.includes(metric.value) ? a < b : a > b);
  const timed = all.filter((dot) => dot.cost !== null);
  timed.forEach((dot) => { // on the frontier: no other is better and at most a tenth dearer
    dot.front = !timed.some((other) => better(other.level, dot.level) && (axis.value === "ms" ? other.cost <= dot.cost * 1.1 : other.cost >= dot.cost / 1.1));
  });
  const best = timed.reduce((top, dot) => (top && !better(dot.level, top.level) ? top : dot), null);
  timed.forEach((dot) => { dot.named = dot.method === "item-bias" || (place.clientWidth < 600 ? dot === best : dot.front); });
  return { timed, shots, untimed: all.filter((dot) => dot.cost === null).map((dot) => dot.method), chance: at("chance")[0] ?? null };
}

// Where each name stands, in pixels from its dot, so that none covers another name or a dot: of
// places around it the one with the least covered, then the nearest; the best dot chooses first.
// To cover a line, of an interval or of the staircase, costs a little.
function name({ timed }, view) {
  const [x, y] = ["x", "y"].map((axis) => view.scale(axis));
  const [wide, high] = ["width", "height"].map((side) => view.signal(side));
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const box = (left, top, width, height) => [left - width / 2, top - height / 2, left + width / 2, top + height / 2];
  const shared = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const taken = timed.map((dot) => box(x(dot.cost), y(dot.level), 13, 13));
  const lines = timed.filter((dot) => dot.low !== null).map((dot) => [x(dot.cost) - 1, y(dot.high), x(dot.cost) + 1, y(dot.low)]);
  const front = timed.filter((dot) => dot.front).sort((a, b) => a.cost - b.cost);
  front.slice(1).forEach((dot, at) => {
    const height = y(axis.value === "ms" ? front[at].level : dot.level);
    lines.push([x(front[at].cost), height - 1, x(dot.cost), height + 1]);
  });
  const best = (a, b) => (board.falls.includes(metric.value) ? a.level - b.level : b.level - a.level);
  timed.filter((dot) => dot.named).sort(best).forEach((dot) => {
    const half = pen.measureText(dot.method).width / 2 + 3;
    let least = Infinity, chosen = null;
    for (const away of [14, 22, 32, 44, 58, 74]) {
      for (let turn = 0; turn < 16; turn++) {
        const [right, down] = [Math.cos(turn * Math.PI / 8), Math.sin(turn * Math.PI / 8)];
        const dx = right * (away - 6 + half), dy = down * away;
        const own = box(x(dot.cost) + dx, y(dot.level) + dy, 2 * half, 15);
        const out = own[0] < 0 || own[1] < 0 || own[2] > wide || own[3] > high;
        const covered = (what) => what.reduce((sum, other) => sum + shared(own, other), 0);
        const cost = away + (out ? 1e6 : 0) + 100 * covered(taken) + 0.5 * covered(lines);
        if (cost < least) [least, chosen] = [cost, { dx, dy, own, far: away > 24 }];
      }
    }
    taken.push(chosen.own);
    const short = Math.max(0, 1 - Math.min(half / Math.abs(chosen.dx), 8 / Math.abs(chosen.dy))); // a line ends at the name
    Object.assign(dot, { dx: chosen.dx, dy: chosen.dy, far: chosen.far, endX: short * chosen.dx, endY: short * chosen.dy });
  });
}

function spec({ timed, shots, chance }) {
  const [ink, muted, faint] = ["ink", "muted", "faint"].map(colour);
  const x = { field: "cost", type: "quantitative", scale: { type: "log", nice: false, padding: place.clientWidth < 600 ? 24 : 96 }, title: axis.selectedOptions[0].text, axis: { format: axis.value === "ms" ? "~g" : "~s", tickCount: place.clientWidth < 600 ? 4 : 6, grid: false } };
  const y = { field: "level", type: "quantitative", scale: { zero: false, padding: 14 }, title: `${board.names[metric.value]} at K = ${shots}`, axis: { tickCount: 6, format: ".3~f", labelExpr: "replace(datum.label, regexp('^(-?|−)0[.]'), '$1.')" } };
  const size = place.clientWidth < 600 ? 340 : 480;
  const named = timed.some((dot) => dot.dx !== undefined), far = timed.some((dot) => dot.far); // no layer is empty
  const [dx, dy] = [{ expr: "datum.dx" }, { expr: "datum.dy" }];
  const families = [...new Set(board.families)], shown = families.filter((one) => timed.some((dot) => dot.family === one));
  const layer = [
    { transform: [{ filter: "datum.front" }], mark: { type: "line", interpolate: axis.value === "ms" ? "step-after" : "step-before", color: muted, strokeWidth: 1 }, encoding: { x, y, order: { field: "cost" } } },
    { mark: { type: "rule", color: muted, strokeWidth: 1, opacity: 0.5 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
    {
      params: [{ name: "zoom", select: "interval", bind: "scales" }],
      mark: { type: "point", filled: true, size: 90, opacity: 1 },
      encoding: {
        x, y,
        color: { field: "family", type: "nominal", scale: { domain: families, scheme: dark.matches ? "set2" : "dark2" }, legend: { orient: "bottom", columns: place.clientWidth < 600 ? 2 : 8, values: shown, title: null } },
        tooltip: [{ field: "method" }, { field: "family" }, { field: "level", format: ".3f" }, { field: "interval", title: "95 %" }, { field: "cost", title: x.title, format: "~g" }],
      },
    },
    far && { transform: [{ filter: "datum.far" }], mark: { type: "rule", color: muted, strokeWidth: 0.7, x2Offset: { expr: "datum.endX" }, y2Offset: { expr: "datum.endY" } }, encoding: { x, y, x2: { field: "cost" }, y2: { field: "level" } } },
    named && { transform: [{ filter: "isValid(datum.dx)" }], mark: { type: "text", dx, dy, fontSize: 12, color: ink, baseline: "middle" }, encoding: { x, y, text: { field: "method" } } },
  ].filter(Boolean);
  if (chance !== null) layer.push({ data: { values: [{ level: chance }] }, mark: { type: "rule", strokeDash: [2, 3], color: muted }, encoding: { y } });
  return {
    width: "container", height: size, background: null,
    autosize: { type: "fit", contains: "padding" }, data: { values: timed }, layer,
    config: {
      font: getComputedStyle(document.body).fontFamily, view: { stroke: null }, axis: { labelColor: ink, titleColor: ink, gridColor: faint, domainColor: muted, tickColor: muted, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal" },
      legend: { labelColor: ink, labelFontSize: 12, symbolOpacity: 1 },
    },
  };
}

let turn = 0; // of the last draw that was begun: an older one ends there
async function draw() {
  const now = dots(), mine = ++turn;
  document.getElementById("untimed").textContent = now.untimed.length ? `Not timed, or with nothing to adapt: ${now.untimed.join(", ")}.` : "";
  if (!now.timed.length) return place.replaceChildren();
  const how = { actions: false, ast: true, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } };
  const { view } = await vegaEmbed(place, spec(now), how); // to know where its dots are
  if (mine !== turn) return;
  name(now, view);
  await vegaEmbed(place, spec(now), how);
  place.querySelector("svg")?.setAttribute("aria-label", `${board.names[metric.value]} against ${axis.selectedOptions[0].text}: ${now.timed.length} methods`);
}
[set, metric, k.slider, axis, family].forEach((one) => one.addEventListener("input", draw));
dark.addEventListener("change", draw);
draw();
