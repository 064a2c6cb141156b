"""Executors: what they are asked for, what becomes of tasks that end without a cell, and GPUs."""

import shutil
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from coldbench import registry, store
from coldbench.cell import RECORD, Cell, Spec, read_plan, read_run
from coldbench.errors import UserError
from tests.console import asked, small_run

executors: Any = import_module("coldbench.benchmarks.executor")
gpus: Any = import_module("coldbench.benchmarks.gpus")
claims: Any = import_module("coldbench.benchmarks.claims")
slurm: Any = import_module("coldbench.benchmarks.executors.slurm")
grids: Any = import_module("coldbench.benchmarks.grid")


class Stop:
    """Nobody asks for an end, but a test."""

    asked = draining = False

    def deaf(self) -> None:
        pass


def spec_of(seed: int, method: str = "ridge", device: str = "cpu") -> Spec:
    return Spec(
        "synthetic", {}, "1-2", "user-cold", {}, method, {}, {}, "", seed, None, device, 1, "", {}
    )


def finish(run: Path, spec: Spec) -> None:
    """As a worker leaves a cell."""
    partial = run / "cells" / f".{spec.fingerprint}"
    partial.mkdir(parents=True)
    done = {"status": "done", "stage": "", "reason": "", "facts": {}}
    store.seal(partial, RECORD, done, run / "cells" / spec.fingerprint)


class Fake(executors.Executor):  # type: ignore[misc]
    """Tasks end at once, as `act` has them."""

    def __init__(self, run: Path, act: Callable[[Spec], None]) -> None:
        super().__init__(run, "")
        self.act, self.submitted, self.cancelled = act, list[str](), set[str]()
        self.ended: dict[str, str] = {}

    def submit(self, tasks: list[Any]) -> None:
        for task in tasks:
            self.submitted.append(task.name)
            self.act(task.spec)
            self.ended[task.name] = "the node is gone"

    def over(self) -> dict[str, str]:
        found, self.ended = self.ended, {}
        return found

    def cancel(self, fingerprints: set[str]) -> None:
        self.cancelled |= fingerprints


def dispatched(
    run: Path, specs: list[Spec], act: Callable[[Spec], None], shards: tuple[str, ...] = ("",)
) -> tuple[Fake, list[tuple[str, int]], list[str]]:
    """The executor, (event, seed) of each cell that ended, and the reasons of those given up."""
    executor, told, reasons = Fake(run, act), list[tuple[str, int]](), list[str]()

    def tell(event: str, spec: Spec, _: float) -> None:
        told.append((event, spec.seed))

    def record(spec: Spec, reason: str) -> str:
        reasons.append(reason)
        return "failed"

    resources = executors.Resources()
    tasks = [executors.Task(spec, resources, shard) for spec in specs for shard in shards]
    with claims.Claims(run) as worker:
        executors.dispatch(tasks, executor, worker, Stop(), tell, record)
    return executor, told, reasons


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "POLL", 0.01)


def test_what_tasks_leave_in_the_folder_is_told_and_no_task_is_sent_twice(tmp_path: Path) -> None:
    specs = [spec_of(0), spec_of(1)]
    executor, told, _ = dispatched(tmp_path, specs, lambda spec: finish(tmp_path, spec))
    assert told == [("done", 0), ("done", 1)]
    assert executor.submitted == [spec.fingerprint for spec in specs]


def test_a_task_that_ends_without_its_cell_is_sent_again(tmp_path: Path) -> None:
    seen: list[int] = []

    def second_time(spec: Spec) -> None:
        seen.append(spec.seed)
        if len(seen) == 2:
            finish(tmp_path, spec)

    executor, told, reasons = dispatched(tmp_path, [spec_of(0)], second_time)
    assert told == [("done", 0)] and not reasons and len(executor.submitted) == 2


def test_a_cell_whose_tasks_end_three_times_without_it_is_a_row_that_says_so(
    tmp_path: Path,
) -> None:
    executor, told, reasons = dispatched(tmp_path, [spec_of(0)], lambda _: None)
    assert told == [("failed", 0)] and reasons == ["the node is gone"]
    assert len(executor.submitted) == executors.TRIES == 3


def test_a_cell_in_shards_has_a_task_each_and_ends_once(tmp_path: Path) -> None:
    spec, begun = spec_of(0), list[int]()

    def act(spec: Spec) -> None:  # the second task finds the other shard there, and joins them
        begun.append(1)
        (tmp_path / f"shards/{spec.fingerprint}.{len(begun)}of2").mkdir(parents=True)
        if len(begun) == 2:
            finish(tmp_path, spec)

    executor, told, reasons = dispatched(tmp_path, [spec], act, ("1of2", "2of2"))
    assert executor.submitted == [f"{spec.fingerprint}.{n}of2" for n in (1, 2)]
    assert told == [("done", 0)] and not reasons


def test_shards_that_nobody_joined_are_joined_by_a_task_that_is_sent_again(tmp_path: Path) -> None:
    spec, begun = spec_of(0), list[int]()

    def act(spec: Spec) -> None:
        begun.append(1)
        if len(begun) == 3:
            finish(tmp_path, spec)
        else:
            (tmp_path / f"shards/{spec.fingerprint}.{len(begun)}of2").mkdir(parents=True)

    _, told, reasons = dispatched(tmp_path, [spec], act, ("1of2", "2of2"))
    assert told == [("done", 0)] and len(begun) >= 3 and not reasons


def test_a_cell_whose_shard_ends_three_times_without_it_is_one_row(tmp_path: Path) -> None:
    spec = spec_of(0)
    (tmp_path / f"shards/{spec.fingerprint}.1of2").mkdir(parents=True)
    executor, told, reasons = dispatched(tmp_path, [spec], lambda _: None, ("1of2", "2of2"))
    assert told == [("failed", 0)] and reasons == ["the node is gone"]
    assert executor.submitted.count(f"{spec.fingerprint}.1of2") == 1
    assert executor.cancelled == {f"{spec.fingerprint}.1of2"}


def test_ctrl_c_cancels_the_tasks_that_have_not_begun_and_waits_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs, stop = [spec_of(0), spec_of(1)], Stop()
    stop.asked = True
    executor = Fake(tmp_path, lambda _: None)
    monkeypatch.setattr(executor, "over", dict)
    told: list[str] = []
    with claims.Claims(tmp_path) as worker, claims.Claims(tmp_path) as driver:
        worker.take(specs[0].fingerprint)

        def tell(event: str, spec: Spec, _: float) -> None:
            told.append(event)
            if event == "start":
                assert executor.cancelled == {specs[1].fingerprint}
                finish(tmp_path, spec)
                worker.release(spec.fingerprint)

        tasks = [executors.Task(spec, executors.Resources()) for spec in specs]
        with pytest.raises(KeyboardInterrupt):
            executors.dispatch(tasks, executor, driver, stop, tell, lambda *_: "failed")
    assert told == ["start", "running", "done"]


def timed(spec: Spec, seconds: float, peak: int) -> Any:
    class Known(Cell):
        def timing(self) -> dict[str, Any]:
            return {"meta_train_seconds": seconds, "peak_memory_bytes": peak}

    return Known(spec, "done", "", "", {}, Path())


def test_resources_are_those_of_the_row_else_the_default_else_what_earlier_cells_took() -> None:
    of = executors.Resources.of  # seconds, GB
    tables = {"default": {"cpus": 2, "minutes": 7}, "lora": {"gpus": 2, "minutes": 99}}
    assert of(spec_of(0, "lora"), tables, [], 900).minutes == 99
    assert of(spec_of(0, "lora"), tables, [], 900).cpus == 2
    assert of(spec_of(0), tables, [], 900).minutes == 7
    assert of(spec_of(0), {}, [], 900).minutes == 17  # --timeout, and the start
    assert of(spec_of(0), {}, [timed(spec_of(1), 60, 4 * 10**9)], 900).minutes == 7
    assert of(spec_of(0), {}, [timed(spec_of(1), 60, 4 * 10**9)], 900).memory_gb == 7
    assert of(spec_of(0, device="cuda"), {}, [], 900).gpus == 1


def test_a_grids_resources_are_of_its_methods_and_change_no_fingerprint() -> None:
    stated = {"datasets": ["synthetic"], "methods": ["ridge"], "encoder": "vectors"}
    more = stated | {"resources": {"ridge": {"cpus": 2}}}
    plan: Any = import_module("coldbench.benchmarks.plan")
    one, other = (plan.resolve(grids.Grid.of(grid), "cpu") for grid in (stated, more))
    assert [spec.fingerprint for spec in one] == [spec.fingerprint for spec in other]
    with pytest.raises(UserError, match="rigde"):
        grids.Grid.of(stated | {"resources": {"rigde": {"cpus": 2}}})


def test_cells_are_laid_on_the_gpu_that_has_the_fewest() -> None:
    devices, used = ("0", "1", "GPU-7f"), list[str]()
    for _ in range(7):
        used.append(gpus.emptiest(devices, used))
    assert used == ["0", "1", "GPU-7f", "0", "1", "GPU-7f", "0"]
    used.remove("1")
    assert gpus.emptiest(devices, used) == "1"
    assert gpus.emptiest((), []) == ""


def test_the_gpus_are_those_that_the_environment_names_and_cuda_1_is_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "2, GPU-7f")
    assert gpus.gpus_of("cuda") == ("2", "GPU-7f")
    assert gpus.gpus_of("cuda:1") == ("GPU-7f",)
    assert gpus.gpus_of("cpu") == ()
    monkeypatch.delenv(gpus.VISIBLE)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert gpus.gpus_of("cuda") == ("0", "1")


@pytest.mark.slow
def test_cells_side_by_side_see_one_gpu_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: Any = import_module("coldbench.benchmarks.run")
    work: Any = import_module("coldbench.benchmarks.work")
    monkeypatch.setattr(work, "gpus_of", lambda _: ("6", "GPU-7f"))
    told = "import os, torch\nprint(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    told += "assert not torch.cuda.is_initialized()\n"
    included = tmp_path / "broken.py"
    text = Path(__file__).parents[1].joinpath("broken.py").read_text(encoding="utf-8")
    included.write_text(text.replace("import ", f"{told}import ", 1), encoding="utf-8")
    registry.include(included)
    stated = {"datasets": ["synthetic"], "methods": ["broken"], "encoder": "vectors"}
    small = {"dataset_params": {"synthetic": {"n_users": 60, "per_user": 30}}, "seeds": [0, 1]}
    options = work.RunOptions("cpu", 2, include=(str(included),), timing=False)
    with runs.Run(grids.Grid.of(stated | small), tmp_path / "r", options) as run:
        cells = run.cells(lambda *_: None)
    assert {cell.log().split()[0] for cell in cells} == {"6", "GPU-7f"}


def test_what_sbatch_says_against_a_job_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit")

    class Refused:
        def map_array(self, *_: object) -> None:
            raise submitit.core.utils.FailedJobError("sbatch: error:\ninvalid partition")

    executor = slurm.Slurm(tmp_path, "nowhere")
    monkeypatch.setattr(executor, "_executor", lambda _: Refused())
    with pytest.raises(UserError, match="no job: sbatch: error: invalid partition"):
        executor.submit([executors.Task(spec_of(0), executors.Resources())])


@pytest.mark.slow
def test_submitit_has_a_cell_done_by_its_command(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    asked(tmp_path, *small_run("item-bias", "--no-timing", "--prepare"))
    run = tmp_path / "runs/r"

    class Here(slurm.Slurm):  # type: ignore[misc]
        cluster = "local"

    (spec,), told = read_plan(run), list[str]()
    with claims.Claims(run) as worker:
        task = executors.Task(spec, executors.Resources(2, 1, 1, 0, ""))
        executors.dispatch(
            [task], Here(run, ""), worker, Stop(), lambda event, *_: told.append(event),
            lambda *_: "failed",
        )  # fmt: skip
    assert told[-1] == "done" and read_run(run)[0].status == "done"


def test_a_machine_without_sbatch_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    task = executors.Task(spec_of(0), executors.Resources(2, 1, 1, 0, ""))
    with pytest.raises(UserError, match="sbatch"):
        slurm.Slurm(tmp_path, "").submit([task])


def test_a_task_is_over_only_when_slurm_has_not_listed_it_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm, "PAUSE", 0.0)

    class Job:
        job_id = "7_0"
        paths = type("Paths", (), {"stderr": "7_0_log.err"})

    answers: list[set[str] | None]
    answers = [{"7_0"}, set(), None, set(), {"7_0"}, set(), set(), set()]
    found = slurm.Slurm(tmp_path, "")
    found._jobs, found._unseen = {"cell": Job}, {"cell": 0}
    monkeypatch.setattr(found, "_listed", lambda: answers.pop(0))
    over = []
    while answers:
        over.append(set(found.over()))
        time.sleep(0.001)
    assert over == [set()] * 7 + [{"cell"}]
