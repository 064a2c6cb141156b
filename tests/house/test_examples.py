"""The packages of examples/ install beside coldbench, are found by it, and pass their own tests."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from coldbench.cell import code_hash

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "coldbench-taste"


def done(*words: str, cwd: Path, path: Path) -> str:
    """What a program prints that sees the packages of `path` besides its own."""
    ran = subprocess.run(
        words, cwd=cwd, env={**os.environ, "PYTHONPATH": str(path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip put the package into, without a network."""
    target, copy = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("copy") / "taste"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    options = "--no-deps --no-build-isolation --no-index --quiet --disable-pip-version-check"
    pip = [sys.executable, "-m", "pip", "install", *options.split(), "--target", str(target)]
    done(*pip, str(copy), cwd=copy, path=target)
    return target


@pytest.mark.slow
def test_a_package_of_ones_own_is_listed_and_checked_by_its_name(
    tmp_path: Path, installed: Path
) -> None:
    coldbench = str(Path(sys.executable).with_name("coldbench"))
    listed = json.loads(done(coldbench, "list", "methods", "--json", cwd=tmp_path, path=installed))
    row = next(row for row in listed if row["name"] == "taste")
    assert "coldbench_taste" in row["summary"]
    told = done(coldbench, "check", "taste", "ridge", "-j", "2", cwd=tmp_path, path=installed)
    assert "| taste |" in told


@pytest.mark.slow
def test_a_package_of_ones_own_passes_its_own_tests(tmp_path: Path, installed: Path) -> None:
    tests = shutil.copytree(PACKAGE / "tests", tmp_path / "tests")
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    told = done(*words, cwd=tmp_path, path=installed)
    assert " passed" in told and "failed" not in told


def test_the_package_holds_what_init_method_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = import_module("coldbench.benchmarks.commands.init_method").init_method("taste")
    own = PACKAGE / "src" / "coldbench_taste" / "taste.py"
    assert code_hash([tmp_path / written["file"]]) == code_hash([own])


def test_the_package_is_not_installed_here_already() -> None:
    """Else the two tests above would prove nothing."""
    code = "import importlib.util as u; print(u.find_spec('coldbench_taste'))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "docs"
    )
    assert ran.stdout.strip() == "None"
