"""A method's process: one cell, from its specification to the numbers that the judge reads.

Whatever a method does, the run goes on: an exception becomes a failed cell with its stage and
reason; a process that dies is noticed by its parent (run.py). Nothing here, and nothing that this
process inherits, holds a label that the method is evaluated on.
"""

import json
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch

from coldbench import registry
from coldbench.cell import MODELS, Spec
from coldbench.elicit.askers import asker_of
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError, first_line
from coldbench.method import Method, from_params
from coldbench.seeds import Seeds

from . import catalogues, splits
from .elicitation import Questions, elicit
from .gpus import see_alone
from .job import BATCH, RESULT, Job, Stage
from .loop import Evaluated, evaluate, meta_train, swap
from .timing import cost, now, peak_memory
from .trace import trace


def run_cell(job: Job, folder: Path, answers: Connection | None = None) -> None:
    """Run the method; whatever comes of it stands in the folder's result.json. answers: whom to
    ask, where the protocol has an asker."""
    see_alone(job.gpu)
    _log_to(folder / "log.txt")
    stage, facts = Stage(folder), dict[str, Any](job.provenance)
    status, reason, number = "done", "", None
    try:
        _measure(job, folder, stage, facts, answers)
    except Unavailable as error:
        status, reason = "unavailable", first_line(error)
    except UserError as error:
        status, reason = "failed", first_line(error)
    except SystemExit:
        raise  # the parent says with which code
    except BaseException as error:  # a cell's failure is a row of the report, whatever it was
        with suppress(Exception):  # one that cannot be shown
            traceback.print_exc()
        number = error.errno if isinstance(error, OSError) else None
        status, reason = "failed", f"{type(error).__name__}: {first_line(error)}"
    for child in psutil.Process().children(recursive=True):
        child.kill()  # what a method left running
    at = "" if status == "done" else stage.name
    result = {
        "status": status, "stage": at, "reason": reason, "facts": facts, "errno": number,
    }  # fmt: skip
    stage("save")
    (folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a method's threads and exit handlers are not waited for


def _measure(
    job: Job, folder: Path, stage: Stage, facts: dict[str, Any], answers: Connection | None
) -> None:
    spec = job.spec
    stage("load")
    torch.set_num_threads(spec.threads)
    device = torch.device(job.device)
    split, swapped = splits.load(job.split)
    catalogue = catalogues.load(catalogues.folder_of(Path(job.run), spec))
    items = Encoder.hashed(spec.encoder, spec.encoder_hash).items(catalogue).to(device)
    protocol = splits.protocol_of(spec)

    stage("import")
    for path in job.include:
        registry.include(Path(path))
    kind = registry.find("methods", spec.method)
    stage("construct")
    method: Method[Any] = from_params(kind, spec.method, spec.params)
    facts |= _facts(spec, method)

    stage("meta-train")
    begin = now(device)
    meta_train(method, split, items, Seeds.of(spec.seed, protocol.vary))
    timing: dict[str, Any] = {"meta_train_seconds": now(device) - begin}
    facts["trained_parameters"] = sum(tensor.numel() for tensor in method.learned.values())

    begin = now(device)
    if answers is not None:
        asker, most = asker_of(protocol.asker, split.warm, method), protocol.max_shots
        cold = elicit(asker, split.cold, most, Questions(answers), device, stage)
        split, swapped = replace(split, cold=cold), swap(cold)
    who = Evaluated(split, swapped, job.users(len(split.cold)))
    evaluate(method, who, protocol, device, folder, stage)
    timing["evaluate_seconds"] = now(device) - begin

    if job.timed:
        stage("trace")
        trace(method, split.cold, device, folder)
        stage("timing")
        batch = next(split.cold.batches(protocol.max_shots, BATCH))
        timing |= cost(method, batch, device)
    stage("save")
    if job.keep_model:
        method.save(folder / MODELS)
    timing |= {"peak_memory_bytes": peak_memory(device), "jobs": job.jobs}
    (folder / "timing.json").write_text(json.dumps(timing), encoding="utf-8")


def _facts(spec: Spec, method: Method[Any]) -> dict[str, Any]:
    """What the method says of itself, for a reader of the cell."""
    return {
        "family": method.family,
        "adapts": method.adapts,
        "ranks": method.can_rank,
        "random": method.stochastic,
        "chance": method.is_chance,
        "paper": method.paper,
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
