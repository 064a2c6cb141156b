"""From what a method's process left to a cell: scores beside the answers, checked, sealed.

Runs in a process of its own that never held a method, after the method's process has ended. Which
user and item a score belongs to is said by the split alone: the method's process writes numbers in
the order in which it was asked, and nothing else.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from coldbench import store
from coldbench.cell import MODEL, MODELS, TRACED, Spec
from coldbench.episode import Episodes
from coldbench.interactions import Int
from coldbench.metrics.predictions import above_and_tied
from coldbench.protocol import Protocol

from . import splits
from .job import commit_cell

TOP = 100  # of a ranked catalogue, kept
BATCH = 256  # users ranked at once
KEPT = ("log.txt", "timing.json")  # files of the method's process that stay as they are

Float = NDArray[np.float32]


class Foul(ValueError):
    """What the method's process left is not what was asked for."""


def judge(spec: Spec, folder: Path, split: Path, whole: Path, result: dict[str, Any]) -> None:
    """Make the folder the cell `whole`. result: status, stage, reason and facts.

    Raises Foul where the files that a method's process left do not fit what it was asked.
    """
    frames: dict[str, pl.DataFrame] = {}
    if result["status"] == "done":
        frames = dict(_frames(spec, folder, split))
        timing = _timing(folder / "timing.json")
        (folder / "timing.json").write_text(json.dumps(timing, indent=1), encoding="utf-8")
        keep_model(folder, whole)
    for path in folder.iterdir():
        if path.name not in KEPT or path.is_symlink():
            store.remove(path)
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    commit_cell(folder, whole, result)


def keep_model(folder: Path, whole: Path) -> None:
    """What the method saved, where it was asked to, stands beside the cells under the cell's name.
    Nobody believes it: an export compares its scores with the cell's."""
    saved = folder / MODELS
    if saved.is_dir() and not saved.is_symlink():
        rooms = whole.parents[1] / MODELS
        rooms.mkdir(exist_ok=True)
        partial = rooms / folder.name
        store.remove(partial)
        saved.rename(partial)
        store.seal(partial, MODEL, {}, rooms / whole.name)


def _frames(spec: Spec, folder: Path, split: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    protocol, asked = splits.protocol_of(spec), Asked.read(split)
    most = protocol.max_shots
    scores = score_array(folder / "scores.npy", (len(protocol.shots), *asked.shape(protocol)))
    by_shots = [asked.rows(scores[n], k, protocol) for n, k in enumerate(protocol.shots)]
    yield "scores", pl.concat(rows for rows, _ in by_shots)
    tops = [top for _, top in by_shots if top is not None]
    if tops:
        yield "top", pl.concat(tops)
    if most and len(asked.cold) > 1:
        for name in ("swapped", "shuffled"):
            control = score_array(folder / f"{name}.npy", asked.shape(protocol))
            yield name, asked.rows(control, most, protocol)[0]
    if (folder / "trace-query.npy").is_file():
        yield "trace", asked.trace(folder)


@dataclass(frozen=True)
class Asked:
    """What a split asks for, with the answers."""

    cold: Episodes  # answers withheld
    answers: pl.DataFrame  # user, item, rating, label: a row for each real item of the query
    candidates: Int

    @classmethod
    def read(cls, split: Path) -> "Asked":
        data_split, _ = splits.load(split)
        return cls(
            data_split.cold, pl.read_parquet(split / "answers.parquet"), data_split.candidates
        )

    def shape(self, protocol: Protocol) -> tuple[int, int]:
        ranked = protocol.candidates == "all"
        return len(self.cold), len(self.candidates) if ranked else self.cold.query_size

    def rows(
        self, scores: Float, shots: int, protocol: Protocol
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """A row for each item of each query; of a ranked catalogue its top too."""
        at, top = pl.lit(shots, pl.Int16), None
        if protocol.candidates == "all":
            columns, top = self._ranked(scores)
            top = top.with_columns(shots=at)
        else:
            columns = {"score": scores[self.cold.query >= 0]}
        rows = self.answers.with_columns(shots=at, **{n: pl.Series(c) for n, c in columns.items()})
        first = ["user", "shots", "item", "rating", "label", "score"]
        return rows.select(*first, pl.exclude(first)), top

    def _ranked(self, scores: Float) -> tuple[dict[str, NDArray[Any]], pl.DataFrame]:
        """Where the query's items stand among all candidates of their user: candidates above, tied
        (itself too), in all. The items of the user's longest support are no candidates."""
        support, real = splits.support_items(self.cold), self.cold.query >= 0
        items = np.zeros(real.shape, np.int64)
        items[real] = self.answers["item"].to_numpy()
        users = self.cold.users.ids[self.cold.user_index]
        columns: dict[str, list[NDArray[Any]]] = {}
        tops = []
        for at in range(0, len(scores), BATCH):
            part = slice(at, at + BATCH)
            given = np.array(scores[part])  # (b, C)
            _drop(given, support[part], self.candidates)
            of_asked = np.take_along_axis(given, np.searchsorted(self.candidates, items[part]), 1)
            above, tied = above_and_tied(*map(torch.from_numpy, (of_asked, given)))
            every = np.broadcast_to((given >= 0).sum(1, keepdims=True), of_asked.shape)
            frame: dict[str, NDArray[Any]] = {
                "score": of_asked,
                "above": above.numpy(),
                "tied": tied.numpy(),
                "candidates": every,
            }
            for name, column in frame.items():
                kind = np.float32 if name == "score" else np.int32
                columns.setdefault(name, []).append(column[real[part]].astype(kind))
            tops.append(_top(given, users[part], self.candidates))
        return {name: np.concatenate(parts) for name, parts in columns.items()}, pl.concat(tops)

    def trace(self, folder: Path) -> pl.DataFrame:
        """step, query (False: the support), user, item, label, score."""
        cold = self.cold.first(TRACED)
        query = _steps(folder / "trace-query.npy", cold.query.shape)
        support = _steps(folder / "trace-support.npy", cold.support.shape)
        if len(query) != len(support):
            raise Foul("the trace has not as many steps for the support as for the query")
        rows, users = cold.support, cold.users.ids[cold.user_index]
        given = pl.DataFrame(
            {
                "user": np.broadcast_to(users[:, None], rows.shape).ravel(),
                "item": cold.users.log.items[rows.ravel()],
                "label": cold.users.labels[rows.ravel()],
            }
        )
        real = cold.query >= 0
        asked = self.answers.head(int(real.sum())).select("user", "item", "label")
        parts = [
            table.with_columns(step=pl.lit(step), query=pl.lit(name), score=pl.Series(scores))
            for step in range(len(query))
            for name, table, scores in (
                (True, asked, query[step][real]),
                (False, given, support[step].ravel()),
            )
        ]
        return pl.concat(parts).select("step", "query", "user", "item", "label", "score")


def _drop(given: Float, support: Int, candidates: Int) -> None:
    """Items of the support are scored -1: below every candidate."""
    place = np.searchsorted(candidates, support).clip(max=len(candidates) - 1)  # (b, S)
    user, column = np.nonzero(candidates[place] == support)
    given[user, place[user, column]] = -1


def _top(given: Float, users: Int, candidates: Int) -> pl.DataFrame:
    """user, rank, item, score: the first of the catalogue."""
    first = np.argsort(-given, 1, kind="stable")[:, :TOP]
    score = np.take_along_axis(given, first, 1)
    real = score >= 0
    rank = np.broadcast_to(np.arange(1, first.shape[1] + 1, dtype=np.int32), first.shape)
    who = np.broadcast_to(users[:, None], first.shape)
    columns = {"user": who, "rank": rank, "item": candidates[first].astype(np.int32)}
    return pl.DataFrame({n: c[real] for n, c in (columns | {"score": score}).items()})


def score_array(path: Path, shape: tuple[int, ...]) -> Float:
    """The float32 array of this shape, in 0..1 everywhere."""
    array = _steps(path, shape[1:])
    if array.shape != shape:
        raise Foul(f"{path.name} holds {array.shape} where {shape} was asked for")
    return array


def _steps(path: Path, shape: tuple[int, ...]) -> Float:
    """A float32 array of any number of rows of this shape, in 0..1 everywhere."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Foul(f"no scores were left: {error}") from None
    if array.dtype != np.float32 or array.shape[1:] != shape:
        raise Foul(f"{path.name} holds {array.dtype} {array.shape}, not float32 of {shape}")
    for part in array:
        if not ((part >= 0) & (part <= 1)).all():
            raise Foul(f"{path.name} holds a score outside 0..1")
    return array


def _timing(path: Path) -> dict[str, Any]:
    try:
        timing = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Foul(f"no timing was left: {error}") from None
    if not isinstance(timing, dict):
        raise Foul("the timing is no table")
    return timing
