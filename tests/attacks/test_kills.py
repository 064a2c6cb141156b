"""A run that is killed, interrupted or starved goes on to the same bytes, with nothing left behind.

COLDBENCH_KILLS says how many kills at random moments there are: 10, or 200 in `make nightly`.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from coldbench.cell import read_run
from tests import console
from tests.console import asked, stored

KILLS = int(os.environ.get("COLDBENCH_KILLS", "10"))
RUN = [
    *"run -d synthetic -m item-bias,fold-in --name r -j 2 --no-timing".split(),
    *("--set", "encoder=vectors", "--set", "seeds=[0,1]", "--set", "protocol.shots=[0,4]"),
    *("--set", "dataset_params.synthetic={n_users = 60, per_user = 30}"),
]
SIZES = 10  # of a disk that is too small
REPORT = "report r --format csv,md".split()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 60 * KILLS)]


def script(folder: Path, *words: str) -> None:
    """The console script itself: it imports, and its strings hash, as nobody else's."""
    started = start(folder, *words)
    _, told = started.communicate(timeout=120)
    assert started.returncode == 0 and "Traceback" not in told, told[-2000:]


@dataclass(frozen=True)
class Whole:
    folder: Path
    cells: dict[str, bytes]  # the files of the run
    files: dict[str, bytes]  # those of its report too
    ran: float  # seconds
    reported: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run and its report that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    begin = time.monotonic()
    script(folder, *RUN)
    ran = time.monotonic() - begin
    cells = stored(folder / "runs/r")
    script(folder, *REPORT)
    return Whole(folder, cells, stored(folder / "runs/r"), ran, time.monotonic() - begin - ran)


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [console.SCRIPT, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def left(folder: Path) -> list[int]:
    """Processes of a run in this folder that live still."""
    found = []
    for process in psutil.process_iter(["pid", "cwd", "status"]):
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.info["pid"])
    return found


def wait_for_nobody(folder: Path) -> None:
    end = time.monotonic() + 10
    while left(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left(folder), "processes outlive the run"


def test_a_run_or_report_killed_at_any_moment_goes_on_to_the_same_bytes(
    tmp_path: Path, whole: Whole
) -> None:
    moments = random.Random(0)
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        words, seconds, expected = RUN, whole.ran, whole.cells
        if kill % 5 == 4:  # inside the report
            shutil.copytree(whole.folder / "runs", folder / "runs")
            shutil.rmtree(folder / "runs/r/report")
            words, seconds, expected = REPORT, whole.reported, whole.files
        killed = start(folder, *words)
        time.sleep(moments.uniform(0.1, 1) * seconds)
        if kill % 2:  # the parent alone: its cells must die with it
            killed.kill()
        else:
            os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
        wait_for_nobody(folder)
        asked(folder, *words)
        assert stored(folder / "runs/r") == expected, f"kill {kill}"
        assert not list((folder / "runs/r/cells").glob(".*")), "half a cell was left behind"


@pytest.mark.parametrize(("name", "begin"), [("SIGTERM", start), ("SIGHUP", console.start)])
def test_a_signal_ends_a_run_at_once_with_all_it_has_started(
    tmp_path: Path, whole: Whole, name: str, begin: Any
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    started = begin(folder, *RUN)
    for line in started.stdout:
        if line.endswith("started\n"):
            break
    os.kill(started.pid, getattr(signal, name))
    _, told = started.communicate(timeout=30)
    assert started.returncode == 130 and "the same command goes on" in told, told
    wait_for_nobody(folder)
    asked(folder, *RUN)
    assert stored(folder / "runs/r") == whole.cells


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.02, 0.05, 0.1, 0.2])
def test_ctrl_c_just_after_a_cells_start_loses_no_cell(tmp_path: Path, pause: float) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    started = console.start(folder, *RUN)  # test_run.py has Ctrl-C for the script itself
    for line in started.stdout:
        if line.endswith("started\n"):
            break
    time.sleep(pause)
    os.killpg(started.pid, signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130, told
    states = {cell.status for cell in read_run(folder / "runs/r")}
    assert states <= {"done", "missing"}, states


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, whole: Whole) -> None:
    for name in ("numpy", "random", "json", "torch", "socket", "polars"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from here')\n")
    (tmp_path / "coldbench").mkdir()
    (tmp_path / "coldbench/__init__.py").write_text("raise SystemExit('imported from here')\n")
    script(tmp_path, *RUN)
    script(tmp_path, *REPORT)
    assert stored(tmp_path / "runs/r") == whole.files


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system of a given size cannot be mounted here (root only)")
    return folder


def test_a_full_disk_is_one_line_and_the_run_goes_on_where_there_is_room(
    small_disk: Path, whole: Whole
) -> None:
    try:
        for tenth in range(SIZES):
            _resize(small_disk, f"{(tenth + 1) * _needs(whole.folder) // (SIZES + 1)}k")
            told = asked(small_disk, *RUN, code=2).stderr
            assert "make room" in told and told.count("\n") == 1, told
        _resize(small_disk, "512m")
        asked(small_disk, *RUN)
        assert stored(small_disk / "runs/r") == whole.cells
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=False, capture_output=True)


def _needs(folder: Path) -> int:
    """KiB that the files of a run take, in pages of 4."""
    run = folder / "runs/r"
    files = [p for p in run.rglob("*") if p.is_file() and "report" not in p.relative_to(run).parts]
    return sum(-(-path.stat().st_size // 4096) * 4 for path in files)


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
