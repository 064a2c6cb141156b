"""A sound method, and the means to note how each of its broken twins is broken.

Every check has a twin that it catches, and wherever that can be, one that it alone catches: such a
check is needed, for no other would have said a word. The twins stand in the three test files named
in FILES, which get this one as `tests.twins` (conftest.py sees to it).
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from coldbench import encoder
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, squash_to_unit
from coldbench.seeds import Seeds
from coldbench.testing import Outcome, check_method
from coldbench.testing.checks import BY_SUBJECT

Twin = type[Method[Any]]
# name -> the check that catches it, some words of what that says, whether nothing else does, and
# what the twin has otherwise than its base
Rows = dict[str, tuple[str, str, bool, dict[str, Any]]]
FILES = {  # test file -> the subjects of coldbench.testing.checks whose checks its twins break
    "test_twins_made": ("How it is made", "What it lives with"),
    "test_twins_same": ("What must not matter", "What is kept", "Where it runs"),
    "test_twins_traces": ("What it leaves behind", "What it is for"),
}


@dataclass(frozen=True)
class Break:
    check: str
    reason: str  # some words of what the check says
    twin: Twin
    alone: bool  # no other check catches it


BREAKS: list[Break] = []


def breaks(check: str, reason: str, *, alone: bool = False) -> Callable[[Twin], Twin]:
    """The check that catches this twin, and some words of what it says."""

    def note(twin: Twin) -> Twin:
        BREAKS.append(Break(check, reason, twin, alone))
        return twin

    return note


def table(module: str, rows: Rows, base: "Twin | None" = None) -> dict[str, Twin]:
    """Twins of a few words, by name: the module is to hold them by it."""
    twins = {}
    for name, (check, reason, alone, differs) in rows.items():
        twin: Twin = type(name, (base or Sound,), {"__module__": module, **differs})
        twins[name] = breaks(check, reason, alone=alone)(twin)
    return twins


def twins_of(file: str, *, alone: bool = False) -> list[Any]:
    """The twins of a test file, as parameters of a test."""
    own = [b for b in BREAKS if b.twin.__module__.rpartition(".")[2] == file]
    return [pytest.param(b, id=b.twin.__name__) for b in own if b.alone or not alone]


def checks_of(file: str) -> set[str]:
    return {check for title in FILES[file] for check in BY_SUBJECT[title]}


def without_a_twin(file: str, *, alone: bool = False) -> set[str]:
    """The checks of a file that catch nobody; with `alone`, nobody whom no other check catches."""
    return checks_of(file) - {b.values[0].check for b in twins_of(file, alone=alone)}


def is_caught(broken: Break) -> None:
    """By its check, with its reason; and by no other check, where it says so."""
    if broken.alone and "GPU" in broken.check and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    outcomes = check_method(broken.twin, only=None if broken.alone else broken.check)
    found = next(o for o in outcomes if o.check == broken.check)
    if found.verdict == "unavailable":
        pytest.skip(found.exempt)
    assert not found.passed
    assert broken.reason in found.reason
    assert not found.ok
    others = {o.check: o.reason for o in outcomes if o.verdict == "fail" and o != found}
    assert not others


def twin_tests(file: str, never_alone: dict[str, str]) -> tuple[Any, Any]:
    """The two tests of a file of twins; never_alone: the checks that no twin needs, and why."""

    @pytest.mark.slow
    @pytest.mark.parametrize("broken", twins_of(file))
    def test_a_broken_twin_is_caught(broken: Break) -> None:
        is_caught(broken)

    def test_every_check_is_needed() -> None:
        assert not without_a_twin(file)
        assert without_a_twin(file, alone=True) == set(never_alone)

    return test_a_broken_twin_is_caught, test_every_check_is_needed


def one(method: Twin, check: str) -> Outcome:
    return next(o for o in check_method(method, only=check) if o.check == check)


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
    encoder.text_reader.cache_clear()


class Given(NamedTuple):
    """What a method is trained with."""

    warm: Users
    valid: Episodes
    items: Items
    seeds: Seeds


@dataclass
class Sound(Method[Tensor]):
    """A user is the sum of the items seen, each weighed by how much it surprised."""

    weight: float = 0.3

    stochastic = False
    state_size = "4 * D"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.first(Given(warm, valid, items, seeds))
        self.items = items
        self.learned = {"usual": usual(warm.log.items, warm.labels, items)}
        self.then(Given(warm, valid, items, seeds))

    def first(self, given: "Given") -> None:
        """What a twin does before it learns."""

    def then(self, given: "Given") -> None:
        """What a twin does when it has learnt."""

    def surprise(self, support: Feedback) -> Tensor:
        return (support.labels - self.learned["usual"][support.items]) * support.mask  # (B, K)

    def kept(self, users: Tensor, support: Feedback) -> Tensor:
        """(B, D) what a twin keeps of users."""
        return users

    def shown(self, scores: Tensor, items: Tensor) -> Tensor:
        """(B, Q) what a twin says instead of its scores."""
        return scores

    def adapt(self, support: Feedback) -> Tensor:
        seen = self.items.features[support.items]  # (B, K, D)
        users = (self.surprise(support)[..., None] * seen).sum(1)  # (B, D)
        return self.kept(users, support)

    def liking(self, state: Tensor, items: Tensor) -> Tensor:
        return (self.items.features[items] @ state[..., None])[..., 0]  # (B, Q)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        liked = self.learned["usual"][items] + self.weight * self.liking(state, items)
        return self.shown(squash_to_unit(liked), items)


class Noisy(Sound):
    """Sound, and a little noise as the seed has it."""

    stochastic = True

    def then(self, given: Given) -> None:
        noise = self.noise(given.seeds, len(given.items))
        self.learned["usual"] += 0.01 * noise.to(given.items.device)

    def noise(self, seeds: Seeds, n: int) -> Tensor:
        return torch.randn(n, generator=torch.Generator().manual_seed(seeds.init))


def usual(rated: Any, labels: Any, items: Items, damping: float = 3) -> Tensor:
    """(n_items,) the mean label of each item, drawn towards the mean of all."""
    sums, counts = (np.bincount(rated, w, len(items)) for w in (labels, np.ones(len(rated))))
    means = (sums + damping * labels.mean()) / np.maximum(counts + damping, 1e-9)
    found = np.where(counts + damping > 0, means, np.nan).astype(np.float32)
    return torch.from_numpy(found).to(items.device)
