"""Trackers hear of every cell, and none can fail a run."""

import errno
import json
import sys
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import coldbench
from coldbench.errors import UserError
from tests import console

cli: Any = import_module("coldbench.benchmarks.cli")
SHORT = console.small_run("constant,item-bias", "--no-timing", "-j", "1")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*more: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [*SHORT, *more])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output + done.stderr


@pytest.mark.slow
def test_every_cell_is_a_line_of_events_with_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    lines = (tmp_path / "runs/r/events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["start", "done"] * 2
    done = events[1]
    assert (done["method"], done["seed"], done["metrics"]["auc"]["4"]) == ("constant", 0, 0.5)
    table = coldbench.load("r").table
    exact = table.filter(method="item-bias", metric="auc", shots=4)["value"][0]
    assert events[3]["metrics"]["auc"]["4"] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EPIPE])
def test_a_full_disk_is_no_trackers_fault_and_a_broken_pipe_is(number: int) -> None:
    track: Any = import_module("coldbench.benchmarks.tracking").Tracking

    def act() -> None:
        raise OSError(number, "so it is")

    if number == errno.EPIPE:
        assert track._try("one", act) is False
    else:
        with pytest.raises(OSError, match="so it is"):
            track._try("one", act)


@pytest.mark.slow
def test_a_tracker_that_breaks_is_left_out_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def log(self, values: dict[str, float]) -> None:
            raise OSError("no room")

        def finish(self) -> None:
            raise OSError("no room")

    fake = types.ModuleType("wandb")
    fake.init = lambda **_: Broken()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    output = run("--track", "wandb")
    assert "2 of 2 cells done" in output
    assert output.count("wandb failed and is left out: no room") == 2  # at a cell, and at the end


@pytest.mark.slow
def test_weights_and_biases_is_offline_and_hears_every_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, float] = {}
    asked: dict[str, object] = {}
    run_of = types.SimpleNamespace(log=heard.update, finish=lambda: None)
    fake = types.ModuleType("wandb")
    fake.init = lambda **words: (asked.update(words), run_of)[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    run("--track", "wandb")
    assert asked["mode"] == "offline"
    assert heard["synthetic/user-cold (shots = [0, 4])/constant/0/auc at K = 4"] == 0.5


@pytest.mark.slow
def test_a_tracker_that_is_not_installed_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    output = run("--track", "wandb,tensorboard")
    assert "pip install 'coldbench[wandb]'" in output
    assert "pip install 'coldbench[tensorboard]'" in output
    assert "2 of 2 cells done" in output


@pytest.mark.slow
def test_tensorboard_gets_a_line_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'coldbench[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run("--track", "tensorboard")
    folder = (
        tmp_path / "runs/r/tensorboard" / "synthetic user-cold (shots = [0, 4]) constant seed 0"
    )
    read = EventAccumulator(str(folder))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("auc")] == [(0, 0.5), (4, 0.5)]


def test_an_unknown_tracker_is_one_line() -> None:
    done = CliRunner().invoke(cli.app, [*SHORT, "--track", "tensorbord"])
    assert isinstance(done.exception, UserError)
    assert "tensorboard" in str(done.exception)


def test_loading_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run"):
        coldbench.load(tmp_path)
