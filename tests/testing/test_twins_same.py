"""Twins of a sound method to whom something matters that must not, or whose state is no state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Feedback
from tests.twins import Given, Sound, breaks, the_world_restored, twin_tests

__all__ = ["the_world_restored"]
FILE = "test_twins_same"
NEVER_ALONE = {
    "a state is made of tensors one row a user": "such a state is not as large as it says either",
}


@breaks("an item scores the same alone or among others", "scoring an item alone", alone=True)
class MistakesOneItemForARating(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        return super().score(state, items) * (0.99 if items.shape[1] == 1 else 1)


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


@breaks("a catalogue at once or in pieces is the same", "all items at once", alone=True)
class IsInAHurryWithMany(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        if items.shape[1] > 40:
            return super().score(state, items).half().float()
        return super().score(state, items)


@breaks("an item asked for twice scores the same twice", "the second time", alone=True)
class DislikesRepetition(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        same = items[:, :, None] == items[:, None, :]
        return super().score(state, items) * 0.9 ** same.tril(-1).sum(2)


@breaks("padding the support changes nothing", "padding changed scores", alone=True)
class DividesByTheWidth(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support) * 4 / max(1, support.items.shape[1])


@breaks("padding the support changes nothing", "padding changed scores")
class IgnoresTheMask(Sound):
    def surprise(self, support: Feedback) -> Tensor:
        return support.labels - self.learned["usual"][support.items]


@breaks("what the mask hides is not read", "hidden entries changed scores", alone=True)
class PeepsUnderTheMask(Sound):
    def surprise(self, support: Feedback) -> Tensor:
        return super().surprise(support) + 0.1 * support.labels * ~support.mask


@breaks("a support of padding alone is K 0", "is not K = 0", alone=True)
class TakesSilenceForAWord(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        silent = ~support.mask.any(1, keepdim=True)
        some = self.items.features[20] * (support.items.shape[1] > 0)
        return super().adapt(support) + silent * some


@breaks("batch size and user order change nothing", "batch size changed scores", alone=True)
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


@breaks("the order of the support changes nothing", "it changed scores", alone=True)
class ForgetsTheFirst(Sound):
    def surprise(self, support: Feedback) -> Tensor:
        return super().surprise(support) * 0.95 ** (-support.mask.cumsum(1) + 8)


@breaks("gradients on or off scores are the same", "with gradients on", alone=True)
class ThinksItIsTraining(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support) * (1.1 if torch.is_grad_enabled() else 1)


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


@breaks("another number of threads changes nothing", "threads changed scores", alone=True)
class CountsItsThreads(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support) * (1 + 0.1 * torch.get_num_threads())


@breaks("what it learns is named finite tensors", "still asks for gradients", alone=True)
class LeavesItsWeightsOpen(Sound):
    def then(self, given: Given) -> None:
        self.learned["usual"].requires_grad_()


@breaks("what it learns is named finite tensors", "is a float, no tensor")
class LearnsANumber(Sound):
    def then(self, given: Given) -> None:
        self.learned["mean"] = float(given.warm.labels.mean())  # type: ignore[assignment]


@breaks("what it learns is named finite tensors", "is not finite", alone=True)
class LearnsNoNumber(Sound):
    def then(self, given: Given) -> None:
        self.learned["spread"] = torch.full((1,), torch.inf, device=given.items.device)


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


@breaks("a state is as large as it says", "state_size is not stated", alone=True)
class SaysNothingOfItsSize(Sound):
    state_size = ""


@breaks("a state is as large as it says", "B at K = 1, not 128", alone=True)
@dataclass
class SaysItIsSmaller(Sound):
    bits: int = 8

    state_size = "bits * D // 8 + 0 * K"


@breaks("a state is as large as it says", "only numbers, names and", alone=True)
class HidesCodeInItsSize(Sound):
    state_size = "__import__('os').getpid() * D"


PLACES = "every tensor is made where the items are"


@breaks(PLACES, "mul of the items' tensors and the CPU's in test_twins_same.py", alone=True)
class NamesNoDevice(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support) * torch.ones(self.items.features.shape[1])


@breaks(PLACES, "linear of the items' tensors and the CPU's", alone=True)
class DrawsOnTheCPU(Sound):
    def then(self, given: Given) -> None:
        rng = torch.Generator().manual_seed(0)
        weight = torch.randn(2, given.items.features.shape[1], generator=rng)
        self.learned["placed"] = torch.nn.functional.linear(given.items.features, weight)


@breaks(PLACES, "seen of what was learnt was left on the CPU", alone=True)
class LeavesItsCountsWithNumpy(Sound):
    def then(self, given: Given) -> None:
        self.learned["seen"] = torch.from_numpy(given.warm.seen())


@breaks(PLACES, "numpy of a tensor of the items' device", alone=True)
class AsksNumpy(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        support.labels.numpy()
        return super().adapt(support)


@breaks(PLACES, "__getitem__ of the items' tensors and the CPU's", alone=True)
class LooksUpWithNumbersFromElsewhere(Sound):
    def score(self, state: Tensor, items: Tensor) -> Tensor:
        torch.zeros(len(self.items))[items]
        return super().score(state, items)


@breaks("on a GPU it scores as on the CPU", "", alone=True)
class StaysOnTheCPU(Sound):
    def adapt(self, support: Feedback) -> Tensor:
        return super().adapt(support.to(torch.device("cpu")))


test_a_broken_twin_is_caught, test_every_check_is_needed = twin_tests(FILE, NEVER_ALONE)
