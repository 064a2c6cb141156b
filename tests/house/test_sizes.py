"""A file is one thing: at 250 lines there is a second one inside."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 250  # lines
FOLDERS = ("coldbench", "benchmarks", "datasets", "methods", "reports")


def test_no_file_of_code_is_longer_than_250_lines() -> None:
    kinds = ("*.py", "*.[ch]")
    files = [path for f in FOLDERS for kind in kinds for path in (ROOT / f).rglob(kind)]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    longer = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MOST}
    assert files and not longer, f"find the second thing inside, and give it a file: {longer}"
