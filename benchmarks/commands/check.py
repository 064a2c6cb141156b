"""`coldbench check`: what every check finds of each method, as a table."""

from pathlib import Path

from coldbench import registry
from coldbench.errors import UserError, printable
from coldbench.testing.check_method import as_rows, to_table

from .command import document, one_document
from .conform import conform, progress


def check(methods: list[str] | None, jobs: int, output: Path | None, *, as_json: bool) -> bool:
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
    with progress(len(names)) as tell, one_document(as_json):
        outcomes = conform(names, files, jobs, tell)
    table = to_table(outcomes)
    document(as_rows(outcomes)) if as_json else print(printable(table), end="")
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(table, encoding="utf-8", errors="backslashreplace")
    return all(outcome.ok for checks in outcomes.values() for outcome in checks)
