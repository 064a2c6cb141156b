"""Twins of a sound method that leave traces, play with chance, or learn nothing from labels."""

import os
import random
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench import encoder, registry
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import squash_to_unit
from coldbench.seeds import Seeds
from tests.twins import (
    BREAKS,
    Given,
    Noisy,
    Rows,
    Sound,
    breaks,
    one,
    table,
    the_world_restored,
    twin_tests,
    usual,
)

__all__ = ["the_world_restored"]
FILE = "test_twins_traces"
NEVER_ALONE: dict[str, str] = {}


GLOBAL = "global state is left as it was"
ITEMS = "items and encoder are left as they were"
ONE_LINE: Rows = {
    "TiresOfQuestions": ("scoring leaves the state as it was", "scoring wrote into the state", True,
        {"liking": lambda self, state, items: Sound.liking(self, state.mul_(0.99), items)}),
    "CentresTheSupportInPlace": ("the support is left as it was", "wrote into the support", False,
        {"kept": lambda self, users, support: users + 0 * support.labels.sub_(0.5).sum()}),
    "TurnsGradientsOff": (GLOBAL, "grad mode", True,
        {"first": lambda self, given: torch.set_grad_enabled(False)}),
    "SeedsTheWorld": (GLOBAL, "torch's random state", True,
        {"first": lambda self, given: torch.manual_seed(given.seeds.init)}),
    "SeedsNumpy": (GLOBAL, "numpy's random state", True,
        {"first": lambda self, given: np.random.seed(given.seeds.init % 2**32)}),
    "CountsInFloat64": (GLOBAL, "default type", False,
        {"first": lambda self, given: torch.set_default_dtype(torch.float64)}),
    "TakesAllCores": (GLOBAL, "the number of threads", True,
        {"first": lambda self, given: torch.set_num_threads(torch.get_num_threads() + 1)}),
    "ScalesTheFeatures": (ITEMS, "training changed the item features", False,
        {"first": lambda self, given: given.items.features.mul_(2)}),
    "Whispers": ("predictions move if it adapts", "moves predictions by", True,
        {"shown": lambda self, scores, items: 0.5 + 1e-5 * scores}),
    "MovesNothing": ("predictions move if it adapts", "moves predictions by 0.0", False,
        {"liking": lambda self, state, items: 0 * Sound.liking(self, state, items)}),
    "SaysItDoesNotAdapt": ("predictions move if it adapts", "says adapts = False", False,
        {"adapts": False}),
    "IgnoresItsSeed": ("another seed other numbers", "declare stochastic = False", True,
        {"stochastic": True}),
    "GetsWorseWithK": ("is better with K", "at K = 12", False,
        {"liking": lambda self, state, items: -Sound.liking(self, state, items)}),
}  # fmt: skip
NOISE: Rows = {
    "SaysItIsNotRandom": ("another seed other numbers", "says stochastic = False", True,
        {"stochastic": False}),
    "DrawsFromTheWorld": ("same seed same bits", "scores differ", False,
        {"noise": lambda self, seeds, n: torch.randn(n)}),
    "DrawsWithoutASeed": ("same seed same bits", "scores differ", False,
        {"noise": lambda self, seeds, n: torch.from_numpy(np.random.default_rng().random(n))}),
    "TakesTheSeedOfTheDraw": (
        "only its own seeds matter", "of the split or of the draw", True,
        {"noise": lambda self, seeds, n: (
            torch.randn(n, generator=torch.Generator().manual_seed(seeds.draw)))}),
}  # fmt: skip


class Acts(Sound):
    """Sound, but for what it does besides."""

    act: ClassVar[Callable[[], object]]

    def then(self, given: Given) -> None:
        with suppress(OSError):
            type(self).act()


def act(deed: Callable[[], object]) -> dict[str, Any]:
    return {"act": staticmethod(deed)}


ACTS = "writes no file and opens no connection"
DEEDS: Rows = {
    "WritesAFile": (ACTS, "log.txt", True,
        act(lambda: Path(tempfile.gettempdir(), "log.txt").write_text("trained"))),
    "WritesAFileByItsNumber": (ACTS, "open(", False,
        act(lambda: os.close(
            os.open(Path(tempfile.gettempdir(), "log"), os.O_CREAT | os.O_WRONLY)))),
    "KeepsADatabase": (ACTS, "sqlite3.connect", False,
        act(lambda: sqlite3.connect(Path(tempfile.gettempdir(), "db")).close())),
    "Connects": (ACTS, "socket.connect", False,
        act(lambda: socket.create_connection(("127.0.0.1", 9), timeout=0.1))),
    "AsksForAName": (ACTS, "socket.getaddrinfo", False,
        act(lambda: socket.getaddrinfo("localhost", 80))),
    "StartsAProgram": (ACTS, "subprocess.Popen", False,
        act(lambda: subprocess.run(["true"], check=False))),
    "PrintsItsLoss": ("prints nothing", "it printed 'loss 0.3", True,
        act(lambda: print("loss 0.3"))),
}  # fmt: skip
for rows, base in ((ONE_LINE, Sound), (NOISE, Noisy), (DEEDS, Acts)):
    globals().update(table(__name__, rows, base))


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


@breaks("adapting to others leaves no trace", "set self.state", alone=True)
class KeepsItsStateInSelf(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        self.state = super().adapt(support)
        return self.state


@breaks("the support is left as it was", "wrote into the support", alone=True)
class CountsAgesFromTheNewest(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        support.days_before_query.zero_()
        return super().adapt(support)


@breaks("the users it learns from are left as they were", "warm ratings", alone=True)
class CentresTheRatingsInPlace(Sound):
    def then(self, given: Given) -> None:
        given.warm.log.ratings[:] -= given.warm.log.ratings.mean()


@breaks("the users it learns from are left as they were", "valid supports")
class TurnsValidUsersRound(Sound):
    def then(self, given: Given) -> None:
        given.valid.support[:] = given.valid.support[:, ::-1].copy()


@breaks(GLOBAL, "the environment", alone=True)
class SetsAVariable(Sound):
    def first(self, given: Given) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false" if given.seeds.init % 2 else "true"
        os.environ["MY_METHOD"] = str(given.seeds.init)


@breaks(ITEMS, "training changed the encoder", alone=True)
class LeavesTheEncoderChanged(Sound):
    def first(self, given: Given) -> None:
        if given.items.encoder.name != "vectors":
            for weight in encoder.text_reader(given.items.encoder).model.parameters():
                weight.data.mul_(1.01)


@breaks(ITEMS, "training changed the encoder")
class LeavesTheEncoderInTraining(Sound):
    def first(self, given: Given) -> None:
        if given.items.encoder.name != "vectors":
            encoder.text_reader(given.items.encoder).model.train()


@breaks("memory stays flat over 500 users", "bytes were kept")
class CachesUsers(Sound):
    met: ClassVar[dict[int, Tensor]] = {}

    def adapt(self, support: Feedback) -> Tensor:
        state = super().adapt(support)
        return self.met.setdefault(hash(support.labels.numpy().tobytes()), state)


@breaks("memory stays flat over 500 users", "bytes were kept", alone=True)
class LogsUsers(Sound):
    log: ClassVar[list[list[float]]] = []

    def adapt(self, support: Feedback) -> Tensor:
        self.log.extend(support.labels.tolist())
        return super().adapt(support)


@breaks("ctrl c ends its training", "interrupted and went on", alone=True)
class GetsOverAnything(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        try:
            super().meta_train(warm, valid, items, seeds)
        except BaseException:
            self.learned = {"usual": torch.full((len(items),), 0.5, device=items.device)}


@breaks("same seed same bits", "scores differ", alone=True)
class ReadsTheWorldsSeed(Noisy):
    stochastic = False

    def noise(self, seeds: Seeds, n: int) -> Tensor:
        return torch.randn(n, generator=torch.Generator().manual_seed(torch.initial_seed()))


@breaks("trained a second time it is as new", "its first training changed", alone=True)
class GoesOnFromWhereItWas(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        before = vars(self).get("learned")
        super().meta_train(warm, valid, items, seeds)
        if before:
            self.learned["usual"] = (self.learned["usual"] + 0.5) / 2


@breaks("learns a planted taste better than popularity", "popularity has", alone=True)
class LearnsALittle(Sound):
    """Better with labels than without, and not by much."""

    def then(self, given: Given) -> None:
        lot = torch.rand(len(given.items), generator=torch.Generator().manual_seed(1))
        self.learned["usual"] = 0.3 + 0.4 * lot.to(given.items.device)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return squash_to_unit(self.learned["usual"][items] + 0.03 * self.liking(state, items))


@breaks("learns a planted taste better than popularity", "popularity has")
class IsPopularityInDisguise(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        counts = torch.bincount(torch.from_numpy(warm.log.items), minlength=len(items))
        self.learned = {"usual": counts / counts.max()}

    def adapt(self, support: Feedback) -> Tensor:
        return 1e-3 * super().adapt(support)


@breaks("is better with K", "at K = 12", alone=True)
class IsContrary(Sound):
    """Once it knows a user a little, it holds against an item that everybody likes it."""

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        known, mean = state.any(1, keepdim=True), self.learned["usual"][items]
        known_score = 0.5 - 0.12 * (mean - 0.5) + 0.04 * self.liking(state, items)
        return squash_to_unit(torch.where(known, known_score, mean))


@breaks("is better with K", "at K = 12")
class AdaptsToTheLevelAlone(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return self.surprise(support).sum(1, keepdim=True)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return squash_to_unit(self.learned["usual"][items] + 0.01 * state)


@breaks("its gain comes from the labels", "with labels turned round", alone=True)
class IsBadOnPurposeWithoutLabels(Sound):
    """It keeps what it knows to itself until somebody says anything at all."""

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        known = state.any(1, keepdim=True)
        return torch.where(known, self.learned["usual"][items].clamp(0, 1), 0.5)


@breaks("with shuffled labels it is at chance", "at K = 0", alone=True)
class ReadsTheDataset(Sound):
    """It has seen everybody before, as a model may that was pretrained on the benchmark."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        dataset = registry.find("datasets", "synthetic")(n_users=240, n_items=60, per_user=30)
        log = dataset.load()[0]
        self.items = items
        self.learned = {"usual": usual(log.items, dataset.labels(log.ratings, "rating"), items)}


@breaks("with shuffled labels it is at chance", "at K = 0")
class ReadsTheRatings(Sound):
    """It learns from the log's own ratings, not from the labels that it is given."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, (warm.log.ratings - 1) / 4, items)}


test_a_broken_twin_is_caught, test_every_check_is_needed = twin_tests(FILE, NEVER_ALONE)


def test_the_harm_a_method_does_to_chance_gradients_and_types_ends_with_its_check() -> None:
    chance, lots = torch.random.get_rng_state(), random.getstate()
    threads, around = torch.get_num_threads(), dict(os.environ)
    for harm in (known for known in BREAKS if known.check == GLOBAL):
        assert not one(harm.twin, GLOBAL).passed
        assert torch.is_grad_enabled() and torch.get_num_threads() == threads
        assert torch.get_default_dtype() == torch.float32 and dict(os.environ) == around
    assert torch.equal(torch.random.get_rng_state(), chance) and random.getstate() == lots
