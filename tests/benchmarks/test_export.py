"""A cell's method becomes a folder that serves, and only where it scores as the cell did."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

import coldbench
from coldbench import store
from coldbench.cell import Cell, read_run
from tests.console import asked

RUN = (
    "run -d synthetic -m item-bias,protonet --set encoder=vectors "
    "--set params.protonet.meta_steps=5 --no-timing"
)
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that kept its models, and the same run without them."""
    folder = tmp_path_factory.mktemp("export")
    asked(folder, *RUN.split(), "--name", "kept", "--keep-models")
    shutil.copytree(
        folder / "runs/kept", folder / "runs/bare", ignore=shutil.ignore_patterns("models")
    )
    return folder


def exported(home: Path, told: Command, run: str, target: Path) -> Any:
    done = told(home, "export", run, "protonet", str(target), "--json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cell(home: Path) -> Cell:
    return next(cell for cell in read_run(home / "runs/kept") if cell.spec.method == "protonet")


def test_a_kept_model_lies_beside_its_cell_and_not_in_it(home: Path) -> None:
    for cell in read_run(home / "runs/kept"):
        assert not {path.name for path in cell.folder.iterdir()} & {"models", "params.json"}
        assert (cell.model / "learned.safetensors").is_file()


def test_kept_or_trained_again_it_is_the_same_model(
    home: Path, told: Command, tmp_path: Path
) -> None:
    kept = exported(home, told, "kept", tmp_path / "kept")
    again = exported(home, told, "bare", tmp_path / "again")
    assert (kept["kept"], again["kept"]) == (True, False)
    for name in ("learned.safetensors", "vectors.safetensors", "items.parquet"):
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert kept["compared"] > 500 and kept["furthest"] == 0


@pytest.fixture(scope="module")
def model(home: Path) -> Path:
    done = asked(home, "export", "kept", "protonet", "model")
    assert "scores compared with the cell's: 0 at most" in done.stdout
    return home / "model"


def test_an_exported_model_scores_as_the_cell_stored(model: Path, cell: Cell) -> None:
    rec = coldbench.Recommender.load(model)
    first = cell.scores().filter(shots=0).head(5)
    items = [rec.catalogue.ids[item] for item in first["item"]]
    assert rec.score({}, items) == pytest.approx(first["score"].to_list(), abs=1e-6)
    assert rec.card["fingerprint"] == cell.spec.fingerprint
    figures = {(row["method"], row["shots"], row["metric"]): row for row in rec.card["figures"]}
    row = figures["protonet", 4, "ndcg@5"]
    assert row["low"] < row["value"] < row["high"] and row["minus_item_bias"]["mean"]


def test_a_model_that_scores_otherwise_than_its_cell_is_not_exported(
    home: Path, refused: Command, tmp_path: Path, cell: Cell
) -> None:
    run = home / "runs/kept"
    spoilt = tmp_path / "runs/spoilt"
    spoilt.mkdir(parents=True)
    for part in ("cells", "splits", "plan.json"):
        (spoilt / part).symlink_to(run / part)
    work = spoilt / "models" / "work"
    work.mkdir(parents=True)
    with safe_open(cell.model / "learned.safetensors", "pt") as file:
        learned = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = file.metadata()
    save_file(learned | {"scale": learned["scale"] + 1}, work / "learned.safetensors", about)
    store.seal(work, "model.json", {}, spoilt / "models" / cell.spec.fingerprint)
    refused(tmp_path, ["export", "spoilt", "protonet", "model"], "does not score as")
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("kept", "nothing", "new"), "names no cell"),
        (("kept", "synthetic", "new"), "names several cells"),
        (("kept", "protonet", "runs"), "is there already"),
        (("kept", "item-bias", "new", "--onnx"), "no plain graph"),
        (("kept", "protonet", "new", "--dataset", "ml-1m"), "names no cell"),
    ],
)
def test_an_export_that_cannot_be_ends_with_one_line(
    home: Path, refused: Command, words: tuple[str, ...], says: str
) -> None:
    refused(home, ["export", *words], says)
    assert not (home / "new").exists()


def test_recommend_takes_ids_and_titles_of_several_users(
    model: Path, told: Command, tmp_path: Path
) -> None:
    rec = coldbench.Recommender.load(model)
    a, b = rec.catalogue.ids[:2]
    title = rec.catalogue.titles[1]
    (tmp_path / "r.csv").write_text(f'user,item,rating\nann,{a},5\nbob,"{title}",1\nann,{b},4\n')
    done = told(tmp_path, "recommend", str(model), "r.csv", "--top", "3", "--json", "--explain")
    ann, bob = json.loads(done.stdout)
    assert (ann["user"], ann["ratings"], bob["user"]) == ("ann", 2, "bob")
    best = rec.recommend({a: 5, b: 4}, n=3)
    assert [item["item"] for item in ann["items"]] == [row.item for row in best]
    why = ann["items"][0]["why"]
    assert {part["item"] for part in why["adds"]} == {a, b} and why["unit"] == "log-odds"
    shown = told(tmp_path, "recommend", str(model), "r.csv", "--top", "2").stdout
    assert "user ann, 2 ratings" in shown and best[0].title in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("item,rating\nnowhere,5\n", "r.csv:2: no item 'nowhere'"),
        ("item,rating\n0,9\n", "expected a number from 1 to 5"),
        ("item,rating\n0,\n", "expected a number from 1 to 5"),
        ("item,rating\n0,5\n0,4\n", "rated twice"),
        ("film,rating\n0,5\n", "no column item (or title)"),
        ("item\n0\n", "no column rating"),
        ("item,item_id,rating\n0,0,5\n", "could both be the item"),
        ("item,rating\n", "at least one row"),
        ("", "a first line with the columns' names"),
    ],
)
def test_ratings_that_cannot_be_read_end_with_one_line(
    model: Path, refused: Command, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "r.csv").write_text(text)
    refused(tmp_path, ["recommend", str(model), "r.csv"], says)
