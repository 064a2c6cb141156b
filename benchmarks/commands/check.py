"""`coldbench check`: what every check finds of each method, as a table."""

from pathlib import Path

from coldbench import registry
from coldbench.errors import UserError, printable
from coldbench.testing import Outcome, as_rows, to_table

from .command import document, one_document
from .conform import conform, progress
from .verbosity import Verbosity


def check(
    methods: list[str] | None, jobs: int, output: Path | None, say: Verbosity, *, as_json: bool
) -> bool:
    """Check methods by name or file, or all of them (None); whether every check passed."""
    if methods is None:
        files, names = [], registry.names("methods")
    elif not methods:
        raise UserError("name methods or files to check, or use --all")
    else:
        files = [Path(name) for name in methods if name.endswith(".py")]
        included = {str(path): registry.include(path) for path in files}
        names = [included.get(name, name) for name in methods]
    for name in names:
        registry.find("methods", name)  # a misspelt one is found before any is checked
    with progress(len(names), say) as tell, one_document(as_json):
        outcomes = conform(names, files, jobs, tell)
    table = to_table(outcomes)
    document(as_rows(outcomes)) if as_json else print(printable(_words(outcomes, say)), end="")
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(table, encoding="utf-8", errors="backslashreplace")
    return not _failed(outcomes)


def _words(outcomes: dict[str, list[Outcome]], say: Verbosity) -> str:
    """The table: where only failures are wanted, of those that failed; with all, each check too."""
    if say is Verbosity.QUIET:
        failed = _failed(outcomes)
        return to_table(failed) if failed else ""
    rows = as_rows(outcomes) if say is Verbosity.VERBOSE else []
    lines = [f"{row['name']}: {row['check']}: {row['verdict']}\n" for row in rows]
    return "".join(lines) + to_table(outcomes)


def _failed(outcomes: dict[str, list[Outcome]]) -> dict[str, list[Outcome]]:
    return {
        name: checks for name, checks in outcomes.items() if not all(check.ok for check in checks)
    }
