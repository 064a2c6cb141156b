"""Twins of a sound method to whom something matters that must not, or whose state is no state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Feedback
from tests.twins import Given, Rows, Sound, breaks, table, the_world_restored, twin_tests

__all__ = ["the_world_restored"]
FILE = "test_twins_same"
NEVER_ALONE = {
    "a state is made of tensors one row a user": "such a state is not as large as it says either"
}


PLACES = "every tensor is made where the items are"
ONE_LINE: Rows = {
    # what must not matter
    "MistakesOneItemForARating": (
        "an item scores the same alone or among others", "scoring an item alone", True,
        {"shown": lambda self, scores, items: scores * (0.99 if items.shape[1] == 1 else 1)}),
    "NormalisesOverTheQuery": (  # as batch normalisation in training mode does
        "an item scores the same alone or among others", "scoring an item alone", False,
        {"shown": lambda self, scores, items: (scores - scores.mean(1, keepdim=True)).sigmoid()}),
    "SaysWhereItStands": (  # the loop asks in the order of time: a place in the query is no feature
        "an item scores the same alone or among others", "turning the query round", False,
        {"shown": lambda self, scores, items: scores * torch.linspace(0.9, 1, items.shape[1])}),
    "IsInAHurryWithMany": (
        "a catalogue at once or in pieces is the same", "all items at once", True,
        {"shown": lambda self, scores, items: (
            scores.half().float() if items.shape[1] > 40 else scores)}),
    "DislikesRepetition": (
        "an item asked for twice scores the same twice", "the second time", True,
        {"shown": lambda self, scores, items: scores * 0.9 ** (
            items[:, :, None] == items[:, None, :]).tril(-1).sum(2)}),
    "DividesByTheWidth": ("padding the support changes nothing", "padding changed scores", True,
        {"kept": lambda self, users, support: users * 4 / max(1, support.items.shape[1])}),
    "IgnoresTheMask": ("padding the support changes nothing", "padding changed scores", False,
        {"surprise": lambda self, support: support.labels - self.learned["usual"][support.items]}),
    "PeepsUnderTheMask": ("what the mask hides is not read", "hidden entries changed scores", True,
        {"surprise": lambda self, support: (
            Sound.surprise(self, support) + 0.1 * support.labels * ~support.mask)}),
    "MeansOverTheBatch": (
        "batch size and user order change nothing", "batch size changed scores", True,
        {"kept": lambda self, users, support: users - users.mean(0)}),
    "DropsTheLastOfABatch": (
        "batch size and user order change nothing", "order of users changed", False,
        {"kept": lambda self, users, support: torch.cat([users[:-1], 0 * users[-1:]])}),
    "ForgetsTheFirst": ("the order of the support changes nothing", "it changed scores", True,
        {"surprise": lambda self, support: (
            Sound.surprise(self, support) * 0.95 ** (8 - support.mask.cumsum(1)))}),
    "ThinksItIsTraining": ("gradients on or off scores are the same", "with gradients on", True,
        {"kept": lambda self, users, support: users * (1.1 if torch.is_grad_enabled() else 1)}),
    "CountsItsThreads": (
        "another number of threads changes nothing", "threads changed scores", True,
        {"kept": lambda self, users, support: users * (1 + 0.1 * torch.get_num_threads())}),
    # what is kept
    "LeavesItsWeightsOpen": (
        "what it learns is named finite tensors", "still asks for gradients", True,
        {"then": lambda self, given: self.learned["usual"].requires_grad_()}),
    "LearnsANumber": ("what it learns is named finite tensors", "is a float, no tensor", False,
        {"then": lambda self, given: self.learned.update(mean=float(given.warm.labels.mean()))}),
    "LearnsNoNumber": ("what it learns is named finite tensors", "is not finite", True,
        {"then": lambda self, given: self.learned.update(
            spread=torch.full((1,), torch.inf, device=given.items.device))}),
    "SaysNothingOfItsSize": ("a state is as large as it says", "state_size is not stated", True,
        {"state_size": ""}),
    "HidesCodeInItsSize": ("a state is as large as it says", "only numbers, names and", True,
        {"state_size": "__import__('os').getpid() * D"}),
    # where it runs
    "NamesNoDevice": (
        PLACES, "mul of the items' tensors and the CPU's in test_twins_same.py", True,
        {"kept": lambda self, users, support: users * torch.ones(self.items.features.shape[1])}),
    "LeavesItsCountsWithNumpy": (PLACES, "seen of what was learnt was left on the CPU", True,
        {"then": lambda self, given: self.learned.update(
            seen=torch.from_numpy(given.warm.item_counts()))}),
    "AsksNumpy": (PLACES, "numpy of a tensor of the items' device", True,
        {"kept": lambda self, users, support: users + 0 * support.labels.numpy().size}),
    "LooksUpWithNumbersFromElsewhere": (
        PLACES, "__getitem__ of the items' tensors and the CPU's", True,
        {"shown": lambda self, scores, items: scores + torch.zeros(len(self.items))[items]}),
    "StaysOnTheCPU": ("on a GPU it scores as on the CPU", "", True,
        {"adapt": lambda self, support: Sound.adapt(self, support.to(torch.device("cpu")))}),
}  # fmt: skip
globals().update(table(__name__, ONE_LINE))


@breaks("a support of padding alone is K 0", "is not K = 0", alone=True)
class TakesSilenceForAWord(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        silent = ~support.mask.any(1, keepdim=True)
        direction = self.items.features[20] * (support.items.shape[1] > 0)
        return super().adapt(support) + silent * direction


@breaks("with gradients off nothing asks for them", "the state asks", alone=True)
class DragsItsGradientsAlong(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        users = super().adapt(support).requires_grad_()
        with torch.enable_grad():
            return 2 * users / 2


@breaks("with gradients off nothing asks for them", "the scores ask")
class ScoresWithGradients(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        with torch.enable_grad():
            return super().score(state.clone().requires_grad_(), items)


@breaks("saved and loaded it scores the same", "no attribute 'shift'", alone=True)
class KeepsSomethingElsewhere(Sound):
    def then(self, given: Given) -> None:
        self.shift = 0.9

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items) * self.shift


@breaks("saved and loaded it scores the same", "scores differ", alone=True)
class LoadsHalfTheDigits(Sound):
    def load(self, folder: Path, items: Items) -> None:
        super().load(folder, items)
        self.learned["usual"] = self.learned["usual"].half().float()


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


@breaks("a user can be taken out of a state", "", alone=True)
class KeepsUsersInColumns(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support).T

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state.T, items)


@breaks("a user can be taken out of a state", "users scored otherwise", alone=True)
class KeepsWhatAUserAddsToTheLast(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        users = super().adapt(support)
        return torch.cat([users[:1], users.diff(dim=0)])

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state.cumsum(0), items)


@breaks("a state is as large as it says", "B at K = 1, not 128", alone=True)
@dataclass
class SaysItIsSmaller(Sound):
    bits: int = 8

    state_size = "bits * D // 8 + 0 * K"


@breaks(PLACES, "linear of the items' tensors and the CPU's", alone=True)
class DrawsOnTheCPU(Sound):
    def then(self, given: Given) -> None:
        rng = torch.Generator().manual_seed(0)
        weight = torch.randn(2, given.items.features.shape[1], generator=rng)
        self.learned["placed"] = torch.nn.functional.linear(given.items.features, weight)


test_a_broken_twin_is_caught, test_every_check_is_needed = twin_tests(FILE, NEVER_ALONE)
