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
import typer

from coldbench.cell import read_run
from tests import console
from tests.fake_run import build

running: Any = import_module("coldbench.benchmarks.commands.run")
verbosity: Any = import_module("coldbench.benchmarks.commands.verbosity")
COMMANDS: dict[str, Any] = vars(
    typer.main.get_command(import_module("coldbench.benchmarks.cli").app)
)["commands"]
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


AT_WORK = {"run", "work", "cell", "tune", "anchors", "check", "fetch"}  # they show progress
WRITING = {  # a file or folder that the user may name
    *("run", "tune", "report", "check", "archive", "site", "merge", "anchors", "init-method")
}


def options_of(verb: str) -> set[str]:
    return {name for param in COMMANDS[verb].params for name in param.opts}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_prints_json_where_it_is_asked_to(verb: str) -> None:
    assert "--json" in options_of(verb)


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_can_be_quiet_and_verbose_just_where_it_shows_progress(verb: str) -> None:
    talks = {"--quiet", "-q", "--verbose", "-v"}
    assert talks & options_of(verb) == (talks if verb in AT_WORK else set())


@pytest.mark.parametrize("verb", COMMANDS)
def test_what_a_verb_writes_is_named_by_output_in_full_and_in_short(verb: str) -> None:
    output = {"--output", "-o"}
    assert output & options_of(verb) == (output if verb in WRITING else set())


def test_an_option_means_the_same_to_every_verb() -> None:
    """Its short name and what it says of itself: each is declared once."""
    said: dict[str, set[tuple[str, ...]]] = {}
    for command in COMMANDS.values():
        for param in command.params:
            if param.opts[0] in ("--json", "--quiet", "--verbose", "--include", "--set", "--with"):
                said.setdefault(param.opts[0], set()).add((*param.opts, param.help or ""))
    assert len(said) == 6
    assert {name: len(ways) for name, ways in said.items() if len(ways) > 1} == {}


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


@pytest.mark.parametrize(
    ("shell", "line"),
    [("zsh", "#compdef coldbench"), ("bash", "_coldbench_completion() {"), ("fish", "complete ")],
)
def test_the_completion_that_is_shown_is_of_the_shell_that_is_named(shell: str, line: str) -> None:
    done = subprocess.run(
        [BIN / "coldbench", "--show-completion", shell], env=ENV, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.startswith(line)


def said(folder: Path, level: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run with two failed cells says at its end."""
    run = build(folder / "r")
    cells = read_run(run)
    for cell in cells:
        if cell.status == "failed":
            (cell.folder / "log.txt").write_text("line of a log\n", encoding="utf-8")
    running.ended(cells, run, verbosity.Verbosity[level])
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
