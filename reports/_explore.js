// Accuracy against cost, to explore: a dot a method; needs vega.js beside it.
const set = pick("set", board.sets.map((_, at) => String(at)), "0", board.sets.map((one) => one.title));
const metric = pick("metric", Object.keys(board.levels), board.metric);
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
  const narrow = place.clientWidth < 600; // names of the staircase would cover each other
  timed.forEach((dot) => { dot.named = dot.method !== "item-bias" && (narrow ? dot === best : dot.front); });
  return { timed, shots, untimed: all.filter((dot) => dot.cost === null).map((dot) => dot.method), chance: at("chance")[0] ?? null };
}

function spec({ timed, shots, chance }) {
  const [ink, muted, faint] = ["ink", "muted", "faint"].map(colour);
  const x = { field: "cost", type: "quantitative", scale: { type: "log", nice: false, padding: place.clientWidth < 600 ? 24 : 96 }, title: axis.selectedOptions[0].text, axis: { format: "~g", tickCount: 6, grid: false } };
  const y = { field: "level", type: "quantitative", scale: { zero: false, padding: 14 }, title: `${metric.value} at K = ${shots}`, axis: { tickCount: 6, format: ".3~f" } };
  const size = place.clientWidth < 600 ? 340 : 480;
  const named = timed.some((dot) => dot.named), baseline = timed.some((dot) => dot.method === "item-bias"); // no layer is empty
  const layer = [
    { transform: [{ filter: "datum.front" }], mark: { type: "line", interpolate: axis.value === "ms" ? "step-after" : "step-before", color: muted, strokeWidth: 1 }, encoding: { x, y, order: { field: "cost" } } },
    { mark: { type: "rule", color: muted, strokeWidth: 1, opacity: 0.5 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
    {
      params: [{ name: "zoom", select: "interval", bind: "scales" }],
      mark: { type: "point", filled: true, size: 90, opacity: 1 },
      encoding: {
        x, y,
        color: { field: "family", type: "nominal", scale: { domain: [...new Set(board.families)], scheme: dark.matches ? "set2" : "dark2" }, legend: { orient: "bottom", columns: place.clientWidth < 600 ? 2 : 6, title: null } },
        tooltip: [{ field: "method" }, { field: "family" }, { field: "level", format: ".3f" }, { field: "interval", title: "95 %" }, { field: "cost", title: x.title, format: "~g" }],
      },
    },
    named && { transform: [{ filter: "datum.named" }], mark: { type: "text", align: axis.value === "ms" ? "right" : "left", dx: axis.value === "ms" ? -6 : 6, dy: -8, fontSize: 12, color: ink }, encoding: { x, y, text: { field: "method" } } },
    baseline && { transform: [{ filter: "datum.method === 'item-bias'" }], mark: { type: "text", align: axis.value === "ms" ? "left" : "right", dx: axis.value === "ms" ? 6 : -6, dy: 12, fontSize: 12, color: ink }, encoding: { x, y, text: { field: "method" } } },
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

async function draw() {
  const now = dots();
  document.getElementById("untimed").textContent = now.untimed.length ? `Not timed, or with nothing to adapt: ${now.untimed.join(", ")}.` : "";
  if (!now.timed.length) return place.replaceChildren();
  await vegaEmbed(place, spec(now), { actions: false, ast: true, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } });
  place.querySelector("svg")?.setAttribute("aria-label", `${metric.value} against ${axis.selectedOptions[0].text}: ${now.timed.length} methods`);
}
[set, metric, k.slider, axis, family].forEach((one) => one.addEventListener("input", draw));
dark.addEventListener("change", draw);
draw();
