"""`coldbench archive RUN` and `coldbench verify FILE`: results that others can check."""

import tempfile
from pathlib import Path
from typing import Any

from coldbench.errors import UserError, printable

from .. import archive as archives
from ..verify import verify as findings
from ..work import RunOptions
from .command import document, one_document


def archive(run: Path, output: Path | None, *, as_json: bool) -> None:
    """Write the file, and say what is in it."""
    path = output or archives.default_path(run)
    with one_document(as_json):
        manifest = archives.write(run, path)
    if as_json:
        document({"file": str(path), **manifest})
        return
    print(f"{path}: {path.stat().st_size:,} bytes, {len(manifest['files'])} files")
    for name, facts in manifest["datasets"].items():
        licence = facts["licence"] or "not stated"
        print(printable(f"{name}: no rating of it is in the archive; its licence: {licence}"))
    print(f"next: coldbench verify {path}")


def verify(path: Path, rerun: int, options: RunOptions, *, as_json: bool) -> bool:
    """Show what was looked at; True where all of it is sound."""
    if rerun < 0:
        raise UserError("--rerun must be 0 or more")
    rows: list[dict[str, Any]] = []
    with one_document(as_json), tempfile.TemporaryDirectory(prefix="coldbench-") as folder:
        archive = archives.Archive.read(path)
        for finding in findings(archive, Path(folder) / "run", rerun, options):
            rows.append({"what": finding.what, "sound": finding.sound, "words": finding.words})
            mark = "ok     " if finding.sound else "REFUSED"
            print(f"{mark} {finding.what:8} {finding.words}", flush=True)
    sound = all(row["sound"] for row in rows)
    if as_json:
        document({"file": str(path), "verified": sound, "findings": rows})
    else:
        print(f"{path}: {'verified' if sound else 'refused'}")
    return sound
