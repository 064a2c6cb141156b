"""What a replay shows: a line that moves while it measures, and its table."""

from itertools import groupby

from rich.console import Console
from rich.progress import Progress

from .row import Row

HEAD = ("row", "metric", "published", "chance", "ours", "95 % interval", "spread", "note")
NUMBERS = range(2, 7)  # columns that stand to the right


class Line:
    """Told of every split that is measured; a context, so that the terminal is left in order."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(quiet=quiet)
        self._bar = Progress(console=self._console, transient=True)
        self._task = self._bar.add_task("measuring", total=None)

    def __enter__(self) -> "Line":
        if self._console.is_terminal and not self._console.quiet:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, text: str, done: int, count: int) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, description=text, completed=done, total=count)
        elif not self._console.quiet:
            print(f"[{done}/{count}] {text}", flush=True)


def cells(row: Row) -> tuple[str, ...]:
    """A row in words, as HEAD names them."""
    span = "" if row.low is None or row.high is None else f"[{row.low:.3f}, {row.high:.3f}]"
    numbers = (_number(x) for x in (row.published, row.chance, row.ours))
    return (row.row, row.metric, *numbers, span, _number(row.spread, 3), row.note)


def plain(rows: list[Row]) -> str:
    """A table for each anchor, its columns aligned."""
    parts = []
    for anchor, group in groupby(rows, lambda row: row.anchor):
        table = [HEAD, *map(cells, group)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                word.rjust(width) if at in NUMBERS else word.ljust(width)
                for at, (word, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        parts.append("\n".join([anchor, *lines]))
    return "\n\n".join(parts)


def markdown(rows: list[Row]) -> str:
    """The same as a page."""
    rule = ["--:" if at in NUMBERS else "---" for at in range(len(HEAD))]
    parts = ["# Published numbers, chance and ours"]
    for anchor, group in groupby(rows, lambda row: row.anchor):
        lines = [f"| {' | '.join(words)} |" for words in (HEAD, rule, *map(cells, group))]
        parts.append("\n".join([f"## {anchor}", "", *lines]))
    return "\n\n".join(parts)


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"
