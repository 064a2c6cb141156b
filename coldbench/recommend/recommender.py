"""A trained method at work: a few ratings in, the best items out.

>>> rec = coldbench.Recommender.load("model/")
>>> rec.recommend({"50": 5, "172": 4}, n=10)

Nothing is kept of a user: every call starts from the ratings it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench import registry, store
from coldbench.encoder import Encoder, Items
from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.method import Explanation, Method, Rated, cannot_grow, from_params
from coldbench.recommend import artefact
from coldbench.recommend.artefact import About
from coldbench.recommend.best_items import best_items
from coldbench.recommend.new_items import check_encoder, with_texts
from coldbench.recommend.ratings import One, feedback, is_one_user, made_up, places
from coldbench.recommend.titles import Titles

USERS = 256  # adapted at once
PAIRS = 2**20  # of a user and an item, scored at once
PROBED = 8  # items whose scores a loaded model must repeat
CLOSE = 1e-4  # to which it must: other threads and libraries sum in another order


class Recommendation(NamedTuple):
    item: str
    title: str
    score: float  # the expected label, in 0..1


@dataclass(frozen=True, eq=False)
class Recommender:
    """A method that has learnt, its items, and what it is."""

    method: Method[Any]
    items: Items
    about: About
    seen: NDArray[np.int64]  # (n_items,) warm users who rated each
    readme: str = ""  # the model card

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Self:
        """What `coldbench export` wrote, or the version that serves in a folder of `coldbench
        refit`. Raises UserError, in one line, where the folder is torn or mixed, of another
        version, or does not score as it did when it was exported."""
        path = artefact.serving(Path(folder))
        about, items, seen = artefact.read(path)
        kind = registry.find("methods", about.method)
        if kind.fine_tunes_encoder:
            check_encoder(about, Encoder(**about.encoder))
        items = items.to(torch.device(device))
        method = from_params(kind, about.method, about.params)
        method.load(path, items)
        loaded = cls(method, items, about, seen, artefact.read_card(path))
        loaded.check(path)
        return loaded

    @cached_property
    def catalogue(self) -> Titles:
        """`.ids` and `.titles` of the items, in one order."""
        return Titles.of(self.items.catalogue)

    @property
    def scale(self) -> tuple[float, float]:
        """The worst and the best rating."""
        return self.about.scale.low, self.about.scale.high

    @property
    def card(self) -> dict[str, Any]:
        """method, dataset, protocol, fingerprint, figures, version, and where it comes from."""
        return self.about.card | {"version": self.about.version}

    def find(self, title: str) -> str:
        """The id of the item with this title. Raises UserError, with the candidates, where several
        have it or none."""
        return self.catalogue.find(title)

    @overload
    def recommend(self, ratings: One, n: int = 10) -> list[Recommendation]: ...
    @overload
    def recommend(self, ratings: Sequence[One], n: int = 10) -> list[list[Recommendation]]: ...
    def recommend(self, ratings: Any, n: int = 10) -> Any:
        """The n best items for a user, best first, or a list of them for each of several users.

        What a user has rated is left out; items of equal score stand in the catalogue's order.
        Raises UserError for ratings that cannot be read.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UserError(f"n is how many items to recommend, 1 or more, not {n!r}")
        if is_one_user(ratings):
            return self.recommend([ratings], n)[0]
        support, names = feedback(ratings, self.about.scale, self.catalogue), self.catalogue
        return [
            [Recommendation(names.ids[at], names.titles[at], score) for at, score in best]
            for best in self.best(support, n)
        ]

    @torch.no_grad()
    def best(self, support: Feedback, n: int) -> list[list[tuple[int, float]]]:
        """Of each user the numbers and scores of the n best items, for whoever holds tensors."""
        lists: list[list[tuple[int, float]]] = []
        for at in range(0, len(support.items), USERS):
            block = support.map(lambda column, at=at: column[at : at + USERS])  # type: ignore[misc]
            block = block.to(self.items.device)
            score = partial(self.method.score, self.method.adapt(block))
            lists += best_items(score, len(self.items), block, n)
        return lists

    @overload
    def score(
        self, ratings: One, items: Sequence[str], now: Sequence[float] | None = None
    ) -> list[float]: ...
    @overload
    def score(
        self,
        ratings: Sequence[One],
        items: Sequence[Sequence[str]],
        now: Sequence[float] | None = None,
    ) -> list[list[float]]: ...
    def score(self, ratings: Any, items: Any, now: Sequence[float] | None = None) -> Any:
        """The expected labels, 0..1, of some items for a user, or of each user's own items.

        now: seconds since 1970 at which each user asks, where ratings have times; by default the
        time of their last one. Raises UserError for ratings or items that cannot be read.
        """
        if is_one_user(ratings):
            return self.score([ratings], [items], now)[0]
        if len(items) != len(ratings):
            raise UserError(f"{len(ratings)} users and {len(items)} lists of items")
        numbers = [self._numbers(of_user) for of_user in items]
        longest = max(map(len, numbers), default=0)
        padded = [row + [0] * (longest - len(row)) for row in numbers]
        asked = torch.tensor(padded, dtype=torch.int64).view(len(padded), longest)
        support = feedback(ratings, self.about.scale, self.catalogue, now)
        scores = self.scores(support, asked).tolist()
        return [row[: len(wanted)] for row, wanted in zip(scores, numbers, strict=True)]

    @torch.no_grad()
    def explain(self, ratings: One, items: Sequence[str]) -> Explanation:
        """Why these items score as they do for a user, exactly: of Q items and K ratings (1, Q) the
        base and (1, Q, K) what each rating adds, in the order in which they are given.

        Raises UserError where the method has no exact explanation.
        """
        support = feedback([ratings], self.about.scale, self.catalogue).to(self.items.device)
        explanation = self.method.explain(
            support, torch.tensor([self._numbers(items)]).to(support.items)
        )
        return replace(explanation, contributions=explanation.contributions[:, :, places(ratings)])

    def add_items(self, texts: Mapping[str, str]) -> Self:
        """With items that came after training, {id: text}, at the end of the catalogue: a new
        recommender. It scores them as if nobody had rated them, from their text; a user's rating of
        one counts like any other. Ids that were there stay as they were.

        Raises UserError for an id that is there already or a text that is none, where the items
        are known by vectors alone, and where the method cannot say anything of a new item.
        """
        if not type(self.method).grows:
            raise cannot_grow(self.about.method)
        items, about, new = with_texts(self.items, texts, self.about), self.about, len(texts)
        counts = torch.tensor(self.seen, dtype=torch.float32)
        if about.unseen:
            counts[: len(counts) - about.added] += counts[: len(counts) - about.added].mean()
        method = self.method.with_items(items, Rated(counts, about.mean))
        seen = np.concatenate([self.seen, np.zeros(new, np.int64)])
        about = replace(about, catalogue=items.catalogue.hash(), added=about.added + new)
        grown = type(self)(method, items, about, seen, self.readme)
        return replace(grown, about=replace(about, probe=grown.probe()))

    def save(self, folder: str | Path, also: Callable[[Path], object] | None = None) -> None:
        """Write the artefact, at once or not at all; `also` writes further files beside the others.
        Raises UserError where something is there."""
        whole = artefact.vacant(Path(folder))
        whole.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial = whole.absolute().with_name(f".{whole.absolute().name}-partial")
        store.remove(partial)
        partial.mkdir()
        self.method.save(partial)
        artefact.write_items(self.items, self.seen, partial)
        artefact.write_about(self.about, partial)
        artefact.write_schema(self.about, partial)
        (partial / artefact.CARD).write_text(self.readme, encoding="utf-8")
        if also:
            also(partial)
        artefact.seal(partial, whole)

    def probe(self) -> dict[str, Any]:
        """Scores of a few items for two made-up users, to be repeated when it is loaded."""
        step = max(1, len(self.items) // PROBED)
        items = list(range(0, len(self.items), step))[:PROBED]
        rated = list(range(1, len(self.items), step))[:4]
        support = made_up(rated)
        none = support.map(lambda column: column[:, :0])
        scores = [
            self.scores(given, torch.tensor([items]))[0].tolist() for given in (none, support)
        ]
        return {"rated": rated, "items": items, "scores": scores}

    def check(self, folder: Path) -> None:
        """Raises UserError where it does not score as it did when it was exported."""
        then = self.about.probe.get("scores")
        if then is None:
            return
        off = (torch.tensor(self.probe()["scores"]) - torch.tensor(then)).abs().max()
        if not off <= CLOSE:
            raise UserError(
                f"{folder}: {self.about.method} does not score as it did when it was exported (by "
                f"{float(off):.2g}): its code or a model it reads has changed; export it again"
            )

    @torch.no_grad()
    def scores(self, support: Feedback, items: Tensor) -> Tensor:
        """(B, Q) scores on the CPU of (B, Q) items by number, for whoever holds tensors already."""
        all_scores = torch.empty(items.shape)
        for at in range(0, len(items), USERS):
            block = support.map(lambda column, at=at: column[at : at + USERS])  # type: ignore[misc]
            state = self.method.adapt(block.to(self.items.device))
            asked = items[at : at + USERS]
            width = max(1, PAIRS // len(asked))
            for left in range(0, items.shape[1], width):
                part = asked[:, left : left + width].to(self.items.device)
                all_scores[at : at + USERS, left : left + width] = self.method.score(state, part)
        return all_scores

    def _numbers(self, items: Any) -> list[int]:
        if isinstance(items, str) or not isinstance(items, Sequence):
            raise UserError(f"items are a list of ids, not {items!r}"[:200])
        return [self.catalogue.number(item) for item in items]
