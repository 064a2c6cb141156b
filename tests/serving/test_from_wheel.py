"""The whole service from a wheel in an empty environment, outside the checkout, as a user has it.

`make nightly` sets COLDBENCH_WHEEL=1: the wheel is installed beside the packages that are here,
which needs no network. COLDBENCH_WHEEL=index installs coldbench[serve] from the index.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import fake_run
from tests.console import ran, until

ROOT = Path(__file__).parents[2]
HOW = os.environ.get("COLDBENCH_WHEEL", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HOW, reason="set COLDBENCH_WHEEL=1: it takes minutes"),
    pytest.mark.timeout(3600),
]


def done(words: list[str], where: Path) -> str:
    return ran(*words, cwd=where, PYTHONPATH="").stdout


def installed(place: Path) -> Path:
    """The folder of commands of a new environment that has coldbench from a wheel."""
    source, python = place / "source", str(place / "venv/bin/python")
    done(["git", "clone", "-q", str(ROOT), str(source)], place)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(place)]
    done([*build, str(source)], place)
    (wheel,) = place.glob("*.whl")
    index = HOW == "index"
    done([sys.executable, "-m", "venv", *([] if index else ["--without-pip"]), "venv"], place)
    if index:
        limits = str(ROOT / "constraints.txt")
        done([python, "-m", "pip", "install", "-q", "-c", limits, f"{wheel}[serve]"], place)
    else:
        site = next((place / "venv/lib").glob("python*/site-packages"))
        needed = next(Path(p) for p in sys.path if (Path(p) / "torch").is_dir())
        (site / "dependencies.pth").write_text(f"{needed}\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
        done([*pip, "--no-index", str(wheel)], place)
    where = done([python, "-c", "import coldbench; print(coldbench.__file__)"], place)
    assert where.startswith(str(place / "venv")), "the wheel is not what was imported"
    return place / "venv/bin"


def test_from_run_to_refit_in_an_empty_environment(tmp_path: Path) -> None:
    binary, place = installed(tmp_path), tmp_path / "work"
    place.mkdir()
    fake_run.later_users(place)
    outputs: list[str] = []

    def coldbench(words: str) -> str:
        outputs.append(
            f"$ coldbench {words}\n{done([str(binary / 'coldbench'), *words.split()], place)}"
        )
        return outputs[-1]

    sizes = "--set protocol.shots=[0,4] --set protocol.query=6 --no-timing"
    coldbench(
        f"run -d ratings.csv --with items=items.csv -m item-bias {sizes} --keep-models --name r"
    )
    assert "0 at most" in coldbench("export r item-bias model")
    coldbench("refit shop --start model")
    serve = [str(binary / "coldbench"), "serve", "shop", "--port", "0"]
    with subprocess.Popen(serve, cwd=place, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().split(" on ")[1].split()[0]

            def best() -> Any:
                body: Any = {"ratings": {"1": 5}, "n": 3}
                return requests.post(f"{url}/recommend", json=body, timeout=20).json()

            first = best()
            assert first["model"].startswith("0001") and len(first["items"]) == 3
            assert "promoted" in coldbench("refit shop new.csv --with items=items.csv")
            until(lambda: best()["model"].startswith("0002"), 120)
            coldbench("refit shop --rollback")
            until(lambda: best() == first, 120)
            assert "coldbench" in requests.get(url, timeout=20).text
        finally:
            server.terminate()
    print("\n".join(outputs))
