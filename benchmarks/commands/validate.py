"""`coldbench validate`: all that is wrong with a file, or what it holds where nothing is."""

from dataclasses import asdict
from typing import Any

from coldbench.dataset import Dataset
from coldbench.errors import BadFile, NotEnoughMemory, Problem, UserError, printable
from coldbench.files.values import MAX_PROBLEMS

from ..dataset_names import Source
from .command import document


def validate(files: list[str], params: dict[str, Any], *, as_json: bool) -> bool:
    """Print every file's problems, or what it holds where it has none; whether all are sound."""
    rows = []
    for name in files:
        dataset = Source.of(name, params).dataset()
        problems = problems_of(dataset)
        more = " or more" if len(problems) >= MAX_PROBLEMS else ""
        says = f"{name}: {len(problems):,} problems{more}" if problems else summary(name, dataset)
        if not as_json:
            print(printable("\n".join([*lines_of(problems), says])))
        listed = [asdict(p) if isinstance(p, Problem) else {"says": p} for p in problems]
        rows.append({"file": name, "sound": not problems, "says": says, "problems": listed})
    if as_json:
        document(rows)
    return all(row["sound"] for row in rows)


def problems_of(dataset: Dataset) -> list[Problem | str]:
    """All problems of a user's own files, or of a registered dataset the first."""
    try:
        dataset.load()  # quick where all is well
    except NotEnoughMemory:
        raise
    except UserError as error:
        return _every(dataset) or _problems(error)
    return []


def _every(dataset: Dataset) -> list[Problem | str]:
    every: Any = getattr(dataset, "all_problems", list)
    problems: list[Problem | str] = []
    try:
        for problem in every():
            problems.append(problem)
    except UserError as error:  # the second file cannot even be looked at
        problems += _problems(error)
    return problems


def _problems(error: UserError) -> list[Problem | str]:
    return [*error.problems] if isinstance(error, BadFile) else [str(error)]


def lines_of(problems: list[Problem | str]) -> list[str]:
    """A line for each cause: the first place, and how many more there are."""
    causes: dict[object, list[Problem | str]] = {}
    for problem in problems:
        cause = (
            problem
            if isinstance(problem, str)
            else (problem.path, problem.of, problem.expected, problem.fix)
        )
        causes.setdefault(cause, []).append(problem)
    more = (f" (and {len(same) - 1:,} more like it)" * (len(same) > 1) for same in causes.values())
    return [f"{same[0]}{rest}" for same, rest in zip(causes.values(), more, strict=True)]


def summary(name: str, dataset: Dataset) -> str:
    log, catalogue = dataset.load()
    twice = f", {log.duplicates:,} duplicates dropped (the last was kept)" if log.duplicates else ""
    counts = f"{log.n_users:,} users, {len(catalogue):,} items, {len(log):,} interactions"
    kind = "" if dataset.explicit else ", likes only"
    kind += "" if log.times is not None or dataset.ordered else ", no times"
    left = f"; columns left alone: {', '.join(dataset.unclaimed)}" if dataset.unclaimed else ""
    return f"{name}: sound: {counts}{twice}{kind}{left}"
