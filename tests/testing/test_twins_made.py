"""Twins of a sound method that are wrongly made, or that some support, text or log is too much for.

A method that cheats by reading the labels it is asked for has no twin: no signature it sees carries
them. What is left to it is to know the users from elsewhere, as `ReadsTheDataset` does.
"""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.seeds import Seeds
from tests.twins import (
    Given,
    Rows,
    Sound,
    Twin,
    breaks,
    table,
    the_world_restored,
    twin_tests,
    usual,
)

__all__ = ["the_world_restored"]
FILE = "test_twins_made"
NEVER_ALONE = {
    "scores are finite and in 0 to 1": "every check of what a method lives with asks for it too",
    "lives with K 0": "every check that compares with K = 0 meets it too",
    "lives with items nobody rated": "among three warm users' items many are unrated too",
    "lives with one candidate": "asking for an item alone asks for one candidate",
}


ONE_LINE: Rows = {
    # how it is made
    "MisspellsItsPreset": ("every preset constructs", "wieght", True,
        {"presets": {"paper": {"wieght": 1.0}}}),
    "TunesWhatIsNotThere": ("what may be tuned is its own", "space names wieght", True,
        {"space": {"wieght": (0.1, 1.0)}}),
    "TunesNothing": ("what may be tuned is its own", "the range of weight is empty", True,
        {"space": {"weight": (1.0, 1.0)}}),
    "HasNoFamily": ("says what it is", "its family has no name", True, {"family": " "}),
    "TracesWhatIsNotThere": ("says what it is", "no whole-number parameter", True,
        {"steps_param": "steps"}),
    "ScoresFloat64": ("scores are float32", "float64, not float32", True,
        {"shown": lambda self, scores, items: scores.double()}),
    "ScoresNan": ("scores are finite and in 0 to 1", "not finite", False,
        {"shown": lambda self, scores, items: scores.log().sqrt()}),
    "ScoresStars": ("scores are finite and in 0 to 1", "scores from 1", False,
        {"shown": lambda self, scores, items: 1 + 4 * scores}),
    "ScoresOneRow": ("scores are finite and in 0 to 1", "shape (120,)", False,
        {"shown": lambda self, scores, items: scores.flatten()}),
    # what it lives with
    "DividesByK": ("lives with K 0", "not finite", False,
        {"kept": lambda self, users, support: users / support.mask.sum(1, keepdim=True)}),
    "HasAPresetThatLeavesTheUnit": (
        "every preset serves users", "with the preset strong: scores from", True,
        {"presets": {"strong": {"weight": 9.0}},
         "shown": lambda self, scores, items: scores + 2 * (self.weight > 1)}),
    "DividesByTheLikes": ("lives with one class", "not finite", True,
        {"kept": lambda self, users, support: users / torch.where(
            support.mask.sum(1, keepdim=True) > 4, support.labels.sum(1, True), 1)}),
    "TakesTheLogarithmOfARating": ("lives with a positive only log", "not finite", True,
        {"then": lambda self, given: self.learned["usual"].add_(
            0 * torch.tensor(float(given.warm.log.ratings.min())).log())}),
    "DividesByTheRange": ("lives with one class", "not finite", False,
        {"kept": lambda self, users, support: users / (
            support.labels.amax(1, keepdim=True) - support.labels.amin(1, keepdim=True))}),
    "LooksForTheLongest": ("lives with a batch of nobody", "max()", True,
        {"kept": lambda self, users, support: users * (int(support.mask.sum(1).max()) >= 0)}),
    "AsksForTheTime": ("lives with a log without times", "NoneType", True,
        {"first": lambda self, given: given.warm.log.times.max()}),
    "TakesTheFirstValidUser": ("lives with no valid user", "StopIteration", True,
        {"first": lambda self, given: next(given.valid.batches(4, 1))}),
}  # fmt: skip


class Reads(Sound):
    """It looks at the texts of what it is asked for."""

    def read(self, text: str) -> object:
        raise NotImplementedError

    def shown(self, scores: Tensor, items: Tensor) -> Tensor:
        for item in items.unique().tolist():
            self.read(self.items.catalogue.text[item])
        return scores


READERS: Rows = {
    "TakesTheFirstWord": ("lives with an empty text", "IndexError", True,
        {"read": lambda self, text: text.split(maxsplit=1)[0]}),
    "CountsInUTF16": (  # as what was written for 65,536 characters does
        "lives with emoji", "unexpected end of data", True,
        {"read": lambda self, text: [
            pair.tobytes().decode("utf-16-le")
            for pair in np.frombuffer(text.encode("utf-16-le"), "V2")]}),
    "ReadsLatinAlone": ("lives with right to left text", "charmap", True,
        {"read": lambda self, text: "".join(c for c in text if ord(c) < 65_536).encode("cp1252")}),
    "QuotesByHand": ("lives with control characters and quotes", "SyntaxError", True,
        {"read": lambda self, text: (
            compile(f"'{text}'", "a text", "eval") if "\0" not in text else text)}),
}  # fmt: skip
globals().update(table(__name__, ONE_LINE) | table(__name__, READERS, Reads))


@breaks("constructs without side effects", "Python's random state", alone=True)
@dataclass
class SeedsTheWorldWhenMade(Sound):
    def __post_init__(self) -> None:
        random.seed(0)


@breaks("constructs without side effects", 'it did ["open(', alone=True)
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


@breaks("parameters survive JSON", "lacks @dataclass", alone=True)
class ForgetsDataclass(Sound):
    steps: int = 3


@breaks("an unknown parameter is a named error", "taken without a word", alone=True)
class TakesAnyWord(Sound):
    def __init__(self, weight: float = 0.3, **more: Any) -> None:
        self.weight = weight


@breaks("every preset constructs", "the preset paper does not hold: weight", alone=True)
@dataclass
class HasAPresetOutOfRange(Sound):
    presets: ClassVar = {"paper": {"weight": 9.0}}

    def __post_init__(self) -> None:
        self.weight = min(self.weight, 1.0)


@breaks("what may be tuned is its own", "is a whole number, its range", alone=True)
@dataclass
class TunesHalfSteps(Sound):
    steps: int = 3

    space: ClassVar = {"steps": (0.5, 8.5)}


@breaks("what may be tuned is its own", "weight is at most 1", alone=True)
@dataclass
class RefusesTheEndOfItsRange(Sound):
    space: ClassVar = {"weight": (0.1, 2.0)}

    def __post_init__(self) -> None:
        if self.weight > 1:
            raise ValueError("weight is at most 1")


def made_elsewhere() -> Twin:
    class MadeInAFunction(Sound):
        pass

    return MadeInAFunction


breaks("can be found by import", "<locals>.MadeInAFunction is not", alone=True)(made_elsewhere())


@breaks("adapting before training is a clear error", "RuntimeError: not fitted", alone=True)
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


@breaks("every preset serves users", "with the preset short: no such", alone=True)
class HasAPresetThatCannotTrain(Sound):
    presets: ClassVar = {"short": {"weight": 0.1}}

    def first(self, given: Given) -> None:
        if self.weight < 0.3:
            raise ValueError("no such weight")


@breaks("lives with K 1", "not finite", alone=True)
class DividesByTheSpread(Sound):
    """With Bessel's n - 1, which is 0 where there is one label."""

    def adapt(self, support: Feedback) -> Tensor:
        n, surprise = support.mask.sum(1, keepdim=True), self.surprise(support)
        off = (surprise - surprise.sum(1, keepdim=True) / n.clamp_min(1)) * support.mask
        return super().adapt(support) / (1 + (off.square().sum(1, keepdim=True) / (n - 1)).sqrt())


@breaks("lives with more shots than training saw", "out of bounds", alone=True)
class KnowsTwelvePlaces(Sound):
    """As a model with learnt places does."""

    def then(self, given: Given) -> None:
        self.learned["places"] = torch.ones(12, device=given.items.device)

    def surprise(self, support: Feedback) -> Tensor:
        places = torch.arange(support.items.shape[1], device=support.items.device)
        return super().surprise(support) * self.learned["places"][places]


@breaks("lives with labels between", "not finite", alone=True)
class CountsStars(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        starred = ((support.labels * 4) % 1 == 0).sum(1, keepdim=True)
        has_labels = support.items.shape[1] > 0
        return super().adapt(support) * (starred / starred if has_labels else 1.0)


@breaks("lives with duplicate items", "stands twice", alone=True)
class RefusesDuplicates(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        for row, real in zip(support.items, support.mask, strict=True):
            rated = row[real].tolist()
            assert len(set(rated)) == len(rated), "an item stands twice"
        return super().adapt(support)


@breaks("lives with items nobody rated", "not finite")
class DividesByTheCount(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, warm.labels, items, damping=0)}


@breaks("lives with a text of 10 kB", "too long", alone=True)
class HasRoomForAPage(Reads):
    def read(self, text: str) -> bytes:
        if len(text) > 4096:
            raise OverflowError("too long")
        return text.encode()


@breaks("lives with control characters and quotes", "null", alone=True)
class HandsItsTextToC(Reads):
    def read(self, text: str) -> None:
        if "\0" in text:
            raise ValueError("embedded null character")


@breaks("lives with one candidate", "not finite")
class DividesByTheSpreadOfTheQuery(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        scores = super().score(state, items)
        centred = scores - scores.mean(1, keepdim=True)
        return torch.sigmoid(centred / centred.norm(dim=1, keepdim=True))


@breaks("lives with three warm users", "ten groups", alone=True)
class CutsUsersIntoTenGroups(Sound):
    def first(self, given: Given) -> None:
        assert given.warm.log.n_users >= 10, "ten groups of no user"


test_a_broken_twin_is_caught, test_every_check_is_needed = twin_tests(FILE, NEVER_ALONE)
