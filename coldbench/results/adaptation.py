"""What adapting did: how far scores moved from K = 0, and whether the headline metric gained."""

from coldbench.metrics.compute import parse_metric
from coldbench.results import paired
from coldbench.results.paired import ALPHA, OWN_ZERO_SHOT
from coldbench.results.rounding import number, plain
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting

MIN_SHIFT = 1e-3  # scores that move by less than this share of the scale have not adapted
FRAME = "adaptation"
SCHEMA = schema("method verdict", "shots", "moved")


def rows(setting: Setting) -> list[Row]:
    """Every K: mean |score - score at K = 0| in 0..1, and a verdict in words."""
    shifts = {
        (row["method"], row["shots"]): row
        for row in setting.rows(paired)
        if row["against"] == OWN_ZERO_SHOT and row["metric"] == setting.headline
    }
    verdicts: list[Row] = []
    for method, by_shots in setting.scores.items():
        facts = setting.cells[method][0].facts
        for shots, scores in by_shots.items():
            if shots == 0 or 0 not in by_shots:
                continue
            now, before = scores.align(by_shots[0])
            change = (now.predictions.scores - before.predictions.scores).abs()[
                now.predictions.mask
            ]
            moved = number(change.mean())
            words = verdict(
                moved if facts.get("adapts", True) and moved else 0.0, shifts.get((method, shots))
            )
            if facts.get("chance"):
                words = "moves at random"  # its scores change with K, and not because it learns
            verdicts.append({"method": method, "shots": shots, "moved": moved, "verdict": words})
    return verdicts


def verdict(moved: float, gain: Row | None) -> str:
    """What adapting did, in words: `moved` is the mean change of a score (0: the method takes no
    support), `gain` the row against its own K = 0."""
    sure = gain is not None and gain["p_holm"] is not None and gain["p_holm"] < ALPHA
    if moved and gain is not None and sure and gain["mean"]:
        rises = gain["mean"] > 0
        low, high = (gain["low"], gain["high"]) if rises else (-gain["high"], -gain["low"])
        better = rises == parse_metric(gain["metric"])[0].higher_is_better
        size = plain(abs(gain["mean"]))
        size = "less than .001" if size == ".000" else size
        return f"{'gains' if better else 'loses'} {size} [{plain(low)}, {plain(high)}]"
    return "does not adapt" if moved < MIN_SHIFT else "adapts, no gain shown"
