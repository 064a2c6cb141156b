"""Another model in the folder is taken up without a lost request; one that is torn never is."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coldbench.errors import UserError
from coldbench.recommend.recommender import Recommender
from tests.console import until

LOOK = 0.02


@pytest.fixture(scope="module")
def versions(
    export: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("versions")
    return (
        export(folder / "0001", "fold-in", factors=2, ridge=1.0, noise=0.1),
        export(folder / "0002", "item-bias"),
    )


def point(folder: Path, version: Path) -> None:
    """Move the link `current` in one step, as a refit does."""
    folder.mkdir(exist_ok=True)
    (folder / ".next").symlink_to(version)
    (folder / ".next").replace(folder / "current")


def signed_by(version: Path, answers: list[Any]) -> bool:
    return bool(answers) and answers[-1].json()["model"].startswith(version.name)


@contextmanager
def asking(site: Any, ratings: Any, items: Any) -> Iterator[list[Any]]:
    """Two clients who ask all the while, and what they are answered."""
    answers: list[Any] = []
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            answers.append(site.post("/score", {"ratings": ratings, "items": items}))

    clients = [threading.Thread(target=client) for _ in range(2)]
    for thread in clients:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in clients:
            thread.join(20)


def test_a_moved_link_is_followed_and_every_answer_is_its_models_own(
    serving: Callable[..., Any], versions: tuple[Path, Path], tmp_path: Path
) -> None:
    recs = {version.name: Recommender.load(version) for version in versions}
    ids = recs["0001"].catalogue.ids
    ratings, items = {ids[0]: 5.0, ids[1]: 1.0}, ids[2:6]
    right = {name: rec.score(ratings, items) for name, rec in recs.items()}
    assert right["0001"] != pytest.approx(right["0002"], abs=1e-3)
    point(tmp_path / "model", versions[0])
    with serving(tmp_path / "model", look=LOOK) as site, asking(site, ratings, items) as answers:
        for version in (*versions[::-1], *versions[::-1]):
            point(tmp_path / "model", version)
            until(partial(signed_by, version, answers))
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        signed = answer.json()["model"][:4]
        scores = [row["score"] for row in answer.json()["items"]]
        assert scores == pytest.approx(right[signed], abs=1e-6)


def test_a_torn_successor_is_told_and_the_old_model_serves_on(
    serving: Callable[..., Any], versions: tuple[Path, Path], tmp_path: Path
) -> None:
    model, torn = tmp_path / "model", tmp_path / "0003"
    shutil.copytree(versions[1], torn)
    os.truncate(torn / "learned.safetensors", 40)
    point(model, versions[0])
    with serving(model, look=LOOK) as site:

        def health() -> dict[str, Any]:
            assert site.post("/recommend", {"ratings": {}}).status_code == 200
            return site.get("/healthz").json()

        point(model, torn)
        until(lambda: "torn or mixed" in health()["problem"])
        assert health()["model"].startswith("0001") and health()["status"] == "ok"
        point(model, versions[1])
        until(lambda: health()["model"].startswith("0002"))
        assert health()["problem"] == ""
        refused = 'coldbench_model_loads_total{outcome="refused"} 1.0'
        assert refused in site.get("/metrics").text


def test_a_model_whose_files_are_cut_short_or_removed_in_place_serves_on(
    serving: Callable[..., Any], versions: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(versions[0], tmp_path / "model")
    with serving(tmp_path / "model", look=LOOK) as site:
        before = site.post("/recommend", {"ratings": {}}).json()
        for name in ("learned.safetensors", "vectors.safetensors", "manifest.json"):
            os.truncate(tmp_path / "model" / name, 10)
        until(lambda: site.get("/healthz").json()["problem"] != "")
        assert site.post("/recommend", {"ratings": {}}).json() == before
        for file in (tmp_path / "model").iterdir():
            file.unlink()
        (tmp_path / "model").rmdir()
        until(lambda: "no exported model" in site.get("/healthz").json()["problem"])
        assert site.post("/recommend", {"ratings": {}}).json() == before


def test_nothing_is_served_of_a_folder_that_is_no_model(
    serving: Callable[..., Any], versions: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(versions[0], tmp_path / "torn")
    (tmp_path / "torn" / "items.parquet").unlink()
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "torn"):
        with pytest.raises(UserError), serving(folder):
            pass
