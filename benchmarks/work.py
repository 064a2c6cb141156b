"""One cell, from its specification to its folder. Runs in a process of its own.

Whatever a method does, the run goes on: an exception becomes a failed cell with its stage and
reason; a process that dies is noticed by its parent (run.py).
"""

import json
import os
import sys
import traceback
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import psutil
import torch

from coldbench import registry
from coldbench.cell import Spec
from coldbench.dataset import Dataset
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.method import Method, from_params
from coldbench.protocol import Protocol, Seeds, Split

from . import source, splits
from .loop import BATCH, evaluate, meta_train
from .timing import cost, now, peak_memory
from .trace import trace

LOG_BYTES = 200_000  # of a cell's log that are kept: the end


@dataclass(frozen=True)
class Job:
    """A cell to run, and what its numbers do not depend on."""

    spec: Spec
    device: str  # "cpu", "cuda:1"
    timed: bool  # one seed of a method is enough
    include: tuple[str, ...]  # files of the user's own methods
    jobs: int  # cells side by side, noted beside the timings
    origin: dict[str, str]  # hardware and commit

    @classmethod
    def of(cls, words: dict[str, Any]) -> Self:
        """A job from its JSON: the fields above, `spec` as a dictionary."""
        own = {field.name: words[field.name] for field in fields(cls)}
        return cls(**own | {"spec": Spec(**words["spec"]), "include": tuple(words["include"])})


class Partial:
    """A cell's folder before it is whole: written aside, then renamed."""

    def __init__(self, cells: Path, spec: Spec) -> None:
        self.whole = cells / spec.fingerprint
        self.folder = cells / f".{spec.fingerprint}-{os.getpid()}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stage("load")

    def stage(self, name: str) -> None:
        """Where the cell is, for the parent to read should the process die."""
        self._stage = name
        (self.folder / ".stage").write_text(name, encoding="utf-8")

    def finish(self, status: str, facts: dict[str, Any], reason: str = "") -> None:
        stage = "" if status == "done" else self._stage
        finish(self.folder, self.whole, status=status, stage=stage, reason=reason, facts=facts)


def finish(
    folder: Path, whole: Path, *, status: str, stage: str, reason: str, facts: dict[str, Any]
) -> None:
    """Write cell.json and make the folder appear under its own name."""
    record = {"status": status, "stage": stage, "reason": reason, "facts": facts}
    words = json.dumps(record, indent=1, sort_keys=True)
    (folder / "cell.json").write_text(words, encoding="utf-8")
    (folder / ".stage").unlink(missing_ok=True)
    log = folder / "log.txt"
    if log.is_file() and log.stat().st_size > LOG_BYTES:
        end = log.read_bytes()[-LOG_BYTES:]
        log.write_bytes(b"[the beginning was cut]\n" + end)
    if not whole.exists():  # else another process was first, with the same content
        folder.rename(whole)


def work(job: Job, cells: Path) -> None:
    """Run one cell; returns when its folder is there."""
    partial = Partial(cells, job.spec)
    _log_to(partial.folder / "log.txt")
    facts: dict[str, Any] = dict(job.origin)
    try:
        _measure(job, partial, facts)
    except Unavailable as error:
        partial.finish("unavailable", facts, str(error))
    except UserError as error:
        partial.finish("failed", facts, str(error))
    except Exception as error:  # a cell's failure is a row of the report, whatever it was
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0][:300]
        partial.finish("failed", facts, f"{type(error).__name__}: {first}")
    else:
        partial.finish("done", facts)
    for child in psutil.Process().children(recursive=True):
        child.kill()  # what a method left running


def _measure(job: Job, partial: Partial, facts: dict[str, Any]) -> None:
    spec = job.spec
    torch.set_num_threads(spec.threads)
    for path in job.include:
        registry.include(Path(path))
    device = torch.device(job.device)
    dataset = source.dataset(spec.loader or spec.dataset, spec.dataset_params | spec.files)
    log, catalogue = dataset.load()
    protocol, cut = splits.cut(spec, dataset, log)
    seeds = Seeds.of(spec.seed, protocol.vary)
    items = Encoder(**spec.encoder).items(catalogue).to(device)
    found = registry.find("methods", spec.method)
    method: Method[Any] = from_params(found, spec.method, spec.params)
    facts |= _facts(spec, dataset, protocol, method, cut)

    partial.stage("meta-train")
    begin = now(device)
    meta_train(method, cut, items, seeds)
    timing: dict[str, Any] = {"meta_train_seconds": now(device) - begin}
    facts["trained_parameters"] = sum(tensor.numel() for tensor in method.learned.values())

    partial.stage("evaluate")
    begin = now(device)
    scores = evaluate(method, cut, protocol, device)
    timing["evaluate_seconds"] = now(device) - begin
    scores.query.write_parquet(partial.folder / "scores.parquet")
    if scores.top is not None:
        scores.top.write_parquet(partial.folder / "top.parquet")
    if scores.swapped is not None:
        scores.swapped.write_parquet(partial.folder / "swapped.parquet")

    if job.timed:
        partial.stage("trace")
        if (steps := trace(method, cut.cold, device)) is not None:
            steps.write_parquet(partial.folder / "trace.parquet")
        partial.stage("timing")
        batch = next(cut.cold.batches(protocol.shots[-1], BATCH))
        timing |= cost(method, batch, device)
    timing |= {"peak_memory_bytes": peak_memory(device), "jobs": job.jobs}
    (partial.folder / "timing.json").write_text(json.dumps(timing, indent=1), encoding="utf-8")


def _facts(
    spec: Spec, dataset: Dataset, protocol: Protocol, method: Method[Any], cut: Split
) -> dict[str, Any]:
    """What a reader of the cell needs to judge its scores, and where they come from."""
    low, high = dataset.scale
    asked = blake2b(cut.cold.users.log.items[cut.cold.query].tobytes(), digest_size=8)
    asked.update(cut.candidates.tobytes())
    rated = protocol.labels == "rating"
    return {
        "like_at": dataset.like_at(protocol.labels),
        "span": high - low if rated else 1.0,
        "graded": rated,
        "split": cut.facts(),
        "candidates": asked.hexdigest(),  # the same for every method, or they are not comparable
        "family": method.family,
        "adapts": method.adapts,
        "ranks": method.ranks,
        "random": method.random,
        "paper": method.paper,
        "domain": dataset.domain,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "trust_remote_code": bool(spec.encoder.get("trust_remote_code")),
    }


def _log_to(path: Path) -> None:
    """Whatever is printed from here on, by whatever library, goes to the cell's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
