"""Twins of a sound method that are wrongly made, or that some support, text or log is too much for.

A method that cheats by reading the labels it is asked for has no twin: no signature it sees carries
them. What is left to it is to know the users from elsewhere, as `ReadsTheDataset` does.
"""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.seeds import Seeds
from tests.twins import Given, Sound, Twin, breaks, the_world_restored, twin_tests, usual

__all__ = ["the_world_restored"]
FILE = "test_twins_made"
NEVER_ALONE = {
    "scores are finite and in 0 to 1": "every check of what a method lives with asks for it too",
    "lives with K 0": "every check that compares with K = 0 meets it too",
    "lives with items nobody rated": "among three warm users' items many are unrated too",
    "lives with one candidate": "asking for an item alone asks for one candidate",
}


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


@breaks("every preset constructs", "wieght", alone=True)
class MisspellsItsPreset(Sound):
    presets: ClassVar = {"paper": {"wieght": 1.0}}


@breaks("every preset constructs", "the preset paper does not hold: weight", alone=True)
@dataclass
class HasAPresetOutOfRange(Sound):
    presets: ClassVar = {"paper": {"weight": 9.0}}

    def __post_init__(self) -> None:
        self.weight = min(self.weight, 1.0)


@breaks("what may be tuned is its own", "space names wieght", alone=True)
class TunesWhatIsNotThere(Sound):
    space: ClassVar = {"wieght": (0.1, 1.0)}


@breaks("what may be tuned is its own", "is a whole number, its range", alone=True)
@dataclass
class TunesHalfSteps(Sound):
    steps: int = 3

    space: ClassVar = {"steps": (0.5, 8.5)}


@breaks("what may be tuned is its own", "the range of weight is empty", alone=True)
class TunesNothing(Sound):
    space: ClassVar = {"weight": (1.0, 1.0)}


@breaks("what may be tuned is its own", "weight is at most 1", alone=True)
@dataclass
class RefusesTheEndOfItsRange(Sound):
    space: ClassVar = {"weight": (0.1, 2.0)}

    def __post_init__(self) -> None:
        if self.weight > 1:
            raise ValueError("weight is at most 1")


@breaks("says what it is", "its family has no name", alone=True)
class HasNoFamily(Sound):
    family = " "


@breaks("says what it is", "no whole-number parameter", alone=True)
class TracesWhatIsNotThere(Sound):
    steps_param = "steps"


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


@breaks("scores are float32", "float64, not float32", alone=True)
class ScoresFloat64(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items).double()


@breaks("every preset serves users", "with the preset strong: scores from", alone=True)
class HasAPresetThatLeavesTheUnit(Sound):
    presets: ClassVar = {"strong": {"weight": 9.0}}

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        scores = super().score(state, items)
        return scores + 2 if self.weight > 1 else scores


@breaks("every preset serves users", "with the preset short: no such", alone=True)
class HasAPresetThatCannotTrain(Sound):
    presets: ClassVar = {"short": {"weight": 0.1}}

    def first(self, given: Given) -> None:
        if self.weight < 0.3:
            raise ValueError("no such weight")


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


@breaks("lives with one class", "not finite", alone=True)
class DividesByTheLikes(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        several = support.mask.sum(1, keepdim=True) > 4
        return super().adapt(support) / torch.where(several, support.labels.sum(1, True), 1)


@breaks("lives with one class", "not finite")
class DividesByTheRange(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        spread = support.labels.amax(1, keepdim=True) - support.labels.amin(1, keepdim=True)
        return super().adapt(support) / spread


@breaks("lives with labels between", "not finite", alone=True)
class CountsStars(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        starred = ((support.labels * 4) % 1 == 0).sum(1, keepdim=True)
        some = support.items.shape[1] > 0
        return super().adapt(support) * (starred / starred if some else 1.0)


@breaks("lives with duplicate items", "stands twice", alone=True)
class RefusesDuplicates(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        for row, real in zip(support.items, support.mask, strict=True):
            own = row[real].tolist()
            assert len(set(own)) == len(own), "an item stands twice"
        return super().adapt(support)


@breaks("lives with items nobody rated", "not finite")
class DividesByTheCount(Sound):
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"usual": usual(warm.log.items, warm.labels, items, damping=0)}


class Reads(Sound):
    """It looks at the texts of what it is asked for."""

    def read(self, text: str) -> object:
        raise NotImplementedError

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        for item in items.unique().tolist():
            self.read(self.items.catalogue.text[item])
        return super().score(state, items)


@breaks("lives with an empty text", "IndexError", alone=True)
class TakesTheFirstWord(Reads):
    def read(self, text: str) -> str:
        return text.split(maxsplit=1)[0]


@breaks("lives with a text of 10 kB", "too long", alone=True)
class HasRoomForAPage(Reads):
    def read(self, text: str) -> bytes:
        if len(text) > 4096:
            raise OverflowError("too long")
        return text.encode()


@breaks("lives with emoji", "unexpected end of data", alone=True)
class CountsInUTF16(Reads):
    """As what was written for 65,536 characters does."""

    def read(self, text: str) -> list[str]:
        units = text.encode("utf-16-le")
        return [units[at : at + 2].decode("utf-16-le") for at in range(0, len(units), 2)]


@breaks("lives with right to left text", "charmap", alone=True)
class ReadsLatinAlone(Reads):
    def read(self, text: str) -> bytes:
        return "".join(c for c in text if ord(c) < 65_536).encode("cp1252")


@breaks("lives with control characters and quotes", "null", alone=True)
class HandsItsTextToC(Reads):
    def read(self, text: str) -> None:
        if "\0" in text:
            raise ValueError("embedded null character")


@breaks("lives with control characters and quotes", "SyntaxError", alone=True)
class QuotesByHand(Reads):
    def read(self, text: str) -> object:
        return compile(f"'{text}'", "a text", "eval") if "\0" not in text else text


@breaks("lives with one candidate", "not finite")
class DividesByTheSpreadOfTheQuery(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        scores = super().score(state, items)
        centred = scores - scores.mean(1, keepdim=True)
        return torch.sigmoid(centred / centred.norm(dim=1, keepdim=True))


@breaks("lives with a batch of nobody", "max()", alone=True)
class LooksForTheLongest(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        longest = int(support.mask.sum(1).max())
        return super().adapt(support.map(lambda column: column)) * (longest >= 0)


@breaks("lives with a log without times", "NoneType", alone=True)
class AsksForTheTime(Sound):
    def first(self, given: Given) -> None:
        given.warm.log.times.max()  # type: ignore[union-attr]


@breaks("lives with a positive only log", "not finite", alone=True)
class TakesTheLogarithmOfARating(Sound):
    def then(self, given: Given) -> None:
        self.learned["usual"] += 0 * torch.tensor(float(given.warm.log.ratings.min())).log()


@breaks("lives with no valid user", "StopIteration", alone=True)
class TakesTheFirstValidUser(Sound):
    def first(self, given: Given) -> None:
        next(given.valid.batches(4, 1))


@breaks("lives with three warm users", "ten groups", alone=True)
class CutsUsersIntoTenGroups(Sound):
    def first(self, given: Given) -> None:
        assert given.warm.log.n_users >= 10, "ten groups of no user"


test_a_broken_twin_is_caught, test_every_check_is_needed = twin_tests(FILE, NEVER_ALONE)
