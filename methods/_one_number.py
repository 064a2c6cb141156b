"""What constant, user-mean and user-median share: one number for every item; they cannot rank."""

from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

from coldbench.encoder import Items
from coldbench.method import Method, Rated

from ._later_items import lengthened

State = TypeVar("State")


@dataclass
class OneNumber(Method[State]):
    grows: ClassVar[bool] = True
    can_rank: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

    def with_items(self, items: Items, rated: Rated) -> Self:
        return lengthened(self, items)
