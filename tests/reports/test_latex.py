"""The tables of reports/latex.py set by LaTeX: they compile, fit the page, lose no number.

Skipped with what to install where the machine has no LaTeX.
"""

import os
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench import registry
from coldbench.results.results import Results, read
from tests import hostile_words
from tests.shown import METRICS, printed, printed_difference

safe = import_module("coldbench.reports._escape")
head_of: Any = import_module("coldbench.reports._values").metric_name
PAGE = r"""\documentclass{%s}
\usepackage{booktabs, amssymb, graphicx}
\begin{document}
%s
\end{document}
"""


PACKAGES = {
    "pdflatex": "texlive-latex-base",
    "lualatex": "texlive-luatex",
    "xelatex": "texlive-xetex",
}


def missing(engine: str) -> str:
    """What to install before a table can be set; "" where nothing is missing."""
    if shutil.which(engine) is None:
        return f"no {engine} here: apt install {PACKAGES[engine]} texlive-latex-recommended"
    for package in ("booktabs", "amssymb", "graphicx"):
        if subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True, check=False).stdout:
            continue
        return f"LaTeX has no {package} here: apt install texlive-latex-recommended"
    return ""


def compiled(engine: str, folder: Path, body: str, kind: str = "article") -> str:
    """LaTeX's log of a document, each of its lines whole; PDF and source lie in the folder."""
    if why := missing(engine):
        pytest.skip(why)
    (folder / "all.tex").write_text(PAGE % (kind, body), encoding="ascii")
    limits = {"TEXMFVAR": str(folder / "var"), "openin_any": "p", "openout_any": "p"}
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"],
        cwd=folder, env=os.environ | limits | {"max_print_line": "2000"}, capture_output=True,
        check=False, timeout=120,
    )  # fmt: skip
    log = (folder / "all.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[log.find("\n!") :][:1000]
    assert (folder / "all.pdf").read_bytes().startswith(b"%PDF")
    return log


def written(results: Results, folder: Path) -> list[Path]:
    return registry.find("reports", "latex")().write(results, folder)


def inputs(paths: list[Path]) -> str:
    return "\n".join(rf"\input{{tables/{path.stem}}}\clearpage" for path in paths)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    run = tmp_path_factory.mktemp("runs") / "evil"
    hostile_words.build(run, 2, 4)
    return read(run, resamples=20)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_every_table_compiles_and_fits_the_page(
    results: Results, tmp_path: Path, engine: str
) -> None:
    paths = written(results, tmp_path)
    log = compiled(engine, tmp_path, inputs(paths))
    assert len(paths) >= 5
    assert re.search(rf"Output written on all.pdf \({len(paths)} pages", log)
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert "Missing character" not in log
    assert "multiply defined" not in log


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_hostile_names_compile_fit_the_page_and_read_nothing(
    hostile: Results, tmp_path: Path, engine: str
) -> None:
    paths = written(hostile, tmp_path)
    log = compiled(engine, tmp_path, inputs(paths))
    over = re.findall(r"^Overfull \\hbox \(([\d.]+)pt", log, re.MULTILINE)
    assert max(map(float, over), default=0) < 40, "a word leaves the margin of 134 pt"
    assert "Missing character" not in log
    assert "multiply defined" not in log
    opened = re.findall(r"\(\.?/?([\w./-]+)", log)
    assert not [name for name in opened if "passwd" in name]


@pytest.mark.slow
def test_every_letter_that_is_written_can_be_set(tmp_path: Path) -> None:
    """Latin, Greek, emoji, control characters, half letters: alone, first in a row, twice."""
    numbers = [
        *range(0x250),
        *range(0x2010, 0x2030),
        0x394,
        0x2192,
        0x3042,
        0xD800,
        0xFFFE,
        0x1F3AC,
    ]
    letters = [safe.latex(letter) for letter in map(chr, numbers)]
    rows = [rf"{one} & {one}{one} & x{one}y \\" for one in letters if one]
    body = "\n".join(
        [r"\begin{tabular}{lll}", "\\end{tabular}\n\n\\begin{tabular}{lll}\n".join(rows)]
    )
    log = compiled("pdflatex", tmp_path, body + "\n" + r"\end{tabular}")
    assert "Missing character" not in log
    assert all(one.isascii() for one in letters)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("café Čapek ñ ő ï", r"caf\'{e} \v{C}apek \~{n} \H{o} \"{\i}"),
        ("cafe\u0301", r"caf\'{e}"),
        ("🎬 中", "{[}U+1F3AC] {[}U+4E2D]"),
        ("e\u0336", "e{[}U+0336]"),
        ("a\x00b\ud800", "a{[}U+0000]b{[}U+D800]"),
        ("--x", "-{}-x"),
        ("[a] *", "{[}a] {*}"),
        ("line\u2028next\r\n\tend", "line next end"),
    ],
)
def test_a_letter_stands_as_a_command_or_as_its_number(text: str, command: str) -> None:
    assert safe.latex(text) == command


def test_a_narrow_table_is_not_blown_up_and_a_wide_one_is_shrunk(tmp_path: Path) -> None:
    fit = import_module("coldbench.reports.latex").FIT
    box = "\\setbox0=\\hbox{%s\n\\vrule width %s height 1pt}}\\typeout{width \\the\\wd0}\n"
    body = "".join(box % (fit, width) for width in ("50pt", "900pt"))
    log = compiled("pdflatex", tmp_path, body + r"\typeout{page \the\textwidth} x")
    narrow, wide = map(float, re.findall(r"^width ([\d.]+)pt", log, re.MULTILINE))
    page = float(re.findall(r"^page ([\d.]+)pt", log, re.MULTILINE)[0])
    assert narrow == pytest.approx(50, abs=0.1)
    assert wide == pytest.approx(page, abs=0.1)


def rows(paths: list[Path], name: str) -> tuple[list[str], dict[str, list[str]]]:
    """Heads and rows of a table as a reader sees them, without LaTeX."""
    text = next(p for p in paths if p.stem.endswith(f"-{name}")).read_text(encoding="ascii")
    assert r"\toprule" in text and r"\bottomrule" in text
    lines = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r" \\")]
    plainly = [[_plainly(cell) for cell in line.split(" & ")] for line in lines]
    return plainly[0], {row[0]: row[1:] for row in plainly[1:] if len(row) == len(plainly[0])}


def _plainly(cell: str) -> str:
    for written, read_as in {
        r"$-$": "-", r"\scriptsize ": "", r"\,$\blacktriangle$": "▲",
        r"\,$\blacktriangledown$": "▼", r" $\uparrow$": "", r" $\downarrow$": "",
        r"\%": "%", r"\textless": "<", "{": "", "}": "",
    }.items():  # fmt: skip
        cell = cell.replace(written, read_as)
    return cell


@pytest.mark.parametrize("shots", [0, 2])
def test_the_numbers_of_quality_are_those_of_the_store(
    results: Results, tmp_path: Path, shots: int
) -> None:
    heads, cells_of = rows(written(results, tmp_path), f"quality-k{shots}")
    store = results.table.filter(pl.col("metric").is_in(METRICS), shots=shots).drop_nulls("value")
    for row in store.iter_rows(named=True):
        cell = cells_of[row["method"]][heads.index(head_of(row["metric"])) - 1]
        assert cell == printed(row), row
    ranks = [cells.pop(heads.index("rank") - 1) for cells in cells_of.values() if cells]
    methods = store.filter(pl.col("method") != "chance")["method"].n_unique()
    assert sum(bool(rank) for rank in ranks) == methods
    assert len(store) == sum(bool(cell) for cells in cells_of.values() for cell in cells) > 40


def test_the_numbers_of_k_on_k_and_the_differences_are_those_of_the_store(
    results: Results, tmp_path: Path
) -> None:
    paths = written(results, tmp_path)
    heads, cells_of = rows(paths, "kshot")
    store = results.table.filter(metric=results.headline).drop_nulls("value")
    for row in store.iter_rows(named=True):
        cell = cells_of[row["method"]][heads.index(f"K = {row['shots']}") - 1]
        assert cell == printed(row), row
    heads, cells_of = rows(paths, "audit")
    checked = 0
    gains = results.gains.filter(pl.col("metric").is_in([results.headline, "auc"]), shots=2)
    for row in gains.filter((pl.col("helped") > 0) | (pl.col("harmed") > 0)).iter_rows(named=True):
        against = "own K = 0" if row["against"] == "K = 0" else row["against"]
        cell = cells_of[row["method"]][heads.index(f"{head_of(row['metric'])} - {against}") - 1]
        number, mark = printed_difference(row)
        assert cell == number.replace(" p ", f"{mark} p ")
        checked += 1
    assert checked >= 5
