"""What serves: ratings in, items out; and the folder it is loaded from."""

import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import coldbench
from coldbench import registry
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.recommend import artefact, recommender
from coldbench.recommend.artefact import About
from coldbench.recommend.ratings import One, Scale, feedback
from coldbench.recommend.recommender import Recommender
from coldbench.testing import MethodUnderTest

FILES = (
    "learned.safetensors", "params.json", "items.parquet", "vectors.safetensors", "model.json",
    "schema.json", "README.md",
)  # fmt: skip
CARD = {"method": "it", "dataset": "toy", "fingerprint": "0123456789abcdef"}


def fields_of(encoder: Encoder) -> dict[str, Any]:
    return {field.name: getattr(encoder, field.name) for field in fields(encoder)}


def served(name: str, folder: Path) -> Recommender:
    """A method trained on the plain world of coldbench.testing, ratings from 1 to 5."""
    subject = MethodUnderTest(registry.find("methods", name), folder)
    method, items, warm = subject.trained, subject.plain.items, subject.plain.split.warm
    about = About(
        name, method.params(), Scale(1.0, 5.0, 3.5, "rating"), items.catalogue.hash(),
        fields_of(items.encoder), items.encoder.hash, CARD, mean=float(warm.labels.mean()),
    )  # fmt: skip
    model = Recommender(method, items, about, warm.item_counts(), "# it\n")
    return replace(model, about=replace(about, probe=model.probe()))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def rec(place: Path) -> Recommender:
    served("ridge", place).save(place / "model")
    return coldbench.Recommender.load(place / "model")


@pytest.fixture
def copied(rec: Recommender, place: Path, tmp_path: Path) -> Path:
    """The folder again, to be spoilt."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in (place / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def sealed_again(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = {name: artefact._sha256(folder / name) for name in manifest["sha256"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_best_come_first_and_what_was_rated_is_left_out(rec: Recommender) -> None:
    ids = rec.catalogue.ids
    best = rec.recommend({ids[7]: 5, ids[9]: 1}, n=len(ids))
    assert [b.score for b in best] == sorted((b.score for b in best), reverse=True)
    assert {b.item for b in best} == set(ids) - {ids[7], ids[9]}
    assert rec.recommend({ids[7]: 5, ids[9]: 1}, n=3) == best[:3]


def test_thousands_at_once_get_what_each_would_alone(rec: Recommender) -> None:
    ids = rec.catalogue.ids
    users = [{}, {ids[3]: 4}, {ids[n]: 1 + n % 5 for n in range(20)}] * 100
    together = rec.recommend(users, n=4)
    alone = [rec.recommend(user, n=4) for user in users[:3]]
    assert len(together) == 300
    for group, others in zip(together[297:], alone, strict=True):
        assert [best.item for best in group] == [best.item for best in others]
        assert torch.tensor([a.score for a in group]).allclose(
            torch.tensor([b.score for b in others]), atol=1e-6
        )


def test_scores_are_the_methods_own(rec: Recommender) -> None:
    ids, method = rec.catalogue.ids, rec.method
    given = feedback([{ids[3]: 5, ids[4]: 2}], rec.about.scale, rec.catalogue)
    assert given.labels.tolist() == [[1.0, 0.25]]
    with torch.no_grad():
        scores = method.score(method.adapt(given), torch.tensor([[8, 9]]))
    assert rec.score({ids[3]: 5, ids[4]: 2}, [ids[8], ids[9]]) == scores[0].tolist()
    assert rec.score([{}, {ids[3]: 5}], [[ids[1]], []])[1] == []


def test_items_of_equal_score_stand_in_the_catalogues_order(tmp_path: Path) -> None:
    model = served("constant", tmp_path)
    assert [b.item for b in model.recommend({}, n=5)] == list(model.catalogue.ids[:5])


def test_ratings_with_times_are_read_in_their_order_and_age_from_the_last(rec: Recommender) -> None:
    a, b, c = rec.catalogue.ids[:3]
    users: list[One] = [[(b, 2, 172_800.0), (a, 5, 0.0)], {c: 3}]
    given = feedback(users, rec.about.scale, rec.catalogue)
    assert given.items.tolist() == [[0, 1], [0, 2]]
    assert given.days_before_query.tolist() == [[2, 0], [0, 0]]
    assert given.mask.tolist() == [[True, True], [False, True]]
    later = feedback(users[:1], rec.about.scale, rec.catalogue, now=[259_200.0])
    assert later.days_before_query.tolist() == [[3, 1]]


@pytest.mark.parametrize(
    ("ratings", "words"),
    [
        ({"nowhere": 5}, "no item 'nowhere'"),
        ({0: 5}, "an item is its id"),
        ([("0", 5.1)], "not on the scale, 1 to 5"),
        ([("0", True)], "not on the scale"),
        ([("0", float("nan"))], "not on the scale"),
        ([("0", "5")], "not on the scale"),
        ([("0", 5), ("0", 4)], "rated twice"),
        ([("0", 5, 1.0), ("1", 4)], "some have none"),
        ([("0", 5, "now")], "no number of seconds"),
        (["0"], "a rating is (item, rating)"),
        ("0", "ratings are {item: rating}"),
        (5, "ratings are {item: rating}"),
        ([{}, 5], "a user is {item: rating}"),
        ([[("0", 1)] * 10_001], "at most 10,000"),
    ],
)
def test_ratings_that_cannot_be_read_are_refused_in_one_line(
    rec: Recommender, ratings: Any, words: str
) -> None:
    with pytest.raises(UserError) as refused:
        rec.recommend(ratings)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_an_explanation_sums_to_the_score_in_the_order_of_the_ratings(rec: Recommender) -> None:
    ids = rec.catalogue.ids
    why = rec.explain({ids[5]: 5, ids[2]: 1}, [ids[8]])
    assert why.contributions.shape == (1, 1, 2)
    assert float(why.score) == pytest.approx(rec.score({ids[5]: 5, ids[2]: 1}, [ids[8]])[0])
    alone = rec.explain({ids[5]: 5}, [ids[8]])
    assert float(alone.contributions[0, 0, 0]) * float(why.contributions[0, 0, 0]) > 0


def test_what_a_rating_adds_stands_where_the_rating_does_whatever_its_time(
    rec: Recommender,
) -> None:
    a, b, c, asked = rec.catalogue.ids[:4]
    timed = rec.explain([(a, 5, 30.0), (b, 1, 10.0), (c, 4, 20.0)], [asked]).contributions
    assert torch.allclose(timed, rec.explain({a: 5, b: 1, c: 4}, [asked]).contributions, atol=1e-6)


def test_a_method_without_an_explanation_says_who_has_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ridge"):
        served("constant", tmp_path).explain({}, ["0"])


@pytest.mark.parametrize("name", FILES)
def test_a_folder_with_a_torn_file_is_not_loaded(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{name} is not what was exported"):
        Recommender.load(copied)
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        Recommender.load(copied)


def test_a_folder_without_its_manifest_is_no_model(copied: Path, tmp_path: Path) -> None:
    (copied / "manifest.json").unlink()
    for folder in (copied, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="coldbench export"):
            Recommender.load(folder)


def other_format(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


def other_version(folder: Path) -> None:
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"version": "99.0.0"}))
    sealed_again(folder)


def other_catalogue(folder: Path) -> None:
    items = pl.read_parquet(folder / "items.parquet")
    items.with_columns(text=pl.col("text") + "!").write_parquet(folder / "items.parquet")
    sealed_again(folder)


def other_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "learned.safetensors"
    save_file(load_file(path), path, {"saved": json.dumps({"method": "Other"})})
    sealed_again(folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_format, "has the format 99"),
        (other_version, "made by coldbench 99.0.0"),
        (other_catalogue, "another catalogue"),
        (other_weights, "was saved with method Other"),
    ],
)
def test_a_model_beside_what_it_was_not_trained_with_is_refused(
    copied: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(copied)
    with pytest.raises(UserError, match=words):
        Recommender.load(copied)


def test_a_model_that_no_longer_scores_as_it_did_is_refused(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = registry.find("methods", "ridge")
    monkeypatch.setattr(method, "score", lambda self, state, items: items * 0.0)
    with pytest.raises(UserError, match="does not score as it did"):
        Recommender.load(copied)


def test_a_new_item_needs_the_encoder_that_read_the_others(
    rec: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(rec, about=replace(rec.about, encoder_hash="another"))
    with pytest.raises(UserError, match="not the one that ridge was trained with"):
        other.add_items({"new": "north amber 3"})


def test_new_items_stand_at_the_end_and_change_no_other(rec: Recommender, tmp_path: Path) -> None:
    ids = rec.catalogue.ids
    grown = rec.add_items({"new": rec.catalogue.titles[8], "other": "cedar"})
    assert grown.catalogue.ids == (*ids, "new", "other")
    assert grown.score({ids[3]: 5}, ids) == pytest.approx(rec.score({ids[3]: 5}, ids), abs=1e-6)
    assert grown.score({"new": 5}, ["other"]) != grown.score({}, ["other"])
    grown.save(tmp_path / "grown")
    again = Recommender.load(tmp_path / "grown")
    assert again.score({"new": 1}, ["new"]) == grown.score({"new": 1}, ["new"])
    assert again.about.added == 2


@pytest.mark.parametrize(
    ("texts", "words"),
    [({"0": "x"}, "already"), ({"new": 3}, "both of them texts"), ({"": "x"}, "both of them")],
)
def test_new_items_that_are_none_are_refused(rec: Recommender, texts: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        rec.add_items(texts)


def test_the_folder_holds_no_file_that_could_run(rec: Recommender, place: Path) -> None:
    assert {path.name for path in (place / "model").iterdir()} == {*FILES, "manifest.json"}


def test_nothing_is_written_over(rec: Recommender, copied: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        rec.save(copied)


def test_a_loaded_model_is_tried_on_a_few_scores(rec: Recommender) -> None:
    assert len(rec.about.probe["scores"]) == 2
    assert len(rec.about.probe["scores"][0]) == recommender.PROBED


SOME = ["cnp", "fold-in", "lora", "user-mean"]
EVERY = registry.names("methods") if os.environ.get("COLDBENCH_ARTEFACTS") == "all" else SOME


@pytest.mark.parametrize("name", EVERY)
def test_every_method_is_the_same_once_saved_and_loaded(
    name: str, place: Path, tmp_path: Path
) -> None:
    try:
        model = served(name, place)
    except Unavailable as error:
        pytest.skip(str(error))
    model.save(tmp_path / "model")
    users: list[One] = [{}, {"0": 5, "3": 1}]
    items = [list(model.catalogue.ids[:20])] * 2
    again = coldbench.Recommender.load(tmp_path / "model")
    assert again.score(users, items) == model.score(users, items)
