"""The folds of a setting on the page: what stands in each, and which is open at first."""

from dataclasses import dataclass

from ._setting import SettingResults


@dataclass(frozen=True)
class Part:
    """Tables and figures that answer one question, folded under it."""

    short: str  # in the contents
    title: str
    figures: tuple[str, ...]
    tables: tuple[str, ...]
    open: bool = False


PARTS = (
    Part("What labels are worth", "What the labels are worth, method by method and K by K",
         ("gains",), ("kshot",)),
    Part("The user's own labels?", "Is it the user's own labels? The control",
         ("control",), ("control",)),
    Part("Leaks", "Does anything leak?", (), ("leaks",)),
    Part("Who beats whom", "Who beats whom: every pair of methods", ("wins",), ("everyone",)),
    Part("Costs", "What it costs: time, memory, throughput", ("throughput",), ("costs",)),
    Part("Before any label", "Before any label: quality at K = 0", (), ("quality-k0",)),
    Part("How many users", "How many users get how much", ("profile",), ()),
    Part("Calibration", "Scores as probabilities: pooled AUC and calibration",
         ("calibration",), ("pooled", "calibration")),
    Part("For whom, on what", "For whom, and on what: items by popularity, users by kind",
         ("popularity", "groups"), ("groups",)),
    Part("What is recommended", "What is recommended: popularity, coverage, Gini",
         ("exposure",), ("exposure",)),
    Part("Inner loop", "Inside the adaptation: inner loop, adapter rank", ("steps", "ranks"), ()),
)  # fmt: skip


def parts(setting: SettingResults, tables: list[str], figures: list[str]) -> list[Part]:
    """Those that have something to show; one whose facts are broken is open."""
    broken = bool(setting.of(setting.results.leaks)["broken"].sum())
    listed = []
    for part in PARTS:
        # quality at K = 0 stands above where there is no larger K
        names = [n for n in tables if n in part.tables or n.rpartition("-")[0] in part.tables]
        names = [n for n in names if n != f"quality-k{setting.max_shots}"]
        drawn = [name for name in part.figures if name in figures]
        if names or drawn:
            opened = broken and "leaks" in part.tables
            listed.append(Part(part.short, part.title, tuple(drawn), tuple(names), opened))
    return listed
