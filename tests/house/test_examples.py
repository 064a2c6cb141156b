"""The packages of examples/ install beside coldbench, are found by it, and pass their own tests."""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

from coldbench.cell import code_hash
from tests import console

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "coldbench-taste"


def done(*words: str, cwd: Path, path: Path) -> str:
    """What a program prints that sees the packages of `path` besides its own."""
    return console.ran(*words, cwd=cwd, PYTHONPATH=str(path)).stdout


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
    listed = json.loads(
        done(console.SCRIPT, "list", "methods", "--json", cwd=tmp_path, path=installed)
    )
    row = next(row for row in listed if row["name"] == "taste")
    assert "coldbench_taste" in row["summary"]
    words = (console.SCRIPT, *"check taste ridge -j 2".split())
    assert "| taste |" in done(*words, cwd=tmp_path, path=installed)


@pytest.mark.slow
def test_a_package_of_ones_own_passes_its_own_tests(tmp_path: Path, installed: Path) -> None:
    tests = shutil.copytree(PACKAGE / "tests", tmp_path / "tests")
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    output = done(*words, cwd=tmp_path, path=installed)
    assert " passed" in output and "failed" not in output


def test_the_package_holds_what_init_method_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = import_module("coldbench.benchmarks.commands.init_method").init_method("taste")
    packaged = PACKAGE / "src" / "coldbench_taste" / "taste.py"
    assert code_hash([tmp_path / written["file"]]) == code_hash([packaged])


def test_the_package_is_not_installed_here_already() -> None:
    """Else the two tests above would prove nothing."""
    code = "import importlib.util as u; print(u.find_spec('coldbench_taste'))"
    assert console.ran(sys.executable, "-c", code, cwd=ROOT / "docs").stdout == "None\n"
