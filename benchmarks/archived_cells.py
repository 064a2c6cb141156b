"""The cells of an archive put together again: its scores laid beside the answers of a split."""

from collections.abc import Iterator

import polars as pl

from coldbench.cell import Spec
from coldbench.protocol import Protocol

from . import splits
from .archive import OWN, Archive


def put_together(
    archive: Archive, spec: Spec, answers: pl.DataFrame
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Raises ValueError where scores are not those of the split's queries, or outside 0..1."""
    protocol = splits.protocol_of(spec)
    for name, shots in _asked(protocol):
        stored = archive.scores(spec, name)
        if stored is None:
            if name == "scores":
                raise ValueError("it is done and has no scores")
            continue
        parts = []
        for k in shots:
            part = stored.filter(pl.col("shots") == k)
            if len(part) != len(answers):
                raise ValueError(f"{name}: {len(part)} at K = {k}, {len(answers)} were asked for")
            parts.append(answers.hstack(part.select("shots", *_present(part))))
        whole = pl.concat(parts)
        if len(whole) != len(stored):
            raise ValueError(f"{name}: some are at a K that its protocol has not")
        if not whole["score"].is_between(0, 1).all():
            raise ValueError(f"{name}: one is outside 0..1")
        first = ["user", "shots", "item", "rating", "label", "score"]
        yield name, whole.select(*first, pl.exclude(first))
    if (top := archive.scores(spec, "top")) is not None:
        yield "top", top


def _asked(protocol: Protocol) -> list[tuple[str, tuple[int, ...]]]:
    most = (protocol.max_shots,)
    return [("scores", tuple(protocol.shots)), ("swapped", most), ("shuffled", most)]


def _present(frame: pl.DataFrame) -> list[str]:
    return [name for name in OWN if name in frame.columns]
