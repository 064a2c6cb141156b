"""The main job, `make benchmark`, in its short form: real users of ml-100k, every method, the page.

As a user meets it: the console script in a process of its own. What is short are the users, the
seeds, the steps of training and the texts, which most methods' time goes into; the encoder's
weights, the protocol, the timing and the report are whole.
"""

import os
import re
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.cell import read_run
from tests import browser
from tests.shown import Page

COLDBENCH = str(Path(sys.executable).with_name("coldbench"))
SHORT = {"meta_steps": 10, "epochs": 1, "items_an_epoch": 64, "pair_steps": 5, "copies": 2}
TOKENS = 6  # of a text: two of them mark its ends
WITHIN = {"run": 420.0, "report": 120.0}  # seconds; about a third of it where nothing else runs
TABLES = {"audit", "control", "leaks", "everyone", "kshot", "costs"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(sum(WITHIN.values()) + 60)]


def quick_grid() -> Any:
    grids: Any = import_module("coldbench.benchmarks.grid")
    return grids.Grid.of(grids.Grid.read(grids.READY / "quick.toml"))


def shortened(methods: tuple[str, ...]) -> list[str]:
    """--set of every parameter that says how long a method trains."""
    changes = []
    for method in methods:
        names = {field.name for field in fields(registry.find("methods", method))}
        changes += [f"params.{method}.{name}={SHORT[name]}" for name in SHORT if name in names]
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run, after both commands have ended well and in time."""
    folder = tmp_path_factory.mktemp("main-job")
    surroundings = os.environ | {
        "COLDBENCH_CACHE": str(folder / "cache"), "COLDBENCH_OFFLINE": "1", "OMP_NUM_THREADS": "1"
    }  # fmt: skip
    short = ["--limit", "10", "--set", "seeds=[0]", "--set", f"encoder.max_tokens={TOKENS}"]
    short += shortened(quick_grid().methods)
    for words in (["run", "quick", *short], ["report", "quick"]):
        done = subprocess.run(
            [COLDBENCH, *words], cwd=folder, env=surroundings, timeout=WITHIN[words[0]],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    return folder / "runs/quick"


def test_every_cell_is_done_or_says_which_package_is_missing(job: Path) -> None:
    cells = {cell.name: cell for cell in read_run(job)}
    assert set(cells) == set(quick_grid().methods)
    for name, cell in cells.items():
        needs = registry.find("methods", name).requires_package
        if needs and find_spec(needs) is None:
            assert cell.status == "unavailable" and needs in cell.reason
        else:
            assert (cell.status, cell.reason) == ("done", ""), name


def test_every_table_of_the_page_is_there_with_every_method_and_no_number_is_missing(
    job: Path,
) -> None:
    page = Page((job / "report/index.html").read_text(encoding="utf-8"))
    rows = [row for row in page.rows if row.method]
    assert {row.section.rpartition("-")[2] for row in rows} >= TABLES
    assert {row.method for row in rows} >= set(quick_grid().methods)
    for row in rows:
        leaked = {"None", "nan", "NaN", "inf", "null"} & set(" ".join(row.cells).split())
        assert row.cells and not leaked, row
    assert not re.findall(r"\b(?:nan|NaN|inf|Traceback|undefined)\b", " ".join(page.words))
    assert all((job / "report" / name).is_file() for name in ("report.md", "results.csv"))


def test_the_page_opens_in_a_browser_without_an_error(job: Path, chromium: Any) -> None:
    for width in (390, 1280):
        size = {"width": width, "height": 900}
        with browser.visit(chromium, job / "report/index.html", viewport=size) as visit:
            assert len(visit.tables()) >= len(TABLES)
            assert visit.troubles() == []
