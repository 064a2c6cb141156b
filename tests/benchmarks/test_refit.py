"""coldbench refit: what is promoted, what is refused, and that one whole model always serves."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coldbench import registry
from coldbench.cell import Cell
from coldbench.errors import BadFile, UserError
from coldbench.interactions import Interactions
from coldbench.method import from_params
from coldbench.metrics import statistics
from coldbench.recommend.artefact import serving
from coldbench.recommend.recommender import Recommender
from tests import fake_run


def room(name: str) -> Any:
    return import_module(f"coldbench.benchmarks.{name}")


addition, gate, growth, flow, task = map(
    room, "refit.addition refit.gate refit.growth refit.refit refit.task".split()
)
Served, Trial = room("refit.served").Served, room("refit.trial").Trial
refit, rollback, spec_of = flow.refit, flow.rollback, flow.spec_of
meta_train = room("loop").meta_train
APART = task.apart
OLD, USERS = 200, 600  # those of ratings.csv, and all
MARGIN = 0.01
BROUGHT = {
    "version": "0002", "after": "0001", "ratings": 1, "users": 1, "items": 0, "file": "new.csv"
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ratings.csv of 200 users; new.csv of 400 who came later, and turned.csv, where their ratings
    are turned round; model/, trained on the first; shop/, which serves it."""
    folder = tmp_path_factory.mktemp("refit")
    vectors: Any = fake_run.later_users(folder, OLD).vectors
    np.save(folder / "vectors.npy", vectors)
    turned = pl.read_csv(folder / "new.csv").with_columns(rating=6 - pl.col("rating"))
    turned.write_csv(folder / "turned.csv")
    log_file = str(folder / "ratings.csv")
    files = {"items": str(folder / "items.csv"), "vectors": str(folder / "vectors.npy")}
    grid = room("grid").Grid.of(
        {"datasets": [log_file], "methods": ["item-bias"], "dataset_params": {log_file: files},
         "encoder": "vectors", "protocol": {"shots": [0, 4], "query": 6}}
    )  # fmt: skip
    (spec,) = room("plan").resolve(grid, "cpu")
    bench = room("commands.bench").Bench.of(spec)
    method = from_params(registry.find("methods", spec.method), spec.method, spec.params)
    meta_train(method, bench.split, bench.items(), bench.seeds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coldbench.benchmarks.commands.export.figures", lambda _: [])
        cell = Cell(spec, "done", "", "", {}, folder / "runs" / "r" / "cells" / spec.fingerprint)
        made_of = room("commands.export").recommender(cell, bench, method)
        made_of.save(folder / "model")
    flow.start(Served(folder / "shop"), folder / "model")
    return folder


@pytest.fixture
def shop(place: Path, tmp_path: Path) -> Any:
    shutil.copytree(place / "shop", tmp_path / "shop", symlinks=True)
    return Served(tmp_path / "shop")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own are test_refit_apart's: here the same is done in this one."""
    monkeypatch.setattr("coldbench.benchmarks.refit.task.apart", task.work)


def again(shop: Any, file: Path, **more: Any) -> dict[str, Any]:
    items = {"items": str(file.with_name("items.csv"))}
    return refit(shop, str(file), items, more.get("since"), more.get("margin", MARGIN))


def link(shop: Any) -> str:
    return os.readlink(shop.folder / "current")


def test_a_model_that_learnt_from_more_of_the_same_is_promoted(place: Path, shop: Any) -> None:
    before = Recommender.load(shop.folder)
    line = again(shop, place / "new.csv")
    assert line["promoted"] and link(shop) == "versions/0002"
    after = Recommender.load(shop.folder)
    assert after.seen.sum() > before.seen.sum()
    assert [row["name"] for row in line["panels"]] == ["latest", "earlier"]
    assert Recommender.load(shop.model("0001")).score({}, ["1"]) == before.score({}, ["1"])


def test_a_model_made_worse_on_purpose_is_refused_and_the_old_one_serves(
    place: Path, shop: Any
) -> None:
    line = again(shop, place / "turned.csv")
    assert not line["promoted"] and link(shop) == "versions/0001"
    latest, earlier = line["panels"]
    assert latest["mean"] > 0, "whoever is judged by broken ratings finds their model better"
    assert earlier["mean"] < -MARGIN and not earlier["passes"]


@pytest.mark.parametrize(("change", "passes"), [(-MARGIN, True), (-MARGIN - 1e-6, False)])
def test_at_the_margin_the_new_model_passes_and_beyond_it_fails(
    change: float, passes: bool
) -> None:
    old = np.linspace(0.5, 0.9, 30)
    weights = statistics.bootstrap_weights(np.arange(30), 200)
    difference = statistics.paired(old + change, old, weights)
    assert difference.low == pytest.approx(change) and difference.high == pytest.approx(change)
    assert [gate.passes(name, difference, MARGIN) for name in ("latest", "earlier")] == [passes] * 2


def test_the_latest_must_prove_it_and_the_earlier_need_only_not_deny_it() -> None:
    old, change = np.full(30, 0.7), np.tile([-0.1, 0.1], 15)
    weights = statistics.bootstrap_weights(np.arange(30), 200)
    difference = statistics.paired(old + change, old, weights)
    assert difference.mean == pytest.approx(0) and difference.low < -MARGIN
    passed = [gate.passes(name, difference, MARGIN) for name in ("latest", "earlier")]
    assert passed == [False, True]
    alone = statistics.paired(old[:1], old[:1], statistics.bootstrap_weights(np.zeros(1, int), 9))
    assert not gate.passes("latest", alone, MARGIN), "one user has no interval"


def trial(place: Path, shop: Any) -> tuple[Any, Any]:
    before = growth.read(shop, "0001")
    spec = spec_of(Recommender.load(shop.folder))
    stated = {"items": str(place / "items.csv")}
    rows, items = addition.read(str(place / "new.csv"), stated, spec, before, None)
    return before, Trial.of(spec, before, before.after(rows, items))


def test_nobody_of_the_gate_was_learnt_from_by_either_model(place: Path, shop: Any) -> None:
    before, gated = trial(place, shop)
    judged = set(np.concatenate(list(gated.panels.values())).tolist())
    old = {number for number, learnt in enumerate(before.trained.values()) if learnt}
    new = {number for number, learnt in enumerate(gated.grown.trained.values()) if learnt}
    assert set(gated.made.cold.users.ids.tolist()) == judged
    assert not judged & old and not judged & new and not judged & set(gated.made.warm.ids.tolist())
    assert min(gated.panels["latest"]) >= OLD > max(gated.panels["earlier"])


def test_the_latest_are_those_whose_ratings_come_last(place: Path, shop: Any) -> None:
    _, gated = trial(place, shop)
    assert gated.panels["latest"].tolist() == list(range(599, 599 - 120, -1))


def test_both_models_meet_the_same_items_after_the_same_ratings(place: Path, shop: Any) -> None:
    _, gated = trial(place, shop)
    old = Recommender.load(shop.folder)
    work = gated.task(BROUGHT)
    facts = {"like_at": 0.625, "span": 4.0, "graded": True}
    scores = [work.scores(rec) for rec in (old, work.train(old))]
    first, other = (gate.judged(judged, gated.made, gated.protocol, facts) for judged in scores)
    assert first.users.tolist() == other.users.tolist()
    assert first.items.tolist() == other.items.tolist() and first.items.shape[1] == 6
    assert first.predictions.labels.equal(other.predictions.labels)


def test_the_new_model_is_trained_without_an_answer_of_the_gate(
    place: Path, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, gated = trial(place, shop)
    given: list[Any] = []
    inner = meta_train

    def spied(method: Any, split: Any, *rest: Any) -> None:
        given.append(split)
        inner(method, split, *rest)

    monkeypatch.setattr("coldbench.benchmarks.refit.task.meta_train", spied)
    gated.task(BROUGHT).train(Recommender.load(shop.folder))
    cold = given[0].cold
    assert np.isnan(cold.users.labels[cold.query]).all()


@pytest.mark.slow
def test_training_and_scoring_are_done_in_another_process(
    place: Path, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "apart", APART)
    for name in ("train", "scores"):
        monkeypatch.setattr(task.Task, name, None)  # of this process
    assert again(shop, place / "new.csv")["promoted"]
    _, gated = trial(place, shop)
    nowhere = place / "model", place / "not-made", place
    with pytest.raises(UserError, match="item-bias could not be trained again: KeyError"):
        APART(gated.task({}), *nowhere)


def test_the_same_command_again_makes_no_second_decision(place: Path, shop: Any) -> None:
    first = again(shop, place / "new.csv")
    second = again(shop, place / "new.csv")
    assert second == first | {"again": True}
    assert len(shop.history()) == 2


def test_what_a_refused_version_brought_is_in_no_later_log(place: Path, shop: Any) -> None:
    again(shop, place / "turned.csv")
    line = again(shop, place / "new.csv")
    assert (line["version"], line["after"], line["promoted"]) == ("0003", "0001", True)
    grown = growth.read(shop, "0003").rows
    new = pl.read_csv(place / "new.csv")
    assert grown.height == 12_000
    assert grown.filter(pl.col("user") == "599")["rating"].to_list() == (
        new.filter(pl.col("user") == 599)["rating"].to_list()
    )


def test_a_rollback_serves_the_version_before_and_stops_at_the_first(
    place: Path, shop: Any
) -> None:
    again(shop, place / "new.csv")
    rollback(shop)
    assert link(shop) == "versions/0001"
    with pytest.raises(UserError, match="0001 is the first version"):
        rollback(shop)
    events = [line["event"] for line in shop.history()]
    assert events == ["start", "refit", "rollback"]


def test_users_and_items_keep_their_numbers_as_the_log_grows(place: Path, shop: Any) -> None:
    before, gated = trial(place, shop)
    (log, catalogue), (grown, items) = before.load(), gated.grown.load()
    assert items.ids[: len(catalogue)] == catalogue.ids
    kept = grown.rows(np.arange(len(log)))
    assert kept.items.tolist() == log.items.tolist()
    assert list(gated.grown.trained)[:OLD] == list(before.trained)


MOVES = ("rename", "replace", "symlink")  # whatever makes a thing appear


class Killed(BaseException):
    """As SIGKILL, nothing of ours hears it; locks are let go, as the system does."""


def killed(at: int, do: Callable[[], object]) -> bool:
    """Whether what dies before its move number `at`, after all moves before it, got so far."""
    left = [at]

    def dies(move: Any) -> Any:
        def moved(*words: Any, **more: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            move(*words, **more)

        return moved

    with pytest.MonkeyPatch.context() as patch:
        for name in MOVES:
            patch.setattr(os, name, dies(getattr(os, name)))
        try:
            do()
        except Killed:
            return True
    return False


def test_a_refit_killed_at_any_moment_leaves_a_whole_model_and_can_be_run_again(
    place: Path, tmp_path: Path
) -> None:
    moves = 0
    alive = False
    while not alive:
        moves += 1
        shutil.copytree(place / "shop", tmp_path / str(moves), symlinks=True)
        shop = Served(tmp_path / str(moves))
        alive = not killed(moves, partial(again, shop, place / "new.csv"))
        assert Recommender.load(shop.folder).score({}, ["1"])
        line = again(shop, place / "new.csv")
        assert line["promoted"] and link(shop) == "versions/0002"
        assert [past["event"] for past in shop.history()] == ["start", "refit"]
        assert sorted(os.listdir(shop.folder / "versions")) == ["0001", "0002"]
    assert moves > 5, "a refit makes more than five things appear"


def test_a_rollback_killed_before_its_switch_goes_back_once(place: Path, shop: Any) -> None:
    again(shop, place / "new.csv")
    assert killed(2, partial(rollback, shop))
    assert link(shop) == "versions/0002"
    assert rollback(shop)["serves"] == "0001" and link(shop) == "versions/0001"


def test_the_link_is_followed_once_so_that_no_two_versions_are_mixed(
    place: Path, shop: Any
) -> None:
    again(shop, place / "new.csv")
    served = serving(shop.folder)
    rollback(shop)
    assert served.name == "0002" and serving(shop.folder).name == "0001"
    assert serving(shop.folder / "current") == serving(shop.folder)


def mended(place: Path, folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    shutil.copy(place / "items.csv", folder)
    change(pl.read_csv(place / "new.csv")).write_csv(folder / "new.csv")
    return folder / "new.csv"


BAD: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a rating off the scale": (lambda t: t.with_columns(rating=9.0), "from 1 to 5"),
    "no times": (lambda t: t.drop("time"), "has no times, and the log has"),
    "no ratings": (lambda t: t.drop("rating"), "expected a column of ratings"),
    "an unknown item": (lambda t: t.with_columns(item=pl.lit("x9")), "'x9' among them"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_cannot_be_taken_is_one_line_and_nothing_changes(
    place: Path, shop: Any, tmp_path: Path, what: str
) -> None:
    change, words = BAD[what]
    file = mended(place, tmp_path, change)
    with pytest.raises((UserError, BadFile), match=words):
        again(shop, file)
    assert link(shop) == "versions/0001" and os.listdir(shop.folder / "versions") == ["0001"]
    assert len(shop.history()) == 1


def test_ratings_from_a_time_on_are_taken_and_none_is_an_error(place: Path, shop: Any) -> None:
    late = 1_000_000_000 + 450 * 1000
    with pytest.raises(UserError, match="holds no rating from 2030-01-01 on"):
        again(shop, place / "new.csv", since="2030-01-01")
    with pytest.raises(UserError, match="--since 'soon'"):
        again(shop, place / "new.csv", since="soon")
    line = again(shop, place / "new.csv", since=str(late))
    assert 0 < line["ratings"] < 8000


def test_too_few_users_that_could_judge_are_said_before_anything_is_trained() -> None:
    ends, n = np.arange(0, 31, 3), 30
    log = Interactions(ends, np.zeros(n, np.int32), np.ones(n, np.float32), np.arange(n), 5)
    nobody = np.zeros(10, bool)
    with pytest.raises(UserError, match="10 users whom the serving model"):
        gate.panels(log, nobody, nobody, 3, 99)


def test_where_too_few_users_are_new_the_latest_of_all_judge() -> None:
    n = 120
    log = Interactions(
        np.arange(0, n + 1, 3), np.zeros(n, np.int32), np.ones(n, np.float32), np.arange(n), 5
    )
    before, trained = np.arange(40) < 30, np.arange(40) < 5
    panels = gate.panels(log, trained, before, 3, 25)
    assert list(panels) == ["latest"] and panels["latest"].tolist() == list(range(39, 14, -1))


def test_a_torn_log_or_model_is_one_line(place: Path, shop: Any) -> None:
    (shop.log("0001") / "users.parquet").write_bytes(b"torn")
    with pytest.raises(UserError, match="torn or missing: the log cannot grow"):
        again(shop, place / "new.csv")
    (shop.model("0001") / "learned.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="the folder is torn or mixed"):
        again(shop, place / "new.csv")


def test_the_command_says_what_it_did_and_ends_with_1_where_it_refused(
    place: Path, shop: Any, told: Any
) -> None:
    folder, with_ = str(shop.folder), ("--with", f"items={place / 'items.csv'}")
    no = told(place, "refit", folder, "turned.csv", *with_)
    assert no.code == 1 and "refused: the interval of the latest" in no.stdout
    yes = told(place, "refit", folder, "new.csv", *with_, "--json")
    assert yes.code == 0 and json.loads(yes.stdout)["serves"] == "0003"
    history = told(place, "refit", folder, "--history").stdout.splitlines()
    assert [line[0] for line in history] == [" ", " ", "*"] and "promoted" in history[2]
    assert "serves version 0001" in told(place, "refit", folder, "--rollback").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("shop",), "give one of a file of new ratings"),
        (("shop", "new.csv", "--rollback"), "give one of"),
        (("shop", "--history", "--since", "2020-01-01"), "go with a file"),
        (("nowhere", "new.csv"), "is no served folder"),
        (("shop", "new.csv", "--margin", "-1"), "--margin is a difference"),
        (("shop", "--start", "model"), "shop serves already"),
        (("shop", "none.csv"), "no such file"),
        (("other", "--start", "shop/versions"), "is no exported model"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_2(
    place: Path, refused: Callable[..., None], words: tuple[str, ...], says: str
) -> None:
    refused(place, ["refit", *words], says)
    assert not (place / "nowhere").exists() and not (place / "other").exists()
