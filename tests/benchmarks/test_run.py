"""Runs: whatever a method or the machine does, no cell is torn, lost or taken twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from coldbench.cell import Cell, read_run
from coldbench.errors import UserError
from tests.console import asked

SMALL = 'dataset_params={"synthetic" = {n_users = 60, per_user = 30}}'
BROKEN = Path(__file__).parents[1] / "broken.py"
COLDBENCH = [str(Path(sys.executable).with_name("coldbench"))]


def run_of(methods: str, *more: str, seeds: str = "[0]") -> list[str]:
    words = ["run", "-d", "synthetic", "-m", methods, "--name", "r", "--no-timing", "--set", SMALL]
    short = ["--set", "encoder=vectors", "--set", f"seeds={seeds}", "--set", "protocol.shots=[0,4]"]
    return [*words, *short, *more]


def content(run: Path) -> dict[str, bytes]:
    """Every file of every cell that may not differ between two runs, by name."""
    files = (path for path in (run / "cells").rglob("*") if path.is_file())
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in files
        if path.name not in ("timing.json", "log.txt", "volatile.json")
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Three methods, two seeds, one process at a time."""
    folder = tmp_path_factory.mktemp("reference")
    asked(folder, *run_of("item-bias,fold-in,ridge", "-j", "1", seeds="[0,1]"))
    return content(folder / "runs/r")


@pytest.mark.slow
def test_a_run_does_its_cells_and_a_second_one_nothing(
    tmp_path: Path, reference: dict[str, bytes]
) -> None:
    words = run_of("item-bias,fold-in,ridge", "-j", "2", seeds="[0,1]")
    asked(tmp_path, *words)
    cells = read_run(tmp_path / "runs/r")
    assert [cell.status for cell in cells] == ["done"] * 6
    assert content(tmp_path / "runs/r") == reference, "-j changed a number"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/r/cells").rglob("*")}
    assert "0 to run" in asked(tmp_path, *words).stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cells_process_has_sigint_blocked_from_its_first_moment_on(tmp_path: Path) -> None:
    # multiprocessing's resource tracker unblocks it: a cell that Ctrl-C met as it began was lost
    code = (
        "import os\nfrom coldbench.benchmarks import processes\n"
        "if __name__ == '__main__':\n"
        "    found = processes.context()\n"
        "    child = processes.start(found, os.system, 'grep SigBlk /proc/$PPID/status > mask')\n"
        "    child.join(60)\n"
    )
    (tmp_path / "script.py").write_text(code)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=120)
    mask = int((tmp_path / "mask").read_text().split()[1], 16)
    assert mask >> (signal.SIGINT - 1) & 1


@pytest.mark.slow
def test_ctrl_c_ends_after_the_running_cell_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = run_of("item-bias,fold-in,ridge", "-j", "1", seeds="[0,1,2,3]")
    started = subprocess.Popen(
        [*COLDBENCH, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout and started.stderr
    for line in started.stdout:
        if line.startswith("[1/"):
            break
    while not list((tmp_path / "runs/r/cells").glob(".*")):  # until the next one has begun
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGINT)
    _, told = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "the same command goes on" in told and "Traceback" not in told
    statuses = [cell.status for cell in read_run(tmp_path / "runs/r")]
    assert statuses.count("done") >= 2, "the running cell was lost"
    assert "missing" in statuses


@pytest.mark.slow
def test_a_method_that_breaks_is_a_row_with_its_reason_and_others_go_on(tmp_path: Path) -> None:
    reasons = {
        "raise": ("failed", "meta-train", "ZeroDivisionError: oops"),
        "out of memory": ("failed", "meta-train", "MemoryError"),
        "kill": ("failed", "meta-train", "SIGKILL"),
        "segfault": ("failed", "meta-train", "SIGSEGV"),
        "exit": ("failed", "meta-train", "code 3"),
        "no number": ("failed", "score", "nan"),
        "too high": ("failed", "score", "1.5"),
        "wrong shape": ("failed", "score", "shape"),
        "unavailable": ("unavailable", "meta-train", "not installed"),
    }
    text, include = BROKEN.read_text(encoding="utf-8"), []
    for how in reasons:
        one = tmp_path / f"breaks_by_{how.replace(' ', '_')}.py"
        one.write_text(text.replace('how: str = "not"', f'how: str = "{how}"'), encoding="utf-8")
        include += ["--include", str(one)]
    names = [path.removesuffix(".py").split("/")[-1].replace("_", "-") for path in include[1::2]]
    asked(tmp_path, *run_of(",".join([*names, "constant"]), *include), code=1)
    *broken, constant = read_run(tmp_path / "runs/r")
    assert constant.status == "done"
    for cell, (how, (status, stage, words)) in zip(broken, reasons.items(), strict=True):
        assert (cell.status, cell.stage) == (status, stage), how
        assert words in cell.reason, how


@pytest.mark.slow
def test_a_method_that_hangs_is_ended_and_its_children_with_it(tmp_path: Path) -> None:
    hang = ["--include", str(BROKEN), "--set", "params.broken.how=hang", "--timeout", "3"]
    asked(tmp_path, *run_of("broken,constant", *hang), code=1)
    broken, constant = read_run(tmp_path / "runs/r")
    assert broken.reason == "no result within 3 s" and constant.status == "done"
    fork = ["--include", str(BROKEN), "--set", "params.broken.how=fork"]
    again = tmp_path / "fork"
    again.mkdir()
    asked(again, *run_of("broken", *fork))
    assert read_run(again / "runs/r")[0].status == "done"
    left = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "600"]]
    assert not left, "what the method started was left running"


@pytest.mark.slow
def test_a_flood_of_output_is_cut_and_does_no_harm(tmp_path: Path) -> None:
    flood = ["--include", str(BROKEN), "--set", "params.broken.how=flood"]
    said = asked(tmp_path, *run_of("broken", *flood)).stdout
    assert "of no use" not in said
    (cell,) = read_run(tmp_path / "runs/r")
    assert cell.status == "done" and 100_000 < len(cell.log()) < 210_000


@pytest.mark.slow
def test_a_failed_cell_is_run_again_only_when_asked(tmp_path: Path) -> None:
    words = run_of("broken", "--include", str(BROKEN), "--set", "params.broken.how=raise")
    asked(tmp_path, *words, code=1)
    assert "1 cells, 0 to run" in asked(tmp_path, *words, code=1).stdout
    again = asked(tmp_path, *words, "--retry-failed", code=1).stdout
    assert "broken seed 0: failed" in again


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is told of a parent's death")
def test_a_child_that_a_method_starts_while_it_is_planned_ends_with_a_killed_run(
    tmp_path: Path,
) -> None:
    source = BROKEN.read_text(encoding="utf-8")
    start = "subprocess.run(['sleep', '600'])  # and waits"
    waiting = tmp_path / "broken.py"
    constructed = (
        f"    def __post_init__(self) -> None:\n        import subprocess\n        {start}\n"
    )
    waiting.write_text(source.replace("    how: str", f"{constructed}\n    how: str", 1))
    with subprocess.Popen(
        [*COLDBENCH, *run_of("broken", "--include", str(waiting))], cwd=tmp_path
    ) as run:
        child = _child_named("sleep", psutil.Process(run.pid))
        run.kill()
    _, alive = psutil.wait_procs([child], 10)
    assert not alive


def _child_named(name: str, parent: psutil.Process) -> psutil.Process:
    for _ in range(600):
        for process in parent.children(recursive=True):
            if process.name() == name:
                return process
        time.sleep(0.1)
    raise AssertionError(f"no {name} was started")


@pytest.mark.slow
def test_two_runs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    hang = ["--include", str(BROKEN), "--set", "params.broken.how=hang", "--timeout", "20"]
    with subprocess.Popen(
        [*COLDBENCH, *run_of("broken", *hang)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout
        first.stdout.readline()
        time.sleep(1.5)
        second = asked(tmp_path, *run_of("constant"), code=2)
        assert "another run is at work here" in second.stderr
        first.send_signal(signal.SIGINT)
        first.send_signal(signal.SIGINT)
        time.sleep(0.2)
        first.send_signal(signal.SIGINT)
        first.wait(60)


@pytest.mark.slow
def test_limit_judges_so_many_users_and_full_ranking_counts_candidates(tmp_path: Path) -> None:
    asked(tmp_path, *run_of("popularity", "--limit", "3", "--set", "protocol.candidates=all"))
    (cell,) = read_run(tmp_path / "runs/r")
    scores = cell.scores()
    assert scores["user"].n_unique() == 3 and cell.spec.limit == 3
    assert set(scores["candidates"]) == {200 - 4}  # all items but the longest support's
    assert (scores["above"] + scores["tied"] <= scores["candidates"]).all()
    assert (scores["tied"] >= 1).all()
    top = Cell.read(cell.spec, cell.folder).folder / "top.parquet"
    assert top.is_file()


def test_a_missing_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="coldbench run"):
        read_run(tmp_path)
