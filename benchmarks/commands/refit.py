"""`coldbench refit`: a decision about a served folder, or all of them."""

from dataclasses import dataclass
from pathlib import Path

from coldbench.errors import UserError
from coldbench.results.rounding import plain

from ..dataset_names import options
from ..refit.refit import refit as trained_again
from ..refit.refit import rollback, start
from ..refit.served import CURRENT, Line, Served
from .command import document, one_document


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    folder: Path
    file: str | None
    with_: list[str] | None
    since: str | None
    margin: float
    start: Path | None
    rollback: bool
    history: bool


def refit(asked: Asked, *, as_json: bool) -> bool:
    """Do the one thing that was asked for; False where a new model was refused."""
    verbs = {
        "a file of new ratings": asked.file is not None, "--start MODEL": asked.start is not None,
        "--rollback": asked.rollback, "--history": asked.history,
    }  # fmt: skip
    if sum(verbs.values()) != 1:
        raise UserError(f"coldbench refit {asked.folder}: give one of {', '.join(verbs)}")
    if (asked.with_ or asked.since is not None) and asked.file is None:
        raise UserError("--with and --since go with a file of new ratings")
    served = Served(asked.folder)
    if asked.history:
        lines = served.history()
        document(lines) if as_json else show_history(lines)
        return True
    with one_document(as_json):
        line = _decision(served, asked)
    document(line) if as_json else show(asked.folder, line)
    return bool(line.get("promoted", True))


def _decision(served: Served, asked: Asked) -> Line:
    if asked.start is not None:
        return start(served, asked.start)
    if asked.rollback:
        return rollback(served)
    assert asked.file is not None
    return trained_again(served, asked.file, options(asked.with_), asked.since, asked.margin)


def show(folder: Path, line: Line) -> None:
    """One decision, and what serves now."""
    if line["event"] == "start":
        print(
            f"{folder}: version {line['version']} is {line['model']}: {line['users']:,} users, "
            f"{line['items']:,} items, {line['ratings']:,} ratings"
        )
    elif line["event"] == "rollback":
        print(f"back from version {line['version']} to {line['serves']}")
    else:
        _show_refit(line)
    print(f"{folder / CURRENT} serves version {line['serves']}")


def _show_refit(line: Line) -> None:
    if line.get("again"):
        print(f"decided before, at {line['time']}:")
    print(
        f"version {line['version']}: {line['ratings']:,} ratings, {line['users']:,} users and "
        f"{line['items']:,} items came with {line['file']}"
    )
    print(f"{line['metric']} after {line['shots']} ratings, beside version {line['after']}:")
    for row in line["panels"]:
        print(
            f"  {row['name']:8} {row['users']:>5,} users: {plain(row['new'])} against "
            f"{plain(row['old'])} (chance {plain(row['chance'])}): {_difference(row)}: "
            f"{'passes' if row['passes'] else 'fails'}"
        )
    least = plain(-line["margin"])
    rule = f"the interval of the latest must not reach below {least}"
    more = f", the mean of the earlier not be below {least}" if line["panels"][1:] else ""
    print(f"{'promoted' if line['promoted'] else 'refused'}: {rule}{more}")


def _difference(row: Line) -> str:
    return f"{row['mean']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"


def show_history(lines: list[Line]) -> None:
    """A line for each decision, oldest first; a star at what serves now."""
    serving = lines[-1]["serves"]
    for line in lines:
        star = "*" if line["version"] == serving and line["event"] != "rollback" else " "
        print(f"{star} {line['time']}  {line['version']}  {_words(line)}")


def _words(line: Line) -> str:
    if line["event"] == "start":
        return f"start: {line['model']}"
    if line["event"] == "rollback":
        return f"rolled back to {line['serves']}"
    what = "promoted" if line["promoted"] else f"refused, {line['serves']} stays"
    panels = "; ".join(f"{row['name']} {_difference(row)}" for row in line["panels"])
    return f"after {line['after']}, {line['ratings']:,} ratings of {line['file']}: {what}: {panels}"
