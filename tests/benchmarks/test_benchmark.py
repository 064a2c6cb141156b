"""`coldbench.benchmark`: the engine of the command line, called from Python."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import coldbench
from coldbench.errors import UserError
from tests import console

ROOT = Path(__file__).resolve().parents[2]
SMALL: dict[str, Any] = {"n_users": 60, "per_user": 30}
WORDS = ["item-bias", "ridge", "constant"]
METHOD = """
from coldbench.method import Method
from coldbench.registry import find

class Mine(find("methods", "item-bias")):
    family = "mine"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def run(folder: Path) -> Any:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return coldbench.benchmark(
            WORDS, ["synthetic"], [0, 4], 2, ["ndcg@10", "auc"], name="r", jobs=2, timing=False,
            quiet=True, encoder="vectors", dataset_params={"synthetic": SMALL},
        )  # fmt: skip
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_its_cells_are_those_of_the_command_line(folder: Path, run: Any) -> None:
    words = ["run", "-d", "synthetic", "-m", ",".join(WORDS), "--shots", "0,4", "--seeds", "2"]
    size = f'dataset_params={{"synthetic" = {{n_users = {SMALL["n_users"]}, per_user = 30}}}}'
    set_ = ["--set", "encoder=vectors", "--set", size, "--no-timing", "--output", "runs/r"]
    done = console.coldbench(folder, *words, *set_, "--json")
    assert "6 cells, 0 to run" in done.stderr, done.stdout + done.stderr
    assert [cell["status"] for cell in json.loads(done.stdout)["cells"]] == ["done"] * 6
    assert [cell.status for cell in run.cells] == ["done"] * 6


@pytest.mark.slow
def test_its_table_has_a_row_a_method_with_the_metrics_that_were_asked_for(run: Any) -> None:
    table = run.table()
    assert set(table["method"]) == {*WORDS, "chance"} and set(table["shots"]) == {4}
    assert table.columns[4:6] == ["ndcg@10", "auc"]
    assert table["ndcg@10"].to_list() == sorted(table["ndcg@10"], reverse=True)
    levels, gains = run.results.table, run.results.gains
    for row in table.iter_rows(named=True):
        level = levels.filter(method=row["method"], shots=4, metric="ndcg@10")
        assert level["value"].item() == row["ndcg@10"] and level["low"].item() == row["low"]
    ridge = gains.filter(method="ridge", shots=4, metric="ndcg@10", against="item-bias")
    assert ridge["mean"].item() == table.filter(method="ridge")["gain"].item()


def test_its_table_of_another_k_is_of_that_k(run: Any) -> None:
    assert set(run.table(shots=0)["shots"]) == {0}


def test_a_notebook_shows_its_table_and_escapes_what_it_names(run: Any) -> None:
    shown = run._repr_html_()
    assert shown.count("<tr>") == 5 and "<th>minus item-bias</th>" in shown
    assert re.search(r"<td>ridge</td><td>\.\d{3} \[\.\d{3}, \.\d{3}\]</td>", shown)
    odd = type(run)(Path("runs/<b>"), run.cells, run.results, run.metrics)
    assert (
        "&lt;b&gt;" in odd._repr_html_() and "<b>" not in odd._caption()[:0] + odd.folder.name[:0]
    )


def test_it_draws_and_compares(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run.plot("kshot").axes
    assert "ridge less item-bias" in run.compare("ridge", "item-bias")


def test_what_failed_is_a_row_with_its_status(run: Any) -> None:
    levels = run.results.table
    lost = levels.filter(method="constant").head(1).with_columns(
        shots=None, metric=None, value=None, status=pl.lit("failed"), method=pl.lit("late")
    )  # fmt: skip
    frames = run.results.frames | {"table": levels.vstack(lost.select(levels.columns))}
    results = type(run.results)(
        "r", run.results.cells, run.results.metrics, run.results.users, frames
    )
    shown = type(run)(run.folder, run.cells, results, run.metrics)
    assert shown.table().filter(method="late")["status"].to_list() == ["failed"]
    assert "<td>late</td><td></td><td></td><td></td><td>failed</td>" in shown._repr_html_()


def test_a_class_that_has_no_file_is_refused_with_a_remedy() -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(METHOD, space)
    with pytest.raises(UserError, match=r"%%writefile mine\.py .*methods=\['mine\.py'\]"):
        coldbench.benchmark([space["Mine"]], "synthetic")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"methods": ["ridg"]}, "did you mean 'ridge'"),
        ({"methods": [3]}, "a name, a file such as"),
        ({"datasets": "ml-100"}, "did you mean 'ml-100k'"),
        ({"methods": "item-bias,ridg"}, "did you mean 'ridge'"),
        ({"seeds": 3.0}, "seeds must be a whole number or a list of them, not 3.0"),
        ({"shots": "0,4"}, "shots must be a whole number or a list of them, not '0,4'"),
        ({"metrics": "ndcg"}, "ndcg@"),
        ({"seeds": 0}, "seeds must be whole numbers"),
        ({"shots": [4, 0]}, "must rise"),
        ({"metrics": ["ndgc@10"]}, "ndcg"),
        ({"metrics": "auc-pooled"}, "a metric per user"),
        ({"metrics": ["auc-pooled", "auc"]}, "put auc in front"),
        ({"k": 3}, "did you mean 'protocol.shots'"),
        ({"name": "a/b"}, "path separator"),
        ({"methods": ["nope.py"]}, "no file nope.py"),
    ],
)
def test_wrong_use_is_one_line_before_anything_runs(
    given: dict[str, Any], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        coldbench.benchmark(**{"methods": ["ridge"], "datasets": "synthetic", **given})
    assert line in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_script_without_a_guard_runs_the_lines_of_the_page_once_and_a_class_from_a_file(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs/start.md").read_text(encoding="utf-8").partition("## From Python")[2]
    code = page.partition("```python\n")[2].partition("```")[0]
    small = f'encoder="vectors", dataset_params={{"synthetic": {SMALL}}}, timing=False, quiet=True'
    lines = code.replace('"ml-100k"', '"synthetic"').replace("shots=", f"{small}, shots=")
    own = f"""
from mine import Mine
found = coldbench.benchmark([Mine, "item-bias"], "synthetic", 4, {small})
print([(cell.name, cell.status) for cell in found.cells])
"""
    (tmp_path / "mine.py").write_text(f'"""Mine: as item-bias."""\n{METHOD}', encoding="utf-8")
    (tmp_path / "five.py").write_text(f'print("begun")\n{lines}{own}', encoding="utf-8")
    done = console.ran(sys.executable, "five.py", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.stdout.count("begun") == 1 and "fold-in less item-bias" in done.stdout
    assert done.stdout.endswith("[('mine', 'done'), ('item-bias', 'done')]\n")
    assert (tmp_path / "kshot.png").is_file()
