"""Every check catches somebody: twins of a sound method, each broken in one way.

A method that cheats by reading the labels it is asked for has no twin here: no signature it sees
carries them. What is left to it is to know the users from elsewhere, as `ReadsTheDataset` does.
"""

import os
import random
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from coldbench import encoder, registry
from coldbench.checks import CHECKS
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import Unavailable
from coldbench.method import Method, to_unit
from coldbench.protocol import Seeds
from coldbench.testing import Outcome, check_method, to_table

Twin = type[Method[Any]]
TWINS: list[tuple[str, str, Twin]] = []


def breaks(check: str, reason: str) -> Callable[[Twin], Twin]:
    """The check that catches this twin, and some words of what it says."""

    def note(twin: Twin) -> Twin:
        TWINS.append((check, reason, twin))
        return twin

    return note


@dataclass
class Sound(Method[Tensor]):
    """A user is the sum of the items seen, each weighed by how much it surprised."""

    weight: float = 0.3

    random = False

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, warm.labels, len(items))}

    def surprise(self, support: Feedback) -> Tensor:
        return (support.labels - self.learned["usual"][support.items]) * support.mask  # (B, K)

    def adapt(self, support: Feedback) -> Tensor:
        seen = self.items.features[support.items]  # (B, K, D)
        return (self.surprise(support)[..., None] * seen).sum(1)  # (B, D)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        liked = (self.items.features[items] @ state[..., None])[..., 0]  # (B, Q)
        return to_unit(self.learned["usual"][items] + self.weight * liked)


def usual(rated: Any, labels: Any, n_items: int, damping: float = 3) -> Tensor:
    """(n_items,) the mean label of each item, drawn towards the mean of all."""
    sums, counts = (np.bincount(rated, w, n_items) for w in (labels, np.ones(len(rated))))
    means = (sums + damping * labels.mean()) / np.maximum(counts + damping, 1e-9)
    return torch.from_numpy(np.where(counts + damping > 0, means, np.nan).astype(np.float32))


@breaks("constructs without side effects", "changed global state")
@dataclass
class SeedsTheWorldWhenMade(Sound):
    def __post_init__(self) -> None:
        random.seed(0)


@breaks("constructs without side effects", 'it did ["open(')
@dataclass
class WritesWhenMade(Sound):
    def __post_init__(self) -> None:
        tempfile.TemporaryFile().close()


@breaks("parameters survive JSON", "came back as")
@dataclass
class DoublesAParameter(Sound):
    def __post_init__(self) -> None:
        self.weight *= 2


@breaks("parameters survive JSON", "not JSON serializable")
@dataclass
class HoldsAPath(Sound):
    folder: Path = Path()


@breaks("parameters survive JSON", "lacks @dataclass")
class ForgetsDataclass(Sound):
    steps: int = 3


@breaks("an unknown parameter is a named error", "taken without a word")
class TakesAnyWord(Sound):
    def __init__(self, weight: float = 0.3, **more: Any) -> None:
        self.weight = weight


@breaks("adapting before training is a clear error", "RuntimeError: not fitted")
class HasNoWordForUntrained(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        if "learned" not in vars(self):
            raise RuntimeError("not fitted")
        return super().adapt(support)


@breaks("adapting before training is a clear error", "without having learnt")
class GuessesUntrained(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return support.labels.sum(1, keepdim=True)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return torch.sigmoid(state + 0.0 * items)


@breaks("scores are finite and in 0 to 1", "float64, not float32")
class ScoresFloat64(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items).double()


@breaks("scores are finite and in 0 to 1", "not finite")
class ScoresNan(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items).log().sqrt()


@breaks("scores are finite and in 0 to 1", "scores from 1")
class ScoresStars(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return 1 + 4 * super().score(state, items)


@breaks("scores are finite and in 0 to 1", "shape (120,)")
class ScoresOneRow(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items).flatten()


@breaks("lives with K 0", "not finite")
class DividesByK(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support) / support.mask.sum(1, keepdim=True)


@breaks("lives with K 1", "not finite")
class DividesByTheSpread(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        surprise = self.surprise(support)
        spread = (surprise - surprise.mean(1, keepdim=True)).norm(dim=1, keepdim=True)
        return super().adapt(support) / spread


@breaks("lives with one class", "not finite")
class DividesByTheRange(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        spread = support.labels.amax(1, keepdim=True) - support.labels.amin(1, keepdim=True)
        return super().adapt(support) / spread


@breaks("lives with duplicate items", "stands twice")
class RefusesDuplicates(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        for row in support.items.tolist():
            assert len(set(row)) == len(row), "an item stands twice"
        return super().adapt(support)


@breaks("lives with items nobody rated", "not finite")
class DividesByTheCount(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, warm.labels, len(items), damping=0)}


@breaks("lives with odd texts", "IndexError")
class TakesTheFirstWord(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        words = [self.items.catalogue.text[i].split()[0] for i in items.flatten().tolist()]
        assert len(words) == items.numel()
        return super().score(state, items)


@breaks("lives with one candidate", "not finite")
class DividesByTheSpreadOfTheQuery(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        scores = super().score(state, items)
        centred = scores - scores.mean(1, keepdim=True)
        return torch.sigmoid(centred / centred.norm(dim=1, keepdim=True))


@breaks("an item scores the same alone or among others", "scoring an item alone")
class NormalisesOverTheQuery(Sound):
    """As batch normalisation in training mode does."""

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        scores = super().score(state, items)
        return torch.sigmoid(scores - scores.mean(1, keepdim=True))


@breaks("an item scores the same alone or among others", "turning the query round")
class SaysWhereItStands(Sound):
    """The loop asks in the order of time: a place in the query is no feature."""

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items) * torch.linspace(0.9, 1, items.shape[1])


@breaks("padding the support changes nothing", "padding changed scores")
class IgnoresTheMask(Sound):
    def surprise(self, support: Feedback) -> Tensor:
        return support.labels - self.learned["usual"][support.items]


@breaks("batch size and user order change nothing", "batch size changed scores")
class MeansOverTheBatch(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        users = super().adapt(support)
        return users - users.mean(0)


@breaks("batch size and user order change nothing", "order of users changed")
class DropsTheLastOfABatch(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        users = super().adapt(support)
        users[-1] = 0
        return users


@breaks("adapting to others leaves no trace", "scores changed bit for bit")
class RemembersUsers(Sound):
    """A user's state holds something of the one who came before, as a running mean would."""

    last: ClassVar[list[Tensor]] = [torch.zeros(1)]

    def adapt(self, support: Feedback) -> Tensor:
        users = super().adapt(support) + 0.1 * self.last.pop()
        self.last.append(users[-1])
        return users


@breaks("adapting to others leaves no trace", "scores changed bit for bit")
class LearnsOn(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        self.learned["usual"] *= 0.999
        return super().adapt(support)


@breaks("adapting to others leaves no trace", "set self.state")
class KeepsItsStateInSelf(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        self.state = super().adapt(support)
        return self.state


@breaks("the support is left as it was", "wrote into the support")
class CentresTheSupportInPlace(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        state = super().adapt(support)
        support.labels.sub_(0.5)
        return state


@breaks("global state is left as it was", "grad mode changed")
class TurnsGradientsOff(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        torch.set_grad_enabled(False)
        super().meta_train(warm, valid, items, seeds)


@breaks("global state is left as it was", "random state")
class SeedsTheWorld(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        torch.manual_seed(seeds.init)
        super().meta_train(warm, valid, items, seeds)


@breaks("global state is left as it was", "default type")
class CountsInFloat64(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        torch.set_default_dtype(torch.float64)
        super().meta_train(warm, valid, items, seeds)


@breaks("global state is left as it was", "item features changed")
class ScalesTheFeatures(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        items.features.mul_(2)
        super().meta_train(warm, valid, items, seeds)


@breaks("global state is left as it was", "encoder changed")
class LeavesTheEncoderInTraining(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        encoder._load(items.encoder)[0].train()
        super().meta_train(warm, valid, items, seeds)


class Noisy(Sound):
    """Sound, and a little noise as the seed has it."""

    random = True

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        self.learned["usual"] += 0.01 * self.noise(seeds, len(items))

    def noise(self, seeds: Seeds, n: int) -> Tensor:
        return torch.randn(n, generator=torch.Generator().manual_seed(seeds.init))


@breaks("same seed same bits", "scores differ")
class DrawsFromTheWorld(Noisy):
    def noise(self, seeds: Seeds, n: int) -> Tensor:
        return torch.randn(n)


@breaks("same seed same bits", "scores differ")
class DrawsWithoutASeed(Noisy):
    def noise(self, seeds: Seeds, n: int) -> Tensor:
        return torch.from_numpy(np.random.default_rng().random(n))


@breaks("another seed other numbers", "declare random = False")
class IgnoresItsSeed(Sound):
    random = True


@breaks("another seed other numbers", "says random = False")
class SaysItIsNotRandom(Noisy):
    random = False


@breaks("saved and loaded it scores the same", "no attribute 'shift'")
class KeepsSomethingElsewhere(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        self.shift = 0.01

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items) + self.shift


@breaks("saved and loaded it scores the same", "scores differ")
class LoadsHalfTheDigits(Sound):
    def load(self, folder: Path, items: Items) -> None:
        super().load(folder, items)
        self.learned["usual"] = self.learned["usual"].half().float()


@breaks("memory stays flat over 500 users", "bytes were kept")
class CachesUsers(Sound):
    met: ClassVar[dict[int, Tensor]] = {}

    def adapt(self, support: Feedback) -> Tensor:
        state = super().adapt(support)
        return self.met.setdefault(hash(support.labels.numpy().tobytes()), state)


@breaks("memory stays flat over 500 users", "bytes were kept")
class LogsUsers(Sound):
    log: ClassVar[list[list[float]]] = []

    def adapt(self, support: Feedback) -> Tensor:
        self.log.extend(support.labels.tolist())
        return super().adapt(support)


@breaks("a state is made of tensors one row a user", "holds no tensor")
class StatesAreLists(Sound):
    def adapt(self, support: Feedback) -> Any:
        return super().adapt(support).tolist()

    def score(self, state: Any, items: Tensor) -> Tensor:
        return super().score(torch.tensor(state), items)


@breaks("a state is made of tensors one row a user", "3 users take")
class StatesHoldTheCatalogue(Sound):
    def adapt(self, support: Feedback) -> Any:
        return super().adapt(support), self.items.features

    def score(self, state: Any, items: Tensor) -> Tensor:
        return super().score(state[0], items)


class Acts(Sound):
    """Sound, but for what it does besides."""

    act: ClassVar[Callable[[], object]]

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        super().meta_train(warm, valid, items, seeds)
        with suppress(OSError):
            type(self).act()


ACTS = "writes no file and opens no connection"


@breaks(ACTS, "log.txt")
class WritesAFile(Acts):
    act = staticmethod(lambda: Path(tempfile.gettempdir(), "log.txt").write_text("trained"))


@breaks(ACTS, "open(")
class WritesAFileByItsNumber(Acts):
    act = staticmethod(
        lambda: os.close(os.open(Path(tempfile.gettempdir(), "log"), os.O_CREAT | os.O_WRONLY))
    )


@breaks(ACTS, "sqlite3.connect")
class KeepsADatabase(Acts):
    act = staticmethod(lambda: sqlite3.connect(Path(tempfile.gettempdir(), "db")).close())


@breaks(ACTS, "socket.connect")
class Connects(Acts):
    act = staticmethod(lambda: socket.create_connection(("127.0.0.1", 9), timeout=0.1))


@breaks(ACTS, "socket.getaddrinfo")
class AsksForAName(Acts):
    act = staticmethod(lambda: socket.getaddrinfo("localhost", 80))


@breaks(ACTS, "subprocess.Popen")
class StartsAProgram(Acts):
    act = staticmethod(lambda: subprocess.run(["true"], check=False))


@breaks("predictions move if it adapts", "moves predictions by 0.0")
class MovesNothing(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state * 0, items)


@breaks("predictions move if it adapts", "says adapts = False")
class SaysItDoesNotAdapt(Sound):
    adapts = False


@breaks("learns a planted taste better than popularity", "popularity has")
class IsPopularityInDisguise(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        counts = torch.bincount(torch.from_numpy(warm.log.items), minlength=len(items))
        self.learned = {"usual": counts / counts.max()}

    def adapt(self, support: Feedback) -> Tensor:
        return 1e-3 * super().adapt(support)


@breaks("is better with K", "at K = 12")
class GetsWorseWithK(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(-state, items)


@breaks("is better with K", "at K = 12")
class AdaptsToTheLevelAlone(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return self.surprise(support).sum(1, keepdim=True)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return to_unit(self.learned["usual"][items] + 0.01 * state)


@breaks("with shuffled labels it is at chance", "at K = 0")
class ReadsTheDataset(Sound):
    """It has seen everybody before, as a model may that was pretrained on the benchmark."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        made = registry.find("datasets", "synthetic")(n_users=240, n_items=60, per_user=30)
        log = made.load()[0]
        self.items = items
        self.learned = {"usual": usual(log.items, made.labels(log.ratings, "rating"), len(items))}


@breaks("with shuffled labels it is at chance", "at K = 0")
class ReadsTheRatings(Sound):
    """It learns from the log's own ratings, not from the labels that it is given."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, (warm.log.ratings - 1) / 4, len(items))}


@pytest.fixture(autouse=True)
def the_world_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Twins do harm on purpose: their files fall into tmp_path, the rest is undone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    chance, lots, kind = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        yield
    random.setstate(chance)
    np.random.set_state(lots)
    torch.set_default_dtype(kind)


def one(method: Twin, check: str) -> Outcome:
    return next(o for o in check_method(method, only=check) if o.check == check)


@pytest.mark.slow
@pytest.mark.parametrize("method", [Sound, Noisy])
def test_the_methods_the_twins_are_made_from_keep_every_promise(method: Twin) -> None:
    outcomes = check_method(method)
    assert [o.check for o in outcomes] == list(CHECKS)
    assert {o.check: o.reason for o in outcomes if not o.ok} == {}


def test_every_check_has_a_twin_that_it_catches() -> None:
    assert {check for check, _, _ in TWINS} == set(CHECKS)


@pytest.mark.parametrize(
    ("check", "reason", "twin"), TWINS, ids=[twin.__name__ for _, _, twin in TWINS]
)
def test_a_broken_twin_is_caught(check: str, reason: str, twin: Twin) -> None:
    found = one(twin, check)
    assert not found.passed
    assert reason in found.reason
    assert not found.ok


def test_an_exemption_from_a_check_that_does_not_exist_is_an_error() -> None:
    class Wrong(Sound):
        exempt: ClassVar = {"is bettr with K": "a slip"}

    with pytest.raises(ValueError, match=r"Wrong.exempt names 'is bettr with K'"):
        check_method(Wrong)


def test_an_exemption_makes_a_failure_an_expected_one() -> None:
    class Floor(MovesNothing):
        exempt: ClassVar = {"predictions move if it adapts": "it is a floor"}

    found = one(Floor, "predictions move if it adapts")
    assert (found.passed, found.ok, found.exempt) == (False, True, "it is a floor")


def test_an_exemption_that_is_out_of_date_is_not_ok() -> None:
    class Mended(Sound):
        exempt: ClassVar = {"lives with K 0": "it divided by K"}

    found = one(Mended, "lives with K 0")
    assert (found.passed, found.ok) == (True, False)
    assert "lives with K 0: passes: drop exempt" in to_table({"mended": [found]})


def test_an_assertion_that_gives_no_reason_is_a_failure_all_the_same() -> None:
    class Mute(Sound):
        def adapt(self, support: Feedback) -> Tensor:
            raise AssertionError

    assert not one(Mute, "lives with K 0").passed


def test_a_method_that_ends_the_program_is_a_failed_check_and_no_end() -> None:
    class Quits(Sound):
        def adapt(self, support: Feedback) -> Tensor:
            raise SystemExit(0)

    assert one(Quits, "lives with K 0").reason == "SystemExit: 0"


def test_a_method_whose_package_is_missing_is_exempt_for_that_reason() -> None:
    class Lacks(Sound):
        def meta_train(self, *_: object) -> None:
            raise Unavailable("learn2learn is not installed")

    found = one(Lacks, "lives with K 0")
    assert found.ok
    assert found.exempt == "unavailable: learn2learn is not installed"


def test_the_harm_a_method_does_to_gradients_and_chance_ends_with_its_check() -> None:
    chance = torch.random.get_rng_state()
    check_method(TurnsGradientsOff, only="lives with K 0")
    check_method(SeedsTheWorld, only="lives with K 0")
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), chance)
