"""What methods share that fit several models beside the item prior and keep the one that is best on
valid users: fold-in, stack, ials, factor-em and choice-prior."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TypeVar

from coldbench.encoder import Items
from coldbench.episode import Episodes, Users
from coldbench.method import Method, Params
from coldbench.seeds import Seeds

from ._grid_search import choose
from ._item_prior import item_prior

State = TypeVar("State")


class ChosenOnValid(Method[State]):
    """A method whose `learned` is the item prior and the best of its candidates."""

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.learned = {"prior": item_prior(warm, items)}
        choose(self, self.candidates(warm, seeds), valid)

    @abstractmethod
    def candidates(self, warm: Users, seeds: Seeds) -> Iterator[Params]:
        """What each model adds to `learned`; the first is kept where there are no valid users."""
