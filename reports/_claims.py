"""Who may claim what, as a table and as the site's first sentences."""

import polars as pl

from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.rounding import plain

from ._setting import SettingResults
from ._values import Row, Table, Value


def answer(every: list[SettingResults], board: Table) -> str:
    """Which method is best by the leaderboard, and where that is shown: a sentence each."""
    ((_, rows),) = board.groups
    ranked = [row for row in rows if row.cells[1].number is not None]
    telling = [setting for setting in every if not setting.is_too_small]
    if len(ranked) < 2 or not telling:
        return "" if telling else "No set here has users enough to tell methods apart."
    best = ranked[0]
    better = {
        _name(setting, every): set(_sure(setting).filter(against=BASELINE)["method"])
        for setting in telling
    }
    wins = [name for name, methods in better.items() if best.name in methods]
    nobody = [name for name, methods in better.items() if not methods]
    small = [_name(setting, every) for setting in every if setting.is_too_small]
    shown = f"shown to be better than {BASELINE}, which gives everybody the same order"
    words = [
        f"{best.name} has the best mean rank, {best.cells[1].text} among {len(rows)} methods"
        f"{f' on {len(telling)} sets' if len(telling) > 1 else ''}."
    ]
    if wins:
        words.append(f"On {_listed(wins)} it is {shown}.")
    if nobody:
        words.append(f"On {_listed(nobody)} no method is{'' if wins else f' {shown}'}.")
    if small:
        words.append(f"{_listed(small)} {'have' if small[1:] else 'has'} too few users to tell.")
    return " ".join(words)


def _name(setting: SettingResults, every: list[SettingResults]) -> str:
    alone = sum(other.dataset == setting.dataset for other in every) == 1
    return setting.dataset if alone else setting.title


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _sure(setting: SettingResults) -> pl.DataFrame:
    """The gains in the headline metric at the largest K that are significant."""
    metric = setting.results.headline
    rises = parse_metric(metric)[0].higher_is_better
    return setting.tested(metric, setting.max_shots).filter(
        pl.col("p_holm") < ALPHA, (pl.col("mean") > 0) == rises
    )


def claims(every: list[SettingResults]) -> Table:
    """Who may claim what: methods whose gain is significant after correction, by set."""
    rows: dict[str, dict[str, list[str]]] = {}
    for setting in every:
        for row in _sure(setting).iter_rows(named=True):
            words = f"{setting.dataset} (+{plain(abs(row['mean']))})"
            gains = rows.setdefault(row["method"], {})
            gains.setdefault(row["against"], []).append(words)
    return Table(
        "claims",
        "Who may claim what",
        "",
        f"Only differences that stand after Holm's correction over all differences of their set. A "
        f"method that is not here may claim neither that it beats {BASELINE} nor that its user's "
        "labels help it. The best of many looks better than it is.",
        (f"better than {BASELINE} on", "better for its user's labels on"),
        (
            (
                "",
                tuple(
                    Row(name, tuple(Value(", ".join(gains.get(to, ())) or "none")
                                    for to in (BASELINE, OWN_ZERO_SHOT)))
                    for name, gains in rows.items()
                ),
            ),
        ),
    )  # fmt: skip
