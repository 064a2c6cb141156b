"""Parts of one run, made on machines that share no disk, become one run."""

import shutil
from pathlib import Path

from coldbench import store
from coldbench.cell import MODEL, MODELS, RECORD, Cell, Spec, read_plan, write_plan
from coldbench.errors import UserError, printable

from . import catalogues, splits
from .work import OPTIONS

ROOMS = {"splits": splits.RECORD, "catalogues": catalogues.RECORD}
SHOWN = 5  # conflicts that an error names


def merge(parts: list[Path], target: Path) -> list[Cell]:
    """Write the run `target`, at once or not at all; returns its cells.

    Of a cell that several parts have, one that is done is taken before one that failed. Raises
    UserError where the parts are not of one grid, or hold different results of one cell.
    """
    if target.exists():
        raise UserError(f"{target} is there already: name a folder that is not")
    if len({part.resolve() for part in parts}) < max(2, len(parts)):
        raise UserError("name two runs or more to merge, each once")
    specs = _one_plan(parts)
    taken = {spec.fingerprint: _taken(parts, spec) for spec in specs}
    if wrong := [words for _, words in taken.values() if words]:
        more = f" (and {len(wrong) - SHOWN} more)" if wrong[SHOWN:] else ""
        raise UserError("; ".join(wrong[:SHOWN]) + more)
    partial = target.with_name(f".{target.name}")
    store.remove(partial)
    (partial / "cells").mkdir(parents=True)
    for room, record in ROOMS.items():
        _copy_room(parts, partial, room, record)
    for cell, _ in taken.values():
        if cell is not None:
            shutil.copytree(cell.folder, partial / "cells" / cell.folder.name)
            if store.read(cell.model, MODEL) is not None:
                shutil.copytree(cell.model, partial / MODELS / cell.model.name)
    for name in ("grid.toml", OPTIONS):
        shutil.copyfile(parts[0] / name, partial / name)
    write_plan(partial, specs)
    partial.rename(target)
    return [Cell.read(spec, target / "cells" / spec.fingerprint) for spec in specs]


def _one_plan(parts: list[Path]) -> list[Spec]:
    plans = [read_plan(part) for part in parts]
    first = {spec.fingerprint: spec for spec in plans[0]}
    for part, plan in zip(parts[1:], plans[1:], strict=True):
        other = {spec.fingerprint: spec for spec in plan}
        for name in first.keys() ^ other.keys():
            spec = (first | other)[name]
            where = parts[0] if name in first else part
            raise UserError(
                f"{printable(spec.title)} ({name}) is in the plan of {where} alone: what is "
                "merged was planned from one grid, by the same code, libraries and data"
            )
    return plans[0]


def _taken(parts: list[Path], spec: Spec) -> tuple[Cell | None, str]:
    """The cell as it is taken, None where no part has it; and what is wrong, "" for nothing."""
    copies = [Cell.read(spec, part / "cells" / spec.fingerprint) for part in parts]
    cells = [cell for cell in copies if cell.status not in ("missing", "damaged")]
    done = [cell for cell in cells if cell.status == "done"]
    for other in done[1:]:
        differ = _differ(done[0], other)
        if differ:
            runs = f"{done[0].folder.parents[1]} and {other.folder.parents[1]}"
            return None, f"{printable(spec.title)}: {differ} differs between {runs}"
    return next(iter(done or cells), None), ""


def _differ(ours: Cell, other: Cell) -> str:
    """The first result of a cell that is not the same in both."""
    files, others = (
        (store.read(cell.folder, RECORD) or {}).get("files", {}) for cell in (ours, other)
    )
    volatile = {"trace.parquet"}  # of the cell that was timed, which may be another one's there
    names = sorted((files.keys() | others.keys()) - volatile)
    return next((name for name in names if files.get(name) != others.get(name)), "")


def _copy_room(parts: list[Path], partial: Path, room: str, record: str) -> None:
    """Every sound folder of a room once. Raises UserError where two of a name differ."""
    seen: dict[str, tuple[Path, str]] = {}
    for part in parts:
        for folder in sorted((part / room).glob("[!.]*")):
            sealed = store.read(folder, record)
            if sealed is None:
                continue
            content = str(sorted(sealed["files"].items()))
            where, other = seen.setdefault(folder.name, (folder, content))
            if other != content:
                raise UserError(f"{where} and {folder} differ: the data was not read alike")
            if where == folder:
                shutil.copytree(folder, partial / room / folder.name)
