"""`coldbench validate`: all that is wrong with a file, or what it holds where nothing is."""

from typing import Any

from coldbench.dataset import Dataset
from coldbench.errors import BadFile, Problem, UserError


def problems_of(dataset: Dataset) -> list[Problem | str]:
    """All problems of a user's own files, or of a registered dataset the first."""
    try:
        every: Any = getattr(dataset, "all_problems", list)
        found: list[Problem | str] = every()
        if not found:
            dataset.load()
    except BadFile as error:
        return [*error.problems]
    except UserError as error:
        return [str(error)]
    return found


def summary(name: str, dataset: Dataset) -> str:
    log, catalogue = dataset.load()
    twice = f", {log.duplicates:,} duplicates dropped (the last was kept)" if log.duplicates else ""
    counts = f"{log.n_users:,} users, {len(catalogue):,} items, {len(log):,} interactions"
    return f"{name}: sound: {counts}{twice}"
