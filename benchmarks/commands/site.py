"""`coldbench site RESULTS... -o DIR`: runs and archives as one static site."""

from pathlib import Path

import polars as pl

from coldbench import registry
from coldbench.cell import Cell
from coldbench.errors import UserError
from coldbench.results.results import DEFAULT_METRICS, SCHEMAS, Results, find_run, read

from ..archive import Archive
from .command import document, one_document


def site(shared: list[Path], output: Path, docs: Path | None, *, as_json: bool) -> None:
    """Write it, and say where its first page is."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; -o names the folder that the site is written into")
    if docs is not None and not docs.is_dir():
        raise UserError(f"{docs} is no folder; --docs names a folder of Markdown")
    with one_document(as_json):
        results = together([_one(path) for path in shared])
        if all(cell.status != "done" for cell in results.cells):
            raise UserError(f"no cell of {results.name} is done; run it first: coldbench run")
        written = registry.find("reports", "html")().site(results, output, docs)
    if as_json:
        document({"site": str(output), "files": [str(path) for path in written]})
    else:
        print(f"{output / 'index.html'}: {len(written)} pages")


def _one(path: Path) -> Results:
    """Of a run what its cells say; of an archive what it claims: `verify` proves that."""
    file = find_run(path)
    return archived(Archive.read(file), file) if file.is_file() else read(file)


def archived(archive: Archive, path: Path) -> Results:
    """The frames of an archive. Raises UserError where one is missing or has other columns."""
    cells = []
    for spec in archive.specs:
        kept = archive.records[spec.fingerprint]
        status, stage, reason, facts = (kept[k] for k in ("status", "stage", "reason", "facts"))
        folder = path / "cells" / spec.fingerprint
        cells.append(Cell(spec, status, stage, reason, facts, folder))
    frames = {}
    for name, schema in SCHEMAS.items():
        if f"frames/{name}.parquet" not in archive.files:
            frames[name] = pl.DataFrame(schema=schema)
            continue
        frames[name] = archive.frame(name)
        if frames[name].columns != list(schema):
            raise UserError(f"{path}: {name} has other columns than here: archive the run again")
    return Results(archive.manifest["run"], cells, DEFAULT_METRICS, archive.frame("users"), frames)


def together(every: list[Results]) -> Results:
    """Several results as one. Raises UserError where two are of one data set and protocol."""
    known: dict[tuple[str, str], str] = {}
    for results in every:
        for setting in results.settings:
            if setting in known:
                where = f"{known[setting]} and in {results.name}"
                raise UserError(f"{', '.join(setting)} is in {where}: give one of them")
            known[setting] = results.name
    names = [results.name for results in every]
    return Results(
        " + ".join(names),
        [cell for results in every for cell in results.cells],
        every[0].metrics,
        pl.concat([results.users for results in every], how="diagonal"),
        {name: pl.concat([results.frames[name] for results in every]) for name in SCHEMAS},
    )
