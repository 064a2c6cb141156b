"""The unit of a run: one dataset, protocol, method and seed; what defines it, and its folder.

A cell's fingerprint covers everything that can change one of its numbers and nothing that cannot.
Its folder `runs/<name>/cells/<fingerprint>/` holds `cell.json`, `scores.parquet`, `timing.json` and
`log.txt`, and appears in one rename; `cell.json` has the hashes of the others. One function,
Cell.read, says what state a cell is in.
"""

import ast
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import polars as pl

from coldbench import store
from coldbench.errors import UserError, printable

RECORD = "cell.json"
MODELS, MODEL = "models", "model.json"  # where a run keeps trained methods, and the record of one
KEPT = ("done", "failed", "unavailable")  # the states of a cell that is not run again
UNDONE = ("failed", "unavailable", "missing", "damaged")  # the states of one without results
TRACED = 64  # users whose inner loop is followed step by step: for a figure, no row's number
SPLIT = ("dataset", "dataset_params", "data", "loader", "protocol_fields", "seed", "limit")


@dataclass(frozen=True)
class Spec:
    """Everything that can change a number of one cell, in words that JSON has."""

    dataset: str
    dataset_params: dict[str, Any]
    data: str  # hash of the log and the catalogue
    protocol: str  # its name: the preset's, and what is changed of it
    protocol_fields: dict[str, Any]  # all of them, as they came out on this dataset
    method: str
    params: dict[str, Any]  # all of them
    encoder: dict[str, Any]  # all of its fields
    encoder_hash: str
    seed: int
    limit: int | None  # only so many evaluated users: a trial, stamped LIMITED
    device: str  # "cpu" or "cuda"
    threads: int  # of torch; another number sums in another order
    code: str  # hash of the files the numbers come from
    versions: dict[str, str]  # of the libraries that compute
    loader: str = ""  # the registered dataset that reads it, where `dataset` is a user's own file
    files: dict[str, str] = field(default_factory=dict)  # where that lies: in no fingerprint
    row: str = ""  # what the grid calls it, where that is no bare method: "melu:paper"; in none

    @cached_property
    def fingerprint(self) -> str:
        words = json.dumps(asdict(self) | {"files": None, "row": None}, sort_keys=True)
        return blake2b(words.encode(), digest_size=8).hexdigest()

    @cached_property
    def split_key(self) -> str:
        """Of what a cell's users and items are: the same for every method and device."""
        of_split = {name: value for name, value in asdict(self).items() if name in SPLIT}
        return blake2b(json.dumps(of_split, sort_keys=True).encode(), digest_size=8).hexdigest()

    @property
    def name(self) -> str:
        """Of its row: the method, or the method with a preset."""
        return self.row or self.method

    @property
    def title(self) -> str:
        return f"{self.dataset} {self.protocol} {self.name} seed {self.seed}"


def code_hash(paths: Iterable[Path]) -> str:
    """What the files do, as 16 hexadecimal digits, wherever they lie and in whatever order.

    Comments, docstrings and layout do not count.
    """
    parts = sorted(f"{path.name}\n{_does(path.read_bytes())}" for path in set(paths))
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


@cache
def _does(source: bytes) -> str:
    """A digest of what a file does; of its bytes where it is no Python."""
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [line for line in body if not _is_docstring(line)]  # type: ignore[attr-defined]
        source = ast.dump(tree).encode()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return blake2b(source, digest_size=16).hexdigest()


def _is_docstring(line: ast.AST) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def record(status: str, stage: str, reason: str, facts: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What cell.json holds, before its hashes: texts cut, and printable wherever they are shown."""
    return {
        "status": status,
        "stage": printable(stage)[:20],
        "reason": " ".join(printable(reason).split())[:400],
        "facts": facts,
    }


@dataclass(frozen=True)
class Cell:
    """A cell of a run as a reader finds it: done, failed, unavailable, missing so far, or damaged:
    there, but torn or not what its record says."""

    spec: Spec
    status: str  # "done", "failed", "unavailable", "missing" or "damaged"
    stage: str  # where it failed: "load", "meta-train", "adapt", "score", "timing"; else ""
    reason: str  # one line, else ""
    facts: dict[str, Any]  # what else cell.json holds: users, like_at, family, versions, ...
    folder: Path
    variant: str = ""  # what sets it apart from the method's first row: "rank = 2"

    @property
    def name(self) -> str:
        """Of its row in a report: the grid's, and what is different about it."""
        return f"{self.spec.name} ({self.variant})" if self.variant else self.spec.name

    @classmethod
    def read(cls, spec: Spec, folder: Path) -> Self:
        """The one function that says what state a cell is in: nothing is believed of a folder whose
        files are not those that its record has the hashes of."""
        if not os.path.lexists(folder):
            return cls(spec, "missing", "", "", {}, folder)
        stored = store.read(folder, RECORD)
        if stored is None or stored.get("status") not in KEPT:
            return cls(spec, "damaged", "", "its files are torn or not its own", {}, folder)
        status, stage, reason, facts = (stored[k] for k in ("status", "stage", "reason", "facts"))
        return cls(spec, status, stage, reason, facts, folder)

    def scores(self, name: str = "scores") -> pl.DataFrame:
        """user, shots, item, rating, label, score; where all items are ranked also above, tied and
        candidates.

        One row for each evaluated user, number of shots and query item, in a fixed order. name:
        of a control, "swapped" where each user had another's support, "shuffled" where their own
        with its labels in random order.
        """
        return pl.read_parquet(self.folder / f"{name}.parquet")

    @property
    def model(self) -> Path:
        """Where the trained method lies, if the run kept it."""
        return self.folder.parents[1] / MODELS / self.spec.fingerprint

    @property
    def split(self) -> Path:
        """The folder that says what the cell's users and items are; see benchmarks/splits.py."""
        return self.folder.parents[1] / "splits" / self.spec.split_key

    def timing(self) -> dict[str, Any]:
        """What the cell cost; the keys are those of benchmarks/timing.py. {} where not measured."""
        path = self.folder / "timing.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def log(self) -> str:
        path = self.folder / "log.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def write_plan(run: Path, specs: list[Spec]) -> None:
    """Which cells a run is made of, in the order of its grid."""
    store.write(run / "plan.json", json.dumps([asdict(spec) for spec in specs], indent=1))


def read_plan(run: Path) -> list[Spec]:
    """Which cells a run is made of."""
    plan = run / "plan.json"
    if not plan.is_file():
        raise UserError(f"{run} is no run: it has no plan.json; make one by `coldbench run GRID`")
    try:
        return [Spec(**fields) for fields in json.loads(plan.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{plan} is damaged ({type(error).__name__}); the run's command writes it again"
        ) from None


def read_cells(run: Path, specs: Iterable[Spec]) -> list[Cell]:
    """These cells of a run, in the state they are in."""
    return [Cell.read(spec, run / "cells" / spec.fingerprint) for spec in specs]


def read_run(run: Path) -> list[Cell]:
    """Every planned cell of a run, those that failed or are missing among them."""
    return read_cells(run, read_plan(run))


def read_runs(runs: list[Path]) -> list[Cell]:
    """The cells of several runs side by side, those that two of them share once.

    A method with other parameters, another encoder or another device than where it stands first is
    a row of its own, named by what differs. Raises UserError where one name means two data sets,
    or where nothing but the code or the libraries differ: then a row could not be named.
    """
    cells = {cell.spec.fingerprint: cell for run in runs for cell in read_run(run)}
    first: dict[str, Spec] = {}
    same: dict[tuple[str, str], Spec] = {}
    rows: dict[tuple[str, str, str, int], Spec] = {}
    named = []
    for cell in cells.values():
        spec = cell.spec
        apart = replace(cell, variant=_apart(first.setdefault(spec.name, spec), spec))
        setting = spec.dataset, spec.protocol
        known = same.setdefault(setting, spec)
        if (known.data, known.protocol_fields) != (spec.data, spec.protocol_fields):
            raise UserError(
                f"{spec.dataset}, {spec.protocol} is not the same data and protocol in all of "
                f"{', '.join(map(str, runs))}: report them apart"
            )
        if rows.setdefault((*setting, apart.name, spec.seed), spec) is not spec:
            raise UserError(
                f"{apart.name} stands twice with seed {spec.seed}, with another limit or made by "
                "other code or libraries: report the runs apart, or run one of them again"
            )
        named.append(apart)
    return named


def _apart(first: Spec, spec: Spec) -> str:
    """What differs from a method's first row, in words."""
    pairs = [(first.params, spec.params), (first.encoder, spec.encoder)]
    changes = [
        f"{key} = {json.dumps(new[key])}".replace('"', "")
        for old, new in pairs
        for key in new
        if old.get(key) != new[key]
    ]
    return ", ".join([*changes, *([spec.device] if spec.device != first.device else [])])
