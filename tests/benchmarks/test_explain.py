"""An explanation is a sum: what is said before any label, plus what each label adds."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

from coldbench import registry, store
from coldbench.cell import RECORD, read_run, record
from coldbench.episode import Feedback
from coldbench.errors import Unavailable, UserError
from coldbench.explanation import explained
from coldbench.method import Method
from coldbench.testing import ToyProblem, toy_problem
from tests.console import asked
from tests.training import World, close, cold, trained

EXPLAINED = explained()
why: Any = import_module("coldbench.benchmarks.commands.explain")
bench: Any = import_module("coldbench.benchmarks.commands.bench")


@pytest.fixture(scope="module")
def known(world: World) -> dict[str, Method[Any]]:
    return {name: trained(name, world) for name in EXPLAINED}


@pytest.fixture(params=EXPLAINED)
def method(request: pytest.FixtureRequest, known: dict[str, Method[Any]]) -> Method[Any]:
    return known[request.param]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ToyProblem:
    return toy_problem(tmp_path_factory.mktemp("world"), users=240, tokens=False)


def ragged(support: Feedback) -> Feedback:
    """A third of the entries are padding, others in every row; what padding says is nonsense."""
    lot = torch.rand(support.mask.shape, generator=torch.Generator().manual_seed(0)) < 0.67
    labels = torch.where(lot, support.labels, 0.9)
    return replace(support, labels=labels, mask=support.mask & lot)


def test_the_error_of_a_method_without_explanation_names_those_that_have_one() -> None:
    have = []
    for name in registry.names("methods"):
        try:
            have += [name] * (registry.find("methods", name).explain is not Method.explain)
        except (Unavailable, ImportError):
            continue
    assert have == EXPLAINED


def test_a_method_without_explanation_says_so(world: World) -> None:
    batch = cold(world, 2)
    with pytest.raises(
        UserError, match="Popularity has no exact explanation; averaged, choice-prior"
    ):
        trained("popularity", world).explain(batch.support, batch.query.items)


@pytest.mark.parametrize("shots", [0, 1, 4])
def test_base_and_parts_sum_to_the_score(world: World, method: Method[Any], shots: int) -> None:
    batch = cold(world, shots)
    explanation = method.explain(batch.support, batch.query.items)
    score = method.score(method.adapt(batch.support), batch.query.items)
    assert explanation.contributions.shape == (*batch.query.items.shape, shots)
    close(explanation.score, score)
    assert shots == 0 or explanation.contributions.abs().max() > 1e-3, "the labels add nothing"


def test_the_base_is_what_is_said_without_a_label(world: World, method: Method[Any]) -> None:
    many, none = cold(world, 4), cold(world, 0)
    before = method.explain(none.support, many.query.items)
    explanation = method.explain(many.support, many.query.items)
    close(explanation.base, before.base)
    close(before.score, method.score(method.adapt(none.support), many.query.items))


def test_padding_adds_nothing_and_changes_nothing(world: World, method: Method[Any]) -> None:
    batch = cold(world, 4)
    support = ragged(batch.support)
    assert not support.mask.all() and support.mask.any()
    explanation = method.explain(support, batch.query.items)
    score = method.score(method.adapt(support), batch.query.items)
    close(explanation.score, score)
    padded = (~support.mask)[:, None].expand_as(explanation.contributions)
    assert bool((explanation.contributions[padded] == 0).all())
    other = replace(support, labels=torch.where(support.mask, support.labels, 0.1))
    again = method.explain(other, batch.query.items)
    assert torch.equal(again.contributions, explanation.contributions)


def test_an_item_is_explained_the_same_alone_or_among_others(
    world: World, method: Method[Any]
) -> None:
    batch = cold(world, 4)
    together = method.explain(batch.support, batch.query.items)
    support = Feedback(*(column[2:3] for column in vars(batch.support).values()))
    alone = method.explain(support, batch.query.items[2:3, 1:2])
    close(alone.contributions, together.contributions[2:3, 1:2])


def test_ridge_and_fold_in_agree_with_the_weights_solved_for_by_hand(
    world: World, known: dict[str, Method[Any]]
) -> None:
    """Both are regressions on rows x with a penalty t: alpha = (XX' + t I)^-1 r, and
    w = (X'X + t I)^-1 X'r, one row after another in float64."""
    batch = cold(world, 4)
    for user in range(3):
        seen, asked = batch.support.items[user], batch.query.items[user, 0]
        for name, rows in (("ridge", ""), ("fold-in", "factors")):
            method = known[name]
            table = (method.learned[rows] if rows else method.items.features).double()
            strength = 1.0 if rows else float(method.learned["tau"])
            left = (batch.support.labels[user] - method.learned["prior"][seen]).double()
            x, q = table[seen], table[asked]
            inverse = torch.linalg.inv(x.T @ x + strength * torch.eye(x.shape[1]).double())
            alpha = torch.linalg.inv(x @ x.T + strength * torch.eye(4).double()) @ left
            parts = method.explain(batch.support, batch.query.items).contributions[user, 0]
            for at in range(4):
                by_hand = q @ inverse @ x[at] * left[at] if rows else alpha[at] * (x[at] @ q)
                assert abs(float(parts[at]) - float(by_hand)) < 1e-5


def test_protonets_parts_agree_with_moving_the_prototypes_item_by_item(
    world: World, known: dict[str, Method[Any]]
) -> None:
    """d(e, c) - d(e, c0) for the whole move, of which an item has the share that its own step
    b (x - c0) has along the mean direction: with one item it is the whole difference."""
    batch, method = cold(world, 1), known["protonet"]
    explanation = method.explain(batch.support, batch.query.items)
    p, start, scale = (method.learned[n] for n in ("projection", "prototypes", "scale"))
    for user in range(4):
        x = method.items.features[batch.support.items[user, 0]] @ p
        y = float(batch.support.labels[user, 0])
        e = method.items.features[batch.query.items[user, 0]] @ p
        moved = 0.0
        for c, w, sign in ((start[0], y, -1), (start[1], 1 - y, 1)):
            new = (method.kappa * c + w * x) / (method.kappa + w)
            moved += sign * float(((e - new) ** 2).sum() - ((e - c) ** 2).sum())
        assert abs(float(explanation.contributions[user, 0, 0]) - float(scale) * moved) < 1e-5


@pytest.mark.parametrize("name", EXPLAINED)
def test_deleting_what_added_most_lowers_the_score_more_than_deleting_by_lot(
    planted: ToyProblem, name: str
) -> None:
    """The comprehensiveness of DeYoung et al., "ERASER" (2020), arXiv:1911.03429, and the region
    perturbation of Samek et al. (2017), with the support's items in place of words and pixels."""
    world = planted.split, planted.items
    method, batch = trained(name, world), cold(world, 12)
    support, items = batch.support, batch.query.items
    with torch.no_grad():
        parts = method.explain(support, items).contributions  # (B, Q, K)
        full = method.score(method.adapt(support), items)
        lot = torch.randint(12, parts.shape[:2], generator=torch.Generator().manual_seed(0))

        def drop(which: Tensor) -> Tensor:
            """(B, Q) how far an item's score falls without one item of the support."""
            fallen = []
            for q in range(items.shape[1]):
                mask = support.mask.scatter(1, which[:, q : q + 1], value=False)
                state = method.adapt(replace(support, mask=mask))
                fallen.append(full[:, q] - method.score(state, items[:, q : q + 1])[:, 0])
            return torch.stack(fallen, 1)

        named, by_lot, last = drop(parts.argmax(2)), drop(lot), drop(parts.argmin(2))
    assert named.mean() > by_lot.mean() + 0.01
    assert last.mean() < by_lot.mean() - 0.01, "what added least did not hold the score down"
    assert (named > by_lot).float().mean() > 0.75


# the command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every method that explains itself, and one that does not, on made-up users."""
    folder = tmp_path_factory.mktemp("explained")
    words = "-d synthetic --with n_users=80 --set encoder=vectors --no-timing --name it -j 2"
    asked(folder, "run", "-m", f"{','.join(EXPLAINED)},maml", *words.split())
    return folder / "runs" / "it"


def asked_of(run: Path, method: str) -> pl.DataFrame:
    cell = next(cell for cell in read_run(run) if cell.name == method)
    return cell.scores()


@pytest.mark.slow
@pytest.mark.parametrize("method", EXPLAINED)
def test_the_score_that_a_cell_stored_is_what_is_explained(run: Path, method: str) -> None:
    cell = bench.find_cell(run, method)
    for row in asked_of(run, method).sample(3, seed=1).iter_rows(named=True):
        document = why.explain(cell, row["user"], row["item"], row["shots"])
        assert document["agrees"] and abs(document["score"] - row["score"]) <= 1e-5
        assert document["stored"] == pytest.approx(row["score"])
        assert len(document["parts"]) == row["shots"]
        adds = [part["adds"] for part in document["parts"]]
        assert adds == sorted(adds, reverse=True)
        assert document["base"] + sum(adds) == pytest.approx(document["sum"], abs=1e-5)


@pytest.mark.slow
def test_support_items_stand_with_what_the_user_said_of_them(run: Path) -> None:
    cell = bench.find_cell(run, "ridge")
    user, item = asked_of(run, "ridge").select("user", "item").row(0)
    log, catalogue = registry.find("datasets", "synthetic")(n_users=80).load()
    rows = slice(log.offsets[user], log.offsets[user + 1])
    ratings = dict(zip(log.items[rows].tolist(), log.ratings[rows].tolist(), strict=True))
    times = dict(zip(log.items[rows].tolist(), log.times[rows].tolist(), strict=True))
    few = why.explain(cell, user, item, 4)["parts"]
    assert len(few) == 4
    for part in few:
        assert part["rating"] == ratings[part["item"]]
        assert part["label"] == pytest.approx((part["rating"] - 1) / 4)
        assert part["text"] == catalogue.text[part["item"]]
    by_age = sorted(few, key=lambda part: part["age"])
    assert [times[part["item"]] for part in by_age] == sorted(
        (times[part["item"]] for part in few), reverse=True
    )


@pytest.mark.slow
def test_an_item_that_was_not_asked_for_is_explained_and_said_to_be_new(run: Path) -> None:
    user = int(asked_of(run, "knn")["user"][0])
    stored = asked_of(run, "knn").filter(user=user)["item"].to_list()
    new = next(item for item in range(50) if item not in stored)
    done = asked(run.parents[1], "explain", "it", "knn 0", "--user", str(user), "--item", str(new))
    assert "the cell stored none" in done.stdout and done.stdout.count("\n") == 16 + 5
    words = ["explain", "it", "knn 0", "--user", str(user), "--item", str(stored[0]), "--json"]
    document = json.loads(asked(run.parents[1], *words).stdout)
    assert document["agrees"] and document["shots"] == 16 and document["unit"] == "label"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("nothing --user 0 --item 0", "'nothing' names no cell"),
        ("synthetic --user 0 --item 0", "'synthetic' names several cells"),
        (" --user 0 --item 0", "'' names no"),
        ("ridge --user 9999 --item 0", "user 9999 was not evaluated in synthetic"),
        ("ridge --user USER --item 9999", "no item 9999: those of synthetic are 0"),
        ("ridge --user USER --item -1", "no item -1"),
        ("ridge --user USER --item 0 --shots 17", "--shots lies in 0..16"),
        ("maml --user USER --item 0", "maml has no exact explanation; averaged, choice-prior"),
    ],
)
def test_a_question_without_an_answer_is_one_line(
    run: Path, words: str, line: str, refused: Callable[..., None]
) -> None:
    user = str(asked_of(run, "ridge")["user"][0])
    cell, *rest = words.replace("USER", user).split(" ")
    refused(run.parents[1], ["explain", "it", cell, *rest], line)


@pytest.mark.slow
def test_a_cell_is_found_by_the_beginning_of_its_fingerprint(run: Path) -> None:
    for cell in read_run(run):
        assert bench.find_cell(run, cell.spec.fingerprint[:10]).spec == cell.spec
        assert bench.find_cell(run, f"synthetic {cell.name} 0").spec == cell.spec


@pytest.mark.slow
def test_a_stored_score_that_is_not_explained_is_said_and_ends_with_1(run: Path) -> None:
    cell = next(cell for cell in read_run(run) if cell.name == "ridge")
    scores, path = cell.scores(), cell.folder / "scores.parquet"
    before = {file: file.read_bytes() for file in cell.folder.iterdir()}
    user, item = scores.filter(shots=16).select("user", "item").row(0)
    try:
        scores.with_columns(score=pl.col("score") * 0.9).write_parquet(path)
        kept = record(cell.status, cell.stage, cell.reason, cell.facts)
        store.seal(cell.folder.rename(run / "aside"), RECORD, kept, cell.folder)
        words = ["explain", "it", "ridge", "--user", str(user), "--item", str(item)]
        assert "WHICH THIS DOES NOT EXPLAIN" in asked(run.parents[1], *words, code=1).stdout
    finally:
        for file, content in before.items():
            file.write_bytes(content)
