"""Questions and answers: what is asked, in what order, and that nothing more is told."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.cell import Cell, read_run
from coldbench.elicit.askers import Asker, Ranked, Shuffled
from coldbench.episode import Episodes, Feedback
from coldbench.errors import UserError
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split
from coldbench.testing.toy_data import toy_problem
from tests.console import asked
from tests.training import cold, trained

elicitation: Any = import_module("coldbench.benchmarks.elicitation")
splits: Any = import_module("coldbench.benchmarks.splits")
STATED = {"shots": [0, 1, 2, 4], "query": 3}
CPU = torch.device("cpu")
Cells = dict[tuple[str, str], Cell]  # by asker and method


def made(name: str = "elicit", **changes: object) -> Split:
    """Synthetic users, with their answers."""
    data = registry.find("datasets", "synthetic")(n_users=60, n_items=80, per_user=20)
    log, _ = data.load()
    protocol = Protocol.of(name, STATED | changes)
    return split(log, data.labels(log.ratings, protocol.labels), protocol, Seeds.of(0))


def asked_by(asker: Asker) -> tuple[Episodes, Episodes]:
    """The users before and after four questions."""
    with_answers = made()
    cold = splits.withheld(with_answers, Protocol.of("elicit", STATED)).cold
    return with_answers.cold, elicitation.elicit(
        asker, cold, 4, elicitation.Told(splits.pool_labels(with_answers.cold), 4), CPU
    )


def test_no_label_of_a_pool_is_in_what_a_methods_process_holds() -> None:
    assert np.isnan(splits.withheld(made(), Protocol.of("elicit", STATED)).cold.users.labels).all()


def test_random_questions_give_the_support_of_a_shuffled_order() -> None:
    _, asked = asked_by(Shuffled())
    plain = made("user-cold", order="random").cold
    for k in (0, 1, 2, 4):
        for shuffled, other in zip(plain.batches(k), asked.batches(k), strict=True):
            assert shuffled.support.items.equal(other.support.items)
            assert shuffled.support.labels.equal(other.support.labels)


def test_the_best_item_is_asked_first_and_its_own_label_is_told() -> None:
    worth = np.random.default_rng(0).random(80)
    before, after = asked_by(Ranked(worth))
    for row in range(len(before)):
        pool = before.support[row][before.support[row] >= 0]
        best = sorted(pool, key=lambda at: -worth[before.users.log.items[at]])[:4]
        assert after.support[row].tolist() == best[::-1]
        assert (after.users.labels[best] == before.users.labels[best]).all()
    known = ~np.isnan(after.users.labels)
    assert known.sum() == 4 * len(before), "no more labels than questions"


@dataclass
class Remembers(Asker):
    """Asks in order, and keeps what it was shown."""

    shown: list[Tensor]

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        self.shown.append(support.labels)
        return torch.zeros(pool.shape)


def test_an_asker_sees_the_answers_given_so_far_and_no_others() -> None:
    asker = Remembers([])
    _, after = asked_by(asker)
    assert [labels.shape[1] for labels in asker.shown] == [0, 1, 2, 3]
    (final,) = after.batches(4)
    for number, labels in enumerate(asker.shown):
        assert labels.equal(final.support.labels[:, 4 - number :])


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ([[0, 0], [0, 1]], "asked for twice"),
        ([[2, 0]], "is none"),
        ([[3, 0]], "no such place"),
        ([[-1, 0]], "no such place"),
        ([[0]], "more was asked"),
        ([[0, 0], [1, 1], [0, 0]], "more was asked"),
    ],
)
def test_what_may_not_be_asked_is_not_told(places: list[list[int]], says: str) -> None:
    answers = elicitation.Told(np.array([[0.1, 0.2, np.nan], [0.3, 0.4, 0.5]], np.float32), 2)
    with pytest.raises(ValueError, match=says):
        for some in places:
            answers(np.array(some))


class Wrong(Asker):
    def __init__(self, worth: Tensor) -> None:
        self.answer = worth

    def worth(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        return self.answer


@pytest.mark.parametrize(
    ("worth", "says"), [(torch.zeros(2), "was due"), (torch.full((12, 17), torch.nan), "no number")]
)
def test_an_asker_that_answers_nonsense_is_told_so(worth: Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        asked_by(Wrong(worth))


@pytest.mark.parametrize("name", ["fold-in", "bandit"])
def test_what_a_method_asks_is_a_number_an_item_and_padding_says_nothing(name: str) -> None:
    toy = toy_problem(Path(), tokens=False)
    method, batch = trained(name, toy), cold(toy, 2)
    pool = batch.query.items
    still = torch.ones(pool.shape, dtype=torch.bool)
    worth = method.ask(batch.support, pool, still)
    assert worth.shape == pool.shape and torch.isfinite(worth).all()
    padded = torch.cat([pool, torch.zeros_like(pool)], 1)
    more = method.ask(batch.support, padded, torch.cat([still, ~still], 1))
    assert torch.allclose(more[:, : pool.shape[1]], worth, atol=1e-5)


def test_a_fold_in_asks_for_what_lowers_the_variance_of_the_pool_most() -> None:
    toy = toy_problem(Path(), tokens=False)
    method, batch = trained("fold-in", toy), cold(toy, 2)
    pool = batch.query.items
    worth = method.ask(batch.support, pool, torch.ones(pool.shape, dtype=torch.bool))
    v = method.learned["factors"]
    seen, points = v[batch.support.items[0]], v[pool[0]]

    def spread(rated: Tensor) -> float:
        inverse = torch.linalg.inv(rated.T @ rated + torch.eye(v.shape[1]))
        about = points - points.mean(0)
        return float((about @ inverse * about).sum(1).mean())

    expected = [spread(seen) - spread(torch.cat([seen, point[None]])) for point in points]
    assert worth[0].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """Two methods, two askers and no asker, by the command."""
    folder: Path = tmp_path_factory.mktemp("elicit")
    protocols = ", ".join(f'{{preset = "elicit", asker = "{name}"}}' for name in ("random", "own"))
    words = ["run", "-d", "synthetic", "-m", "fold-in,item-bias", "--name", "r", "--no-timing"]
    words += ["--set", "dataset_params.synthetic={n_users = 60, n_items = 80, per_user = 20}"]
    words += ["--set", f'protocol=[{protocols}, {{preset = "user-cold", order = "random"}}]']
    words += ["--set", "encoder=vectors", "--set", "protocol.shots=[0,1,4]"]
    asked(folder, *words, code=1)
    return {
        (c.spec.protocol_fields["asker"], c.spec.method): c for c in read_run(folder / "runs/r")
    }


@pytest.mark.slow
def test_a_run_with_random_questions_scores_as_one_with_a_shuffled_order(cells: Cells) -> None:
    for name in ("scores", "swapped", "shuffled"):
        asked, plain = (cells[asker, "fold-in"].scores(name) for asker in ("random", "nobody"))
        assert asked.equals(plain), name


@pytest.mark.slow
def test_another_asker_changes_scores_but_not_those_without_an_answer(cells: Cells) -> None:
    by_method, random = (cells[asker, "fold-in"].scores() for asker in ("own", "random"))
    same = by_method.filter(shots=0).equals(random.filter(shots=0))
    assert same and not by_method.filter(shots=4).equals(random.filter(shots=4))


@pytest.mark.slow
def test_a_method_that_asks_for_nothing_is_a_row_that_says_so(cells: Cells) -> None:
    cell = cells["own", "item-bias"]
    assert (cell.status, cell.stage) == ("failed", "ask") and "asks for nothing" in cell.reason


@pytest.mark.slow
def test_what_was_asked_is_neither_explained_nor_exported(cells: Cells) -> None:
    bench: Any = import_module("coldbench.benchmarks.commands.bench")
    with pytest.raises(UserError, match="what an asker was answered is not kept"):
        bench.Bench.of(cells["own", "fold-in"].spec)
