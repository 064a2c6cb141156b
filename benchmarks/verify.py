"""Is an archive what it claims? Everything in it is made again from its scores and the data set.

The data set is loaded here, its splits are cut again, the archived scores are laid beside the
answers, and every figure is computed anew: one that differs is named. What this cannot see is a
method whose scores were invented in a way that fits: some cells are therefore run again.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from coldbench import registry, store
from coldbench.cell import KEPT, RECORD, Cell, record, write_plan
from coldbench.errors import first_line, printable
from coldbench.results.results import Results, read

from . import splits
from .archive import Archive, answers_digest, frames
from .archived_cells import put_together
from .dataset_names import Source
from .preparation import cut_split, dataset_facts, directly
from .rerun import rerun as run_again
from .work import RunOptions

SAME = 1e-9  # figures made again from the same scores


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str  # "files", "data", "splits", "facts", "scores", "figures", "rules", "rerun"
    sound: bool
    words: str


def verify(archive: Archive, folder: Path, rerun: int, options: RunOptions) -> Iterator[Finding]:
    """What was looked at, as it is found; ends at the first stage that is not sound.

    folder: an empty one, where the run is put together again. rerun: so many cells, drawn anew at
    each call, are run again.
    """
    stages = (
        _plan(archive), _data(archive), _splits(archive, folder), _facts(archive, folder),
        _scores(archive, folder),
    )  # fmt: skip
    for stage in stages:
        findings = list(stage)
        yield from findings
        if not all(finding.sound for finding in findings):
            return
    results = read(folder)
    yield from _figures(archive, results)
    yield from _rules(results)
    if rerun:
        again = folder.with_name("rerun")
        for cell in run_again(archive, results.cells, again, rerun, options):
            yield Finding("rerun", cell.sound, cell.words)


def _plan(archive: Archive) -> Iterator[Finding]:
    """Cells are named by what defines them, and by nothing that is not in the grid."""
    grid = archive.grid()
    states = [record["status"] for record in archive.records.values()]
    if strange := set(states) - set(KEPT):
        yield Finding("files", False, f"a cell is said to be {printable(str(min(strange)))}")
    asked = {
        (method, seed) for method in grid.methods for seed in grid.seeds_for.get(method, grid.seeds)
    }
    planned = {(spec.name, spec.seed) for spec in archive.specs}
    for name, seed in sorted(asked ^ planned):
        where = "grid.toml but not in the plan" if (name, seed) in asked else "the plan alone"
        yield Finding("files", False, f"{printable(name)} seed {seed} is in {where}")
    for name in sorted({s.name for s in archive.specs if s.name.partition(":")[0] != s.method}):
        yield Finding("files", False, f"{printable(name)} is a row of another method's cells")
    done = states.count("done")
    files = len(archive.files)
    yield Finding(
        "files", True, f"{files} as the manifest says; {done} of {len(states)} cells done"
    )


def _sources(archive: Archive) -> dict[str, Source]:
    return {source.display_name: source for source in archive.grid().sources()}


def _data(archive: Archive) -> Iterator[Finding]:
    sources = _sources(archive)
    for name in dict.fromkeys(spec.dataset for spec in archive.specs):
        if name not in sources:
            yield Finding("data", False, f"{printable(name)} is no data set of its grid.toml")
            continue
        facts = directly(dataset_facts, sources[name])
        other = [s for s in archive.specs if s.dataset == name and s.data != facts["data"]]
        same = "the same log and catalogue here" if not other else (
            f"its cells were made from a log with the hash {printable(other[0].data)}, "
            f"here it is {facts['data']}"
        )  # fmt: skip
        yield Finding("data", not other, f"{name}: {same}")


def _splits(archive: Archive, folder: Path) -> Iterator[Finding]:
    """Cut again here, from the data set, never read from the archive."""
    sources, stated = _sources(archive), archive.manifest["splits"]
    known = {spec.split_key: spec for spec in archive.specs}
    if known.keys() != stated.keys():
        yield Finding("splits", False, "the manifest names other splits than the plan")
        return
    for key, spec in known.items():
        split = folder / "splits" / key
        directly(cut_split, sources[spec.dataset], asdict(spec), str(split))
        if answers_digest(split) != stated[key]:
            words = (
                f"{spec.dataset} {spec.protocol} seed {spec.seed}: other users, items or answers"
            )
            yield Finding("splits", False, f"{words} than the data set gives here")
    yield Finding("splits", True, f"{len(known)} cut again: the same users, items and answers")


def _facts(archive: Archive, folder: Path) -> Iterator[Finding]:
    """What a cell says of its scale and its method decides on its metrics and its rank."""
    known = {entry.name for entry in registry.entries("methods")}
    for spec in archive.specs:
        stored = archive.records[spec.fingerprint]
        if stored["status"] != "done":
            continue
        of_split = splits.facts(folder / "splits" / spec.split_key) or {}
        here = {key: of_split[key] for key in ("like_at", "span", "graded", "split", "candidates")}
        if spec.method in known:
            method = registry.find("methods", spec.method)
            here |= {"chance": method.is_chance, "adapts": method.adapts}
        for key, value in here.items():
            if (claimed := stored["facts"].get(key)) != value:
                words = f"{spec.title}: {key} is claimed as {claimed}; here it is {value}"
                yield Finding("facts", False, printable(words))


def _scores(archive: Archive, folder: Path) -> Iterator[Finding]:
    """The cells put together again: archived scores beside the answers of the splits cut here."""
    numbers = 0
    for spec in archive.specs:
        partial = folder / "cells" / f".{spec.fingerprint}"
        partial.mkdir(parents=True)
        stored = archive.records[spec.fingerprint]
        if stored["status"] == "done":
            answers = pl.read_parquet(folder / "splits" / spec.split_key / "answers.parquet")
            try:
                for name, frame in put_together(archive, spec, answers):
                    frame.write_parquet(partial / f"{name}.parquet")
                    numbers += len(frame)
            except (ValueError, KeyError, pl.exceptions.PolarsError) as error:
                yield Finding("scores", False, f"{printable(spec.title)}: {first_line(error)}")
        (partial / "timing.json").write_text(json.dumps(stored["timing"]), encoding="utf-8")
        whole = folder / "cells" / spec.fingerprint
        store.seal(partial, RECORD, record(**stored), whole)
    write_plan(folder, archive.specs)
    yield Finding("scores", True, f"{numbers:,} scores stand beside the answers")


def _figures(archive: Archive, results: Results) -> Iterator[Finding]:
    """Every frame made again and laid beside the claimed one."""
    sound, numbers = True, 0
    for name, again in frames(results).items():
        numbers += again.height * sum(dtype.is_numeric() for dtype in again.dtypes)
        try:
            claimed = archive.frame(name)
            assert_frame_equal(claimed, again, check_exact=False, rel_tol=SAME, abs_tol=SAME)
        except (AssertionError, KeyError, pl.exceptions.PolarsError):
            sound = False
            yield Finding("figures", False, f"{name}: {_difference(archive, name, again)}")
    if sound:
        yield Finding("figures", True, f"{numbers:,} computed again from the scores: equal")


def _difference(archive: Archive, name: str, again: pl.DataFrame) -> str:
    """The first figure that is not the claimed one."""
    try:
        claimed = archive.frame(name)
    except (KeyError, pl.exceptions.PolarsError) as error:
        return f"cannot be read ({first_line(error)})"
    if claimed.schema != again.schema or len(claimed) != len(again):
        sizes = f"{claimed.height} rows and {claimed.width} columns; here {again.height}"
        return f"{sizes} and {again.width}"
    for column in again.columns:
        a, b = claimed[column], again[column]
        if b.dtype.is_float():
            differs = (
                ((a - b).abs() > SAME * (1 + b.abs())).fill_null(False)
                | (a.is_null() != b.is_null())
                | (a.is_nan() != b.is_nan()).fill_null(False)
            )
        else:
            differs = a.ne_missing(b)
        for at in differs.arg_true():
            keys = [str(again[key][at]) for key in again.columns if again[key].dtype == pl.String]
            return printable(
                f"{', '.join(keys)}: {column} is claimed as {a[at]}; the scores give {b[at]}"
            )
    return "differs in the order of its columns"


def _rules(results: Results) -> Iterator[Finding]:
    """What a result must show to be compared: chance, the controls, no leak, no limit."""
    settings: dict[str, list[Cell]] = {}
    for cell in results.cells:
        settings.setdefault(f"{cell.spec.dataset} {cell.spec.protocol}", []).append(cell)
    broken = [f"{where} {words}" for where, cells in settings.items() for words in _broken(cells)]
    for row in results.leaks.filter(pl.col("broken") > 0).iter_rows(named=True):
        broken.append(f"{row['dataset']} {row['protocol']}: leak: {row['says']}")
    for words in broken:
        yield Finding("rules", False, printable(words))
    if not broken:
        yield Finding("rules", True, "a chance row, the controls, no leak, no limit of users")


def _broken(cells: list[Cell]) -> Iterator[str]:
    """The rules that the cells of one data set and protocol break."""
    done = [cell for cell in cells if cell.status == "done"]
    if not any(cell.facts.get("chance") for cell in done):
        yield "has no chance row: run it with `-m random` among its methods"
    limits = {cell.spec.limit for cell in cells} - {None}
    if limits:
        yield f"is LIMITED to {min(filter(None, limits))} users a seed: a trial"
    if splits.protocol_of(cells[0].spec).max_shots:
        for cell in done:
            for control in ("swapped", "shuffled"):
                if not (cell.folder / f"{control}.parquet").is_file():
                    yield f"{cell.name} seed {cell.spec.seed} has no control {control!r}"
