"""What a run's child processes do, and the row of one that left none.

The server that forks them has imported what they run; the parent imports this file alone.
"""

import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from coldbench.errors import first_line

from . import splits
from .job import Job, commit_cell
from .partials import FULL, fresh, not_full


def method_process(job: Job, folder: Path, answers: Connection | None = None) -> None:
    """It runs the method, and holds no label that the method is evaluated on."""
    from .worker import run_cell

    run_cell(job, folder, answers)


def answer_process(split: Path, questions: int, pipe: Connection) -> None:
    """It holds the labels that a protocol's asker asks for."""
    from .elicitation import answer

    answer(split, questions, pipe)


def judge_process(job: Job, folder: Path, result: dict[str, Any] | None) -> None:
    """It holds the labels, and no method. What the method's process left may be anything: then
    that is the reason. result: what that process said; None: the cell's shards are joined."""
    from .judge import judge
    from .shards import join, keep

    known = splits.facts(job.split) or {}
    try:
        if job.shard and result:
            keep(job, folder, result)
            return
        result = result or join(job, folder)
        result["facts"] |= known
        judge(job.spec, folder, job.split, job.whole, result)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            sys.exit(1)  # the parent finds the disk full
        reason = f"{type(error).__name__}: {first_line(error)}"
        wrong = {"status": "failed", "stage": "save", "reason": reason}
        facts = (result or {}).get("facts", job.provenance) | known
        judge(job.spec, folder, job.split, job.whole, wrong | {"facts": facts})


def record_failure(run: Path, job: Job, folder: Path, stage: str, reason: str) -> str:
    """A row for a cell that left none, by way of its partial folder; returns its state."""
    not_full(run)
    try:
        fresh(folder, keep=("log.txt",))
        facts = splits.facts(job.split) or {}
        result = {"status": "failed", "stage": stage, "reason": reason}
        commit_cell(folder, job.whole, result | {"facts": facts | job.provenance})
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        print(f"coldbench: {job.spec.title} is left out: {error}", file=sys.stderr)
        return "missing"
    return "failed"
