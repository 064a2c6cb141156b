"""Every method of a run beside one of them: differences worked out by hand."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from coldbench.cell import write_plan
from coldbench.errors import UserError
from tests import fake_run as fake

module: Any = import_module("coldbench.benchmarks.commands.against")
cli: Any = import_module("coldbench.benchmarks.cli")
# |score - label| of users 7 and 8 at K = 0, 2 and 4, on both their items; span 4 makes it stars
OFF = {
    "fold-in": {0: (0.5, 0.5), 2: (0.5, 0.5), 4: (0.5, 0.5)},
    "ridge": {0: (0.5, 0.5), 2: (0.25, 0.25), 4: (0.125, 0.375)},
    "stack": {0: (0.5, 0.5), 2: (0.75, 0.75), 4: (0.75, 0.75)},  # one star worse, for both
    "early": {0: (0.5, 0.5), 2: (0.0, 0.0), 4: (0.375, 0.375)},  # -.5 at K = 4, -1.25 over K
}
T_OF_2 = 0.2951672  # two-sided, of Student's t with one degree of freedom: 1 - 2 atan(2) / pi


def scores(method: str, shots: tuple[int, ...] = (0, 2, 4)) -> pl.DataFrame:
    rows = [
        {"user": user, "shots": k, "item": item, "rating": 1.0 + 4 * label, "label": label,
         "score": label + off * (1 - 2 * label)}
        for k in shots
        for user, off in zip((7, 8), OFF[method][k], strict=True)
        for item, label in enumerate((0.0, 1.0))
    ]  # fmt: skip
    exact = [pl.col("label", "score").cast(pl.Float32), pl.col("item").cast(pl.Int32)]
    return pl.DataFrame(rows).with_columns(*exact, pl.col("shots").cast(pl.Int16))


def written(run: Path, *cells: tuple[str, str, tuple[int, ...]]) -> Path:
    specs = []
    for method, dataset, shots in cells:
        specs.append(fake.spec(method, 0, dataset))
        fake.write_cell(run, specs[-1], "done", scores=scores(method, shots))
    write_plan(run, specs)
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    every = (0, 2, 4)
    cells = [(m, d, every) for d in ("films", "jokes") for m in ("ridge", "fold-in")]
    return written(tmp_path / "r", *cells)


def test_differences_at_the_largest_k_and_averaged_over_k_are_those_by_hand(run: Path) -> None:
    rows = module.against(run, "fold-in", ["mae"])
    assert [(r["dataset"], r["method"], r["other"]) for r in rows] == [
        (d, "ridge", "fold-in") for d in ("films", "films", "jokes", "jokes")
    ]
    at = {r["at"]: r for r in rows if r["dataset"] == "films"}
    largest, over = (at[name] for name in module.AT)
    assert (largest["shots"], over["shots"]) == ([4], [2, 4])  # K = 0 gives no label
    assert (largest["mean"], over["mean"]) == (-1.0, -1.0)  # (-1.5 - .5) / 2; (-1 - 1) / 2 of both
    assert (largest["level"], over["level"], largest["n"]) == (2.0, 2.0, 2)
    assert largest["p"] == pytest.approx(T_OF_2, abs=1e-6)  # -1 over a standard error of .5
    assert largest["detectable"] == pytest.approx(2.80158 * 0.5, abs=1e-4)


def test_holms_correction_is_over_all_sets_of_a_column(run: Path) -> None:
    rows = module.against(run, "fold-in", ["mae"])
    column = [r["p_holm"] for r in rows if r["at"] == module.AT[0]]
    assert column == pytest.approx([2 * T_OF_2] * 2, abs=1e-6)


def test_a_smaller_error_is_said_to_be_better(run: Path) -> None:
    methods = ("stack", "early", "fold-in", "ridge")
    run = written(run.with_name("s"), *((name, "films", (0, 2, 4)) for name in methods))
    text = module.words(module.against(run, "fold-in", ["mae"]))
    assert "at the largest K, p below .05: early on films. Worse: stack on films." in text
    shown = [line.partition(" ")[0] for line in text.splitlines()]
    assert [name for name in shown if name in OFF] == ["ridge", "early", "stack"]  # best first
    assert "at the largest K, K = 4: fold-in 2.000; a difference of" in text


def test_a_method_that_shares_no_k_or_set_with_the_other_has_no_row(tmp_path: Path) -> None:
    run = written(tmp_path / "r", ("fold-in", "films", (2,)), ("ridge", "films", (0,)),
                  ("ridge", "jokes", (0, 2)))  # fmt: skip
    assert module.against(run, "fold-in") == []
    assert "no other method" in module.words([])


def test_the_command_takes_one_name_and_says_what_is_wrong(run: Path) -> None:
    shown = CliRunner().invoke(cli.app, ["compare", str(run), "fold-in", "--json"])
    assert {row["metric"] for row in json.loads(shown.stdout)} == {"ndcg@5"}
    shown = CliRunner().invoke(cli.app, ["compare", str(run), "ridge", "--metrics", "mae"])
    assert "Each method less ridge, mae, paired by user" in shown.stdout
    with pytest.raises(UserError, match=r"did you mean 'fold-in'"):
        module.against(run, "foldin")
    with pytest.raises(UserError, match="auc-pooled is no metric per user"):
        module.against(run, "fold-in", ["auc-pooled"])
