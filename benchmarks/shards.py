"""A cell whose judged users are shared out: each shard is done as a cell is, then they are joined.

A shard trains the method as the cell would and scores whole batches of users, the same batches as
without shards. RUN/shards/<fingerprint>.2of4/ is sealed like a cell and holds what the method's
process left, arrays of scores without an answer. Once all are there the arrays lie one below the
other, byte for byte as one process would have left them, and the judge makes the cell of them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from coldbench import store
from coldbench.cell import Cell

from . import splits
from .job import Job, commit_cell
from .judge import Asked, Foul, keep_model, score_array

SCORES = ("scores.npy", "swapped.npy", "shuffled.npy")  # users stand before the items
TRACE = ("trace-query.npy", "trace-support.npy")  # of the first users: the first shard's
TIMED, LOG = "timing.json", "log.txt"
SPENT = ("meta_train_seconds", "evaluate_seconds", "peak_memory_bytes")


def keep(job: Job, folder: Path, result: dict[str, Any]) -> None:
    """Make the folder that the method's process left the shard."""
    if result["status"] == "done":
        keep_model(folder, job.whole.parent / job.spec.fingerprint)
    for path in folder.iterdir():
        if path.name not in (*SCORES, *TRACE, TIMED, LOG) or path.is_symlink():
            store.remove(path)
    commit_cell(folder, job.whole, result)


def join(job: Job, folder: Path) -> dict[str, Any]:
    """Have in the cell's folder what its shards hold; returns the result: the first shard's that
    is not done, else the first's.

    Raises Foul where the arrays of a shard are not of its users.
    """
    cells = [Cell.read(part.spec, part.whole) for part in job.parts]
    with (folder / LOG).open("w", encoding="utf-8") as log:
        for cell in cells:
            log.write(cell.log())
    first = next((cell for cell in cells if cell.status != "done"), cells[0])
    if first.status == "done":
        _join_scores(job, folder)
        for name in TRACE:
            if (first.folder / name).is_file():
                (folder / name).write_bytes((first.folder / name).read_bytes())
        (folder / TIMED).write_text(json.dumps(_timing(cells)), encoding="utf-8")
    return {
        "status": first.status, "stage": first.stage, "reason": first.reason, "facts": first.facts
    }  # fmt: skip


def _join_scores(job: Job, folder: Path) -> None:
    protocol = splits.protocol_of(job.spec)
    count, items = Asked.read(job.split).shape(protocol)
    for name in SCORES:
        places = [part.whole / name for part in job.parts]
        if not any(place.is_file() for place in places):
            continue  # a protocol without controls
        outer = (len(protocol.shots),) if name == SCORES[0] else ()
        joined = open_memmap(folder / name, "w+", np.float32, (*outer, count, items))
        for part, place in zip(job.parts, places, strict=True):
            users = part.users(count)
            shape = (*outer, users.stop - users.start, items)
            joined[..., users, :] = score_array(place, shape)
        joined.flush()


def _timing(cells: list[Cell]) -> dict[str, Any]:
    """What the first shard's says of a user and of training; seconds of judging are those of all
    shards together, memory is the largest's, and what each spent stands beside them."""
    timings = [cell.timing() for cell in cells]
    try:
        spent = [{key: timing[key] for key in SPENT} for timing in timings]
        return timings[0] | {
            "evaluate_seconds": sum(shard["evaluate_seconds"] for shard in spent),
            "peak_memory_bytes": max(shard["peak_memory_bytes"] or 0 for shard in spent),
            "shards": [
                shard | {"hardware": cell.facts.get("hardware", "")}
                for shard, cell in zip(spent, cells, strict=True)
            ],
        }
    except (KeyError, TypeError) as error:
        raise Foul(f"a shard left no timing: {error}") from None
