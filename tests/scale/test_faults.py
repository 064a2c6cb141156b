"""What goes wrong on a cluster, on real ones: the run ends with the bytes of one machine.

COLDBENCH_SCALE=1 (`make test-scale`) runs these: SLURM (slurm-wlm) and Ray of two nodes each.
"""

import os
import runpy
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.cell import read_run
from tests.console import SCRIPT, small_run, stored

CLUSTERS: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("clusters.py")))
claims: Any = import_module("coldbench.benchmarks.claims")
statuses: Any = import_module("coldbench.benchmarks.status")
HOUR_OFF = "+1h"
LIMIT = 400  # seconds of a command here

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not os.environ.get("COLDBENCH_SCALE"), reason="COLDBENCH_SCALE=1 runs these"
    ),
]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A method that takes four seconds, so that there is something to disturb."""
    text = Path(__file__).parents[1].joinpath("broken.py").read_text(encoding="utf-8")
    file = tmp_path_factory.mktemp("methods") / "slow.py"
    file.write_text(text.replace("sleep(600)", "sleep(4)").replace('"not"', '"hang"'))
    return file


def grid(slow: Path, *more: str) -> list[str]:
    words = f"--include {slow} --no-timing --set seeds=[0,1,2,3]".split()
    return small_run("slow", *words, "--set", "resources.default={memory_gb = 1}", *more)


def coldbench(folder: Path, *words: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SCRIPT, *words], cwd=folder, env=os.environ | env, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def ended(command: "subprocess.Popen[str]", code: int = 0) -> str:
    output, _ = command.communicate(timeout=LIMIT)
    assert command.returncode == code, output[-3000:]
    return output


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, slow: Path) -> dict[str, bytes]:
    """The run of one process that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    ended(coldbench(folder, *grid(slow), "-j", "2"))
    return stored(folder / "runs/r")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Any]:
    if not CLUSTERS["has_slurm"]():
        pytest.skip("slurm-wlm with auth/none, and root, are needed")
    with CLUSTERS["slurm"]() as cluster:
        yield cluster


def running(folder: Path) -> Any:
    """A cell that is at work."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if (folder / "runs/r/plan.json").is_file():
            cells = [cell for cell in statuses.Status.read(folder / "runs/r").running if cell.stage]
            if cells:
                return cells[0]
        time.sleep(0.2)
    raise AssertionError("no cell was begun")


def none_lost_none_twice(folder: Path, whole: dict[str, bytes]) -> None:
    run = folder / "runs/r"
    assert [cell.status for cell in read_run(run)] == ["done"] * 4
    assert stored(run) == whole
    assert not (run / "cells/damaged").exists()


SHARDED = [  # 600 users are evaluated: three batches
    *"run -d synthetic -m fold-in --no-timing --name r --set encoder=vectors".split(),
    *("--set", "dataset_params.synthetic={n_users = 3000, per_user = 20}"),
    *("--set", "protocol.shots=[0,4]", "--set", "resources.default={memory_gb = 1}"),
]


@pytest.fixture(scope="module")
def unsharded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("unsharded")
    ended(coldbench(folder, *SHARDED, "-j", "1"))
    return stored(folder / "runs/r")


def in_shards_by(executor: str, env: dict[str, str], folder: Path) -> dict[str, bytes]:
    words = [*SHARDED, "--set", "shards.default=3", "--executor", executor]
    ended(coldbench(folder, *words, **env))
    assert len(read_run(folder / "runs/r")[0].timing()["shards"]) == 3
    return stored(folder / "runs/r")


def test_a_cell_whose_shards_ran_on_two_nodes_of_slurm_is_that_of_one_process(
    tmp_path: Path, slurm: Any, unsharded: dict[str, bytes]
) -> None:
    assert in_shards_by("slurm", slurm.env, tmp_path) == unsharded


def test_a_cell_whose_shards_ran_on_two_nodes_of_ray_is_that_of_one_process(
    tmp_path: Path, unsharded: dict[str, bytes]
) -> None:
    pytest.importorskip("ray")
    with CLUSTERS["ray"]() as cluster:
        assert in_shards_by("ray", cluster.env, tmp_path) == unsharded


def kill_worker(slurm: Any, cell: Any) -> None:
    os.kill(cell.worker.pid, signal.SIGKILL)


def kill_slurmd(slurm: Any, cell: Any) -> None:
    slurm.kill("n1")
    time.sleep(20)  # the controller finds the node down, and what ran there is queued again
    slurm.start("n1")


def requeue(slurm: Any, cell: Any) -> None:
    slurm.ask("scontrol", "requeue", cell.worker.job.removeprefix("slurm "))


def cancel(slurm: Any, cell: Any) -> None:
    slurm.ask("scancel", cell.worker.job.removeprefix("slurm "))


@pytest.mark.parametrize("fault", [kill_worker, kill_slurmd, requeue, cancel])
def test_a_run_on_slurm_ends_with_the_same_bytes_whatever_is_ended(
    tmp_path: Path, slow: Path, slurm: Any, whole: dict[str, bytes], fault: Callable[..., None]
) -> None:
    command = coldbench(tmp_path, *grid(slow, "--executor", "slurm"), **slurm.env)
    fault(slurm, running(tmp_path))
    ended(command)
    none_lost_none_twice(tmp_path, whole)


def test_where_the_submitter_is_killed_the_jobs_go_on_and_the_same_command_waits_for_them(
    tmp_path: Path, slow: Path, slurm: Any, whole: dict[str, bytes]
) -> None:
    words = grid(slow, "--executor", "slurm")
    command = coldbench(tmp_path, *words, **slurm.env)
    running(tmp_path)
    command.kill()
    command.communicate()
    ended(coldbench(tmp_path, *words, **slurm.env))
    none_lost_none_twice(tmp_path, whole)


def test_ctrl_c_cancels_what_has_not_begun_and_the_same_command_goes_on(
    tmp_path: Path, slow: Path, slurm: Any, whole: dict[str, bytes]
) -> None:
    words = grid(slow, "--executor", "slurm")
    command = coldbench(tmp_path, *words, **slurm.env)
    running(tmp_path)
    command.send_signal(signal.SIGINT)
    assert "the same command goes on" in ended(command, 130)
    states = [cell.status for cell in read_run(tmp_path / "runs/r")]
    assert "done" in states and set(states) <= {"done", "missing"}
    ended(coldbench(tmp_path, *words, **slurm.env))
    none_lost_none_twice(tmp_path, whole)


@pytest.mark.parametrize("node", [1, 0])
def test_a_run_on_ray_ends_with_the_same_bytes_where_a_node_or_the_head_is_lost(
    tmp_path: Path, slow: Path, whole: dict[str, bytes], node: int
) -> None:
    pytest.importorskip("ray")
    words = grid(slow, "--executor", "ray")
    with CLUSTERS["ray"]() as cluster:
        command = coldbench(tmp_path, *words, **cluster.env)
        running(tmp_path)
        cluster.kill(node)
        if node == 0:
            output, _ = command.communicate(timeout=LIMIT)
            assert command.returncode != 0, output
        else:
            ended(command)
    if node == 0:
        ended(coldbench(tmp_path, "work", "r", "-j", "2"))
    none_lost_none_twice(tmp_path, whole)


def test_a_worker_whose_clock_is_an_hour_off_takes_nothing_from_the_others(
    tmp_path: Path, slow: Path, whole: dict[str, bytes]
) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed")
    ended(coldbench(tmp_path, *grid(slow), "--prepare"))
    commands = [coldbench(tmp_path, "work", "r", "-j", "1")]
    commands.append(
        subprocess.Popen(
            [faketime, "-f", HOUR_OFF, SCRIPT, "work", "r", "-j", "1"], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"NO_FAKE_STAT": "1"},
        )
    )  # fmt: skip
    begun = [line for c in commands for line in ended(c).splitlines() if "started" in line]
    assert len(begun) == len(set(begun)) == 4
    none_lost_none_twice(tmp_path, whole)


def test_a_claim_that_is_torn_while_its_cell_runs_loses_nothing(
    tmp_path: Path, slow: Path, whole: dict[str, bytes]
) -> None:
    ended(coldbench(tmp_path, *grid(slow), "--prepare"))
    first = coldbench(tmp_path, "work", "r", "-j", "1")
    name = running(tmp_path).spec.fingerprint
    os.truncate(tmp_path / "runs/r/claims" / name, 7)
    other = coldbench(tmp_path, "work", "r", "-j", "1")
    begun = [line for c in (first, other) for line in ended(c).splitlines() if "started" in line]
    assert len(begun) == len(set(begun)) == 4
    none_lost_none_twice(tmp_path, whole)


def test_a_disk_that_fills_ends_both_workers_in_one_line_and_they_go_on_where_there_is_room(
    tmp_path: Path, slow: Path, whole: dict[str, bytes]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here (root only)")
    try:
        ended(coldbench(disk, *grid(slow), "--prepare"))
        workers = [coldbench(disk, "work", "r", "-j", "1") for _ in range(2)]
        running(disk)
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))
        for worker in workers:
            assert "make room" in ended(worker, 2)
        (disk / "filler").unlink()
        ended(coldbench(disk, "work", "r", "-j", "2"))
        none_lost_none_twice(disk, whole)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)
