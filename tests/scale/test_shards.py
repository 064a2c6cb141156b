"""Cells in shards: whoever judges which users, the run's bytes are those of whole cells."""

import json
import os
import shutil
import signal
import time
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import store
from coldbench.cell import KEPT, Cell, read_cells, read_plan, read_run
from tests import console
from tests.console import asked, stored

jobs: Any = import_module("coldbench.benchmarks.job")
work: Any = import_module("coldbench.benchmarks.work")
statuses: Any = import_module("coldbench.benchmarks.status")
claims: Any = import_module("coldbench.benchmarks.claims")
partials: Any = import_module("coldbench.benchmarks.partials")
DATA = ["run", "-d", "synthetic", "--set", "encoder=vectors", "--set"]
DATA += ["dataset_params.synthetic={n_users = 3000, per_user = 20}"]  # 600 are evaluated
SHOTS = ["--set", "protocol.shots=[0,4]"]
GRID = [*DATA, *SHOTS, "-m", "fold-in,maml", "--set", "params.maml.meta_steps=5"]
SHARDS = ["--set", "shards.default=9", "--set", "shards.fold-in=2"]


def job(shard: int = 0, shards: int = 1) -> Any:
    (spec,) = [*_specs("x")]
    return jobs.Job(spec, "run", "cpu", True, (), 1, {}, True, shards=shards, shard=shard)


def _specs(*methods: str) -> list[Any]:
    fields: dict[str, Any] = {"protocol_fields": {}, "params": {}, "encoder": {}, "versions": {}}
    words = dict.fromkeys(("dataset", "data", "protocol", "encoder_hash", "code"), "")
    spec: Any = import_module("coldbench.cell").Spec
    more = {"dataset_params": {}, "seed": 0, "limit": None, "device": "cpu", "threads": 1}
    return [spec(method=method, **fields, **words, **more) for method in methods]


@pytest.mark.parametrize("users", [1, 255, 256, 257, 2560, 2561, 100_000])
@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_shards_are_whole_batches_and_every_user_is_in_one(users: int, shards: int) -> None:
    shards = min(shards, jobs.batches_of(users))
    parts = job(shards=shards).parts or [job()]
    slices = [part.users(users) for part in parts]
    assert [user for own in slices for user in range(users)[own]] == [*range(users)]
    assert all(own.start is None or own.start % jobs.BATCH == 0 for own in slices)
    assert all(range(users)[own] for own in slices)


def test_one_shard_of_a_cell_is_timed_and_keeps_the_model() -> None:
    parts = job(shards=3).parts
    assert [(part.timed, part.keep_model) for part in parts] == [(True, True)] + [(False,) * 2] * 2
    assert len({part.name for part in parts}) == len({part.whole for part in parts}) == 3
    assert not job().parts and not parts[0].parts


def test_shards_of_another_number_or_of_a_cell_that_is_there_are_removed(tmp_path: Path) -> None:
    whole, other = "a" * 16, "b" * 16
    for name in (f"{whole}.1of2", f"{other}.1of2"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    (tmp_path / "cells" / whole).mkdir(parents=True)
    with claims.Claims(tmp_path) as worker:
        partials.clear_dead(tmp_path, worker)
    assert [path.name for path in (tmp_path / "shards").iterdir()] == [f"{other}.1of2"]


def failed(place: Path) -> None:
    """A sealed cell, or shard, that failed."""
    partial = place.with_name(f".{place.name}")
    partial.mkdir(parents=True)
    row = {"status": "failed", "stage": "score", "reason": "", "facts": {}}
    store.seal(partial, "cell.json", row, place)


def test_cells_and_shards_that_failed_are_removed_but_those_that_another_worker_has(
    tmp_path: Path,
) -> None:
    specs, rooms = [*_specs("ridge", "maml")], ("cells", "shards")
    for spec in specs:
        failed(tmp_path / f"cells/{spec.fingerprint}")
        failed(tmp_path / f"shards/{spec.fingerprint}.1of2")
    with claims.Claims(tmp_path) as worker, claims.Claims(tmp_path) as other:
        assert other.take(specs[0].fingerprint) and other.take(f"{specs[1].fingerprint}.1of2")
        partials.clear_failed(tmp_path, read_cells(tmp_path, specs), worker)
        assert not any(worker.holds(name) for name in worker.taken())
    left = {path.name for room in rooms for path in (tmp_path / room).iterdir()}
    assert left == {specs[0].fingerprint, f"{specs[1].fingerprint}.1of2"}


@pytest.mark.parametrize("end", ["an interruption", "a kill"])
def test_a_row_that_failed_and_was_not_done_again_still_says_why(tmp_path: Path, end: str) -> None:
    specs = [*_specs("ridge", "maml", "lora")]
    for spec in specs:
        failed(tmp_path / f"cells/{spec.fingerprint}")
    done, undone, others = (tmp_path / f"cells/{spec.fingerprint}" for spec in specs)

    kept = partials.failures_kept if end == "an interruption" else lambda *_: nullcontext()
    with claims.Claims(tmp_path) as worker, claims.Claims(tmp_path) as other:
        with suppress(KeyboardInterrupt), kept(tmp_path, worker):
            partials.clear_failed(tmp_path, read_cells(tmp_path, specs), worker)
            assert not any(place.exists() for place in (done, undone, others))
            done.mkdir()
            assert other.take(others.name)
            raise KeyboardInterrupt
        if end == "a kill":
            with partials.failures_kept(tmp_path, worker):
                assert not undone.exists()  # while another is at work it may be doing it
    assert [cell.status for cell in read_cells(tmp_path, specs)] == ["damaged", "failed", "missing"]
    with claims.Claims(tmp_path) as worker, partials.failures_kept(tmp_path, worker):
        assert [cell.status for cell in read_cells(tmp_path, specs)][1:] == ["failed", "failed"]
    assert not (tmp_path / "retried").exists()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two cells, one of two shards and one of three; none of them done."""
    folder = tmp_path_factory.mktemp("prepared")
    asked(folder, *GRID, *SHARDS, "--name", "r", "--no-timing", "--prepare")
    return folder / "runs/r"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same cells without shards, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    asked(folder, *GRID, "--name", "r", "--no-timing", "-j", "1")
    return folder / "runs/r"


@pytest.fixture
def run(tmp_path: Path, prepared: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "here/runs/r")
    return tmp_path / "here/runs/r"


def none_left(run: Path) -> bool:
    return not list((run / "shards").iterdir()) and not (run / "shards/damaged").exists()


@pytest.mark.slow
def test_a_run_in_shards_is_the_run_of_whole_cells_byte_for_byte(tmp_path: Path) -> None:
    # the report's table and the trace of the timed cell too
    for name, more in (("whole", []), ("shards", SHARDS)):
        asked(tmp_path, *GRID, *more, "--name", name, "-j", "2", "--keep-models")
        asked(tmp_path, "report", name)
    one, other = (tmp_path / "runs" / name for name in ("whole", "shards"))
    assert stored(one) == stored(other) and none_left(other)
    assert any(path.endswith("trace.parquet") for path in stored(one))
    assert len(list((one / "models").iterdir())) == len(list((other / "models").iterdir())) == 2
    timings = [cell.timing() for cell in read_run(other)]
    assert [len(timing["shards"]) for timing in timings] == [2, 3]
    for timing in timings:
        spent = sum(shard["evaluate_seconds"] for shard in timing["shards"])
        assert timing["evaluate_seconds"] == spent and "adapt_ms_p50" in timing


@pytest.mark.slow
def test_a_ranked_catalogue_in_shards_is_the_same(tmp_path: Path) -> None:
    grid = [*DATA, *SHOTS, "-m", "fold-in", "--no-timing", "--set", "protocol.candidates=all"]
    for name, more in (("whole", []), ("shards", SHARDS)):
        asked(tmp_path, *grid, *more, "--name", name, "-j", "2")
    one, other = (stored(tmp_path / "runs" / name) for name in ("whole", "shards"))
    assert one == other and any(path.endswith("top.parquet") for path in one)


@pytest.mark.slow
def test_users_who_are_asked_first_are_the_same_in_shards(tmp_path: Path) -> None:
    grid = [
        *DATA,
        "-m",
        "fold-in",
        "--set",
        'protocol={preset = "elicit", asker = "random", shots = [0, 4]}',
    ]
    for name, more in (("whole", []), ("shards", SHARDS)):
        asked(tmp_path, *grid, *more, "--name", name, "--no-timing", "-j", "2")
    assert stored(tmp_path / "runs/whole") == stored(tmp_path / "runs/shards")


@pytest.mark.slow
def test_two_workers_share_one_cell_and_no_shard_is_done_twice(run: Path, whole: Path) -> None:
    folder = run.parents[1]
    started = console.start(folder, "work", "r", "-j", "1")
    other = asked(folder, "work", "r", "-j", "1").stdout
    one, _ = started.communicate()
    assert "2 of 2 cells done" in one and "2 of 2 cells done" in other
    assert stored(run) == stored(whole) and none_left(run)


@pytest.mark.slow
def test_shards_one_by_one_are_joined_by_whoever_does_the_last(run: Path, whole: Path) -> None:
    folder, cells = run.parents[1], [spec.fingerprint for spec in read_plan(run)]
    found = json.loads(asked(folder, "status", "r", "--json").stdout)
    names = [f"{cells[0]}.{n}of2" for n in (1, 2)] + [f"{cells[1]}.{n}of3" for n in (1, 2, 3)]
    assert found["left"] == names
    for name in reversed(names):
        said = asked(folder, "cell", name, "--run", "r").stdout
        last = name.partition(".")[2].startswith("1of")
        assert ("1 of 1 cells done" if last else "the last one makes the cell") in said
        assert asked(folder, "cell", name, "--run", "r").returncode == 0  # again: nothing to do
        names.remove(name)
        assert json.loads(asked(folder, "status", "r", "--json").stdout)["left"] == names
    assert stored(run) == stored(whole) and none_left(run)


@pytest.mark.slow
def test_a_killed_workers_shard_is_taken_over_and_finished_ones_are_kept(
    run: Path, whole: Path
) -> None:
    folder, (first, *_) = run.parents[1], read_plan(run)
    asked(folder, "cell", f"{first.fingerprint}.2of2", "--run", "r")
    made = (run / f"shards/{first.fingerprint}.2of2/cell.json").stat().st_mtime_ns
    started = console.start(folder, "work", "r", "-j", "1")
    while not list((run / "shards").glob(".*1of2-*")):
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    assert not any(one.alive for one in statuses.Status.read(run).running)
    assert (run / f"shards/{first.fingerprint}.2of2/cell.json").stat().st_mtime_ns == made
    asked(folder, "work", "r", "-j", "2")
    assert stored(run) == stored(whole) and none_left(run)


@pytest.mark.slow
def test_ctrl_c_ends_after_the_shards_that_run_and_the_same_command_goes_on(
    run: Path, whole: Path
) -> None:
    folder = run.parents[1]
    started = console.start(folder, "work", "r", "-j", "1")
    while not list((run / "shards").glob(".*of2-*")):
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGINT)
    started.communicate()
    assert started.returncode == 130
    there = [path.name.partition(".")[2] for path in (run / "shards").glob("[!.]*")]
    assert there == ["1of2"] and not list((run / "cells").iterdir())
    asked(folder, "work", "r", "-j", "2")
    assert stored(run) == stored(whole) and none_left(run)


@pytest.mark.slow
def test_a_damaged_shard_is_set_aside_and_done_again(run: Path, whole: Path) -> None:
    folder, cell = run.parents[1], read_plan(run)[0].fingerprint
    asked(folder, "cell", f"{cell}.1of2", "--run", "r")
    scores = run / f"shards/{cell}.1of2/scores.npy"
    scores.write_bytes(scores.read_bytes()[:-4] + bytes(4))
    said = asked(folder, "work", "r", "-j", "2").stdout
    assert "damaged: " in said and len(list((run / "shards/damaged").iterdir())) == 1
    assert stored(run) == stored(whole)


@pytest.mark.slow
def test_a_shard_that_failed_is_done_again_in_one_go(run: Path, whole: Path) -> None:
    failed(run / f"shards/{read_plan(run)[0].fingerprint}.1of2")
    asked(run.parents[1], *GRID, *SHARDS, "--name", "r", "--no-timing", "--retry-failed")
    assert stored(run) == stored(whole) and none_left(run)


@pytest.mark.slow
def test_shards_of_another_shape_are_a_row_that_says_so(run: Path) -> None:
    # as a method that writes its own files would leave them: sealed, and not what was asked for
    import numpy as np

    folder, spec = run.parents[1], read_plan(run)[0]
    asked(folder, "cell", f"{spec.fingerprint}.1of2", "--run", "r")
    shard = run / f"shards/{spec.fingerprint}.1of2"
    record = store.read(shard, "cell.json")
    assert record is not None
    np.save(shard / "scores.npy", np.zeros((2, 3, 4), np.float32))
    partial = shard.with_name(".again")
    shard.rename(partial)
    kept = {key: record[key] for key in ("status", "stage", "reason", "facts")}
    store.seal(partial, "cell.json", kept, shard)
    asked(folder, "cell", f"{spec.fingerprint}.2of2", "--run", "r", code=1)
    cell = read_run(run)[0]
    assert (cell.status, cell.stage) == ("failed", "save") and "(2, 3, 4)" in cell.reason


@pytest.mark.slow
@pytest.mark.parametrize(("how", "stage"), [("raise", "meta-train"), ("kill", "meta-train"),
                                            ("too high", "score")])  # fmt: skip
def test_a_method_that_breaks_in_its_shards_is_one_failed_row(
    tmp_path: Path, how: str, stage: str
) -> None:
    file = tmp_path / "broken.py"
    shutil.copy(Path(__file__).parents[1] / "broken.py", file)
    folder = tmp_path / "here"
    folder.mkdir()
    words = [*DATA, *SHOTS, "-m", "broken", "--include", str(file), "--no-timing", "--name", "r"]
    words += ["--set", "shards.default=3"]
    asked(folder, *words, "--set", f"params.broken.how={how}", code=1)
    (cell,) = read_run(folder / "runs/r")
    assert (cell.status, cell.stage) == ("failed", stage) and none_left(folder / "runs/r")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*GRID, "--set", "shards=3"), "shards must be a table"),
        ((*GRID, "--set", "shards.default=0"), "shards.default must be a whole number"),
        ((*GRID, "--set", "shards.maml=many"), "shards.maml must be a whole number"),
        ((*GRID, "--set", "shards.mamal=2"), "did you mean 'maml'"),
    ],
)
def test_bad_shards_are_one_line_that_says_what_would_be_right(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    told = asked(tmp_path, *words, code=2).stderr
    assert said in told and told.count("\n") == 1


@pytest.mark.slow
def test_a_shard_that_the_cell_has_not_is_named(run: Path) -> None:
    cell = read_plan(run)[0].fingerprint
    for name in (f"{cell}.1of3", f"{cell}.3of2", f"{cell}.0of2"):
        told = asked(run.parents[1], "cell", name, "--run", "r", code=2).stderr
        assert "the cell has 2 shards" in told and told.count("\n") == 1
    assert Cell.read(read_plan(run)[0], run / "cells" / cell).status not in KEPT
