"""What users of other harnesses type first: Tab, --output, --metrics, --quiet, --verbose."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.cell import read_run
from tests import console
from tests.fake_run import build

running: Any = import_module("coldbench.benchmarks.commands.run")
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def completed(folder: Path, line: str) -> list[str]:
    """What Tab offers at the end of a line in bash."""
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    words = " ".join(f"'{word}'" for word in line.split(" "))
    code = f"""eval "$(_COLDBENCH_COMPLETE=source_bash coldbench)"
COMP_WORDS=({words}); COMP_CWORD=$(({len(line.split(" "))} - 1)); _coldbench_completion coldbench
printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(
        ["bash", "-c", code], cwd=folder, env=ENV, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_bash_completes_the_second_method_behind_a_comma(tmp_path: Path) -> None:
    assert completed(tmp_path, "coldbench run -m maml,rid") == ["maml,ridge"]


def test_bash_completes_the_name_of_a_run_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/plan.json").write_text("[]")
    (tmp_path / "runs/myth").mkdir()
    assert completed(tmp_path, "coldbench report m") == ["mine"]


def test_zsh_is_offered_datasets_with_its_own_script(tmp_path: Path) -> None:
    asked = {"_COLDBENCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "coldbench run -d jes"}
    done = subprocess.run(
        [BIN / "coldbench"], cwd=tmp_path, env=ENV | asked, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert '"jester"' in done.stdout and "ml-100k" not in done.stdout


def said(folder: Path, say: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run with two failed cells says at its end."""
    run = build(folder / "r")
    cells = read_run(run)
    for cell in cells:
        if cell.status == "failed":
            (cell.folder / "log.txt").write_text("line of a log\n", encoding="utf-8")
    running.ended(cells, run, running.Say[say])
    return capsys.readouterr().out


def test_quiet_says_only_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(tmp_path, "QUIET", capsys).splitlines()
    assert lines and all(line.startswith(("failed:", "missing:", "more is said")) for line in lines)


def test_verbose_says_the_log_of_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "line of a log" in said(tmp_path / "a", "VERBOSE", capsys)
    assert "line of a log" not in said(tmp_path / "b", "USUAL", capsys)


def test_compare_shows_the_metrics_that_are_asked_for(tmp_path: Path) -> None:
    build(tmp_path / "r")
    words = ["compare", "r", "ridge", "item-bias", "--metrics", "hit@5,ndcg@10", "--json"]
    (row,) = json.loads(console.coldbench(tmp_path, *words).stdout)
    assert [line["metric"] for line in row["metrics"]] == ["hit@5", "ndcg@10"]


def test_a_folder_of_something_else_and_a_pooled_metric_are_refused(
    tmp_path: Path, refused: Callable[..., None]
) -> None:
    build(tmp_path / "r")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/grid.toml").touch()
    refused(tmp_path, ["run", "quick", "--output", "full"], "holds something else than a run")
    words = ["compare", "r", "ridge", "item-bias", "--metrics", "auc-pooled"]
    refused(tmp_path, words, "no metric per user")
