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
from tests.console import SCRIPT, asked, ran, stored, until, until_begun

KILLS = int(os.environ.get("COLDBENCH_KILLS", "10"))
RUN = console.small_run("item-bias,fold-in", *"-j 2 --no-timing --set seeds=[0,1]".split())
SIZES = 10  # of a disk that is too small
REPORT = "report r --format csv,md".split()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 60 * KILLS)]


@dataclass(frozen=True)
class Whole:
    folder: Path
    cells: dict[str, bytes]  # the files of the run
    files: dict[str, bytes]  # those of its report too
    ran: float  # seconds
    reported: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run and its report that nobody disturbs, by the console script itself: it imports, and its
    strings hash, as nobody else's."""
    folder = tmp_path_factory.mktemp("whole")
    begun = time.monotonic()
    ran(SCRIPT, *RUN, cwd=folder)
    seconds = time.monotonic() - begun
    cells = stored(folder / "runs/r")
    ran(SCRIPT, *REPORT, cwd=folder)
    reported = time.monotonic() - begun - seconds
    return Whole(folder, cells, stored(folder / "runs/r"), seconds, reported)


def left(folder: Path) -> list[int]:
    """Processes of a run in this folder that live still."""
    pids = []
    for process in psutil.process_iter(["pid", "cwd", "status"]):
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
            pids.append(process.info["pid"])
    return pids


def wait_for_nobody(folder: Path) -> None:
    until(lambda: not left(folder), 10)  # no process outlives the run


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
        killed = console.script(folder, *words)
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


@pytest.mark.parametrize(
    ("name", "begin"), [("SIGTERM", console.script), ("SIGHUP", console.start)]
)
def test_a_signal_ends_a_run_at_once_with_all_it_has_started(
    tmp_path: Path, whole: Whole, name: str, begin: Any
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    started = begin(folder, *RUN)
    until_begun(started)
    os.kill(started.pid, getattr(signal, name))
    _, errors = started.communicate(timeout=30)
    assert started.returncode == 130 and "the same command goes on" in errors, errors
    wait_for_nobody(folder)
    asked(folder, *RUN)
    assert stored(folder / "runs/r") == whole.cells


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.02, 0.05, 0.1, 0.2])
def test_ctrl_c_just_after_a_cells_start_loses_no_cell(tmp_path: Path, pause: float) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    started = console.start(folder, *RUN)  # test_run.py has Ctrl-C for the script itself
    until_begun(started)
    time.sleep(pause)
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130, errors
    states = {cell.status for cell in read_run(folder / "runs/r")}
    assert states <= {"done", "missing"}, states


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, whole: Whole) -> None:
    for name in ("numpy", "random", "json", "torch", "socket", "polars"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from here')\n")
    (tmp_path / "coldbench").mkdir()
    (tmp_path / "coldbench/__init__.py").write_text("raise SystemExit('imported from here')\n")
    ran(SCRIPT, *RUN, cwd=tmp_path)
    ran(SCRIPT, *REPORT, cwd=tmp_path)
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
            error = asked(small_disk, *RUN, code=2).stderr
            assert "make room" in error and error.count("\n") == 1, error
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
