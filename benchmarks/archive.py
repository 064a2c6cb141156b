"""One file that holds the evidence of a run: `coldbench archive` writes it, others verify it.

A zip of JSON and parquet, no code and no row of a data set:
manifest.json: its form, the version that wrote it, each data set's licence and hash, the digest of
each split's answers, and the sha256 of every other file.
plan.json, grid.toml: what was run. records.json: of each cell its state, its facts and what it
cost. scores/<fingerprint>/: the numbers that the method gave, in the order in which its split asks
for them; users, items and answers are not in it: whoever has the data set has them by the split.
frames/: what `coldbench.load` makes of all that, users.parquet (metrics of each evaluated user)
among them; but not the inner loop's steps, whose traces hold ratings. The same run gives the same
bytes.
"""

import io
import json
import os
import tomllib
import zipfile
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Self

import polars as pl

import coldbench
from coldbench import store
from coldbench.cell import Cell, Spec, read_run
from coldbench.errors import UserError, first_line, printable
from coldbench.results.results import ANALYSES, SCHEMAS, Results, read

from . import splits
from .grid import Grid

FORM = 1  # of the archive; another is refused
MANIFEST = "manifest.json"
OWN = ("score", "above", "tied", "candidates")  # columns of scores that the method's numbers gave
LATER = {"costs": ("flops_per_user", "tokens_per_user", "joules_per_user")}  # than some archives
FRAMES = ("scores", "swapped", "shuffled", "top")  # of a cell
LARGEST = 4 << 30  # bytes of all that an archive holds
MOST = 200_000  # files of one
DAY = (1980, 1, 1, 0, 0, 0)  # of every file in it: the same run, the same bytes


def write(run: Path, path: Path) -> dict[str, Any]:
    """Archive a run; returns the manifest.

    Raises UserError where a cell is missing or damaged, or a split is: a run is archived whole.
    """
    cells = read_run(run)
    for cell in cells:
        if cell.status in ("missing", "damaged"):
            raise UserError(
                f"{run}: {cell.spec.title} is {cell.status}: run it to its end, then archive it"
            )
    files = {
        "plan.json": _json([asdict(cell.spec) | {"files": {}} for cell in cells]),
        "grid.toml": (run / "grid.toml").read_bytes(),
        "records.json": _json({cell.spec.fingerprint: _record(cell) for cell in cells}),
    }
    for cell in cells:
        for name in FRAMES:
            if (cell.folder / f"{name}.parquet").is_file():
                frame = cell.scores(name)
                kept = frame if name == "top" else frame.select(pl.col("^shots$"), *_own(frame))
                files[f"scores/{cell.spec.fingerprint}/{name}.parquet"] = _parquet(kept)
    for name, frame in frames(read(run)).items():
        files[f"frames/{name}.parquet"] = _parquet(frame)
    manifest = {
        "form": FORM,
        "version": coldbench.__version__,
        "run": run.resolve().name,
        "datasets": _datasets(cells),
        "splits": {cell.spec.split_key: answers_digest(_split(cell)) for cell in cells},
        "files": {name: sha256(content).hexdigest() for name, content in files.items()},
    }
    store.write_by(path, lambda partial: _zip(partial, {MANIFEST: _json(manifest)} | files))
    return manifest


@dataclass(frozen=True)
class Archive:
    """An archive as a reader finds it: every file is the one that its manifest names."""

    manifest: dict[str, Any]
    specs: list[Spec]
    records: dict[str, dict[str, Any]]
    files: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises UserError where it is no archive, is torn, or a file of it was changed, dropped or
        added."""
        if not path.is_file():
            raise UserError(f"no archive {path}; `coldbench archive RUN -o FILE` writes one")
        try:
            files = _unzip(path)
            manifest = json.loads(files.pop(MANIFEST))
            if manifest["form"] != FORM:
                raise UserError(f"{path}: is of form {manifest['form']!r}; this reads form {FORM}")
            _same_files(path, manifest["files"], files)
            specs = [Spec(**fields) for fields in json.loads(files["plan.json"])]
            records = json.loads(files["records.json"])
            archive = cls(manifest, specs, records, files)
            archive._check()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError,
                NotImplementedError, zipfile.BadZipFile, EOFError) as error:  # fmt: skip
            reason = printable(f"{type(error).__name__}: {error}")[:120]
            raise UserError(f"{path}: no archive of coldbench, or a torn one ({reason})") from None
        return archive

    def frame(self, name: str) -> pl.DataFrame:
        """What it claims: a frame of `coldbench.load`, or "users". A column that was not measured
        yet when it was written is empty."""
        frame = pl.read_parquet(self.files[f"frames/{name}.parquet"])
        later = [column for column in LATER.get(name, ()) if column not in frame.columns]
        if not later:
            return frame
        kinds = SCHEMAS[name]
        frame = frame.with_columns(pl.lit(None, kinds[column]).alias(column) for column in later)
        known = [column for column in kinds if column in frame.columns]
        return frame.select(*known, *(c for c in frame.columns if c not in kinds))

    def scores(self, spec: Spec, name: str = "scores") -> pl.DataFrame | None:
        """Of a cell: shots and OWN, or of "top" what Cell.scores says; None where it has none."""
        content = self.files.get(f"scores/{spec.fingerprint}/{name}.parquet")
        return None if content is None else pl.read_parquet(content)

    def grid(self) -> Grid:
        """What was run, as its grid.toml says. Raises UserError where that is no grid."""
        try:
            stated = tomllib.loads(self.files["grid.toml"].decode())
            if stated.get("encoder", {}).get("trust_remote_code"):
                raise UserError("its grid trusts a model's own code: it is not verified here")
            return Grid.of(stated)
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(f"its grid.toml cannot be read: {first_line(error)}") from None

    def _check(self) -> None:
        names = {spec.fingerprint for spec in self.specs}
        if names != self.records.keys() or len(names) != len(self.specs):
            raise ValueError("its plan and its records are not of the same cells")
        for record in self.records.values():
            for key in ("status", "stage", "reason", "facts", "timing"):
                record[key]


def frames(results: Results) -> dict[str, pl.DataFrame]:
    """What a run's results are and an archive can prove, by name."""
    analyses = {name: results.frames[name] for name in ANALYSES if name != "steps"}
    return {"users": results.users} | analyses


def answers_digest(split: Path) -> str:
    """Of users, items, ratings and labels that a split asks for, in their order."""
    digest = blake2b(digest_size=16)
    for column in pl.read_parquet(split / "answers.parquet").iter_columns():
        kind = "<f8" if column.dtype.is_float() else "<i8"
        digest.update(column.name.encode() + column.to_numpy().astype(kind).tobytes())
    return digest.hexdigest()


def _own(frame: pl.DataFrame) -> list[str]:
    return [name for name in OWN if name in frame.columns]


def _record(cell: Cell) -> dict[str, Any]:
    fields = {key: getattr(cell, key) for key in ("status", "stage", "reason", "facts")}
    return fields | {"timing": cell.timing()}


def _split(cell: Cell) -> Path:
    if splits.facts(cell.split) is None:
        raise UserError(f"{cell.split} is missing or damaged: the run's command makes it again")
    return cell.split


def _datasets(cells: list[Cell]) -> dict[str, dict[str, str]]:
    described = {}
    for cell in cells:
        facts = splits.facts(_split(cell)) or {}
        words = {key: facts[key] for key in ("licence", "citation")}
        described[cell.spec.dataset] = {"data": cell.spec.data, **words}
    return described


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            packed = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
            file.writestr(zipfile.ZipInfo(name, DAY), content, packed)


def _unzip(path: Path) -> dict[str, bytes]:
    """Every file of the archive, in memory: nothing of it is written where its names say."""
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
        if len(members) > MOST or sum(member.file_size for member in members) > LARGEST:
            raise ValueError(f"it holds more than {MOST:,} files or {LARGEST >> 30} GiB")
        if len({member.filename for member in members}) != len(members):
            raise ValueError("a name stands in it twice")
        return {member.filename: file.read(member) for member in members}


def _same_files(path: Path, stated: dict[str, str], files: dict[str, bytes]) -> None:
    for name in sorted(stated.keys() | files.keys()):
        if name not in files:
            what = "is missing"
        elif name not in stated:
            what = "is not in its manifest"
        elif sha256(files[name]).hexdigest() != stated[name]:
            what = "is not the file that its manifest names: it was changed"
        else:
            continue
        raise UserError(f"{path}: {printable(name)} {what}")


def default_path(run: Path) -> Path:
    """runs/quick -> quick.coldbench.zip, where the command is given."""
    return Path(os.curdir) / f"{run.resolve().name}.coldbench.zip"
