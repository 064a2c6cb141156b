"""The model that a folder holds now: loaded, tried once, and asked for many users at a time."""

from dataclasses import dataclass, replace
from json import JSONEncoder
from pathlib import Path
from typing import Any

import torch

from coldbench.errors import UserError
from coldbench.recommend.ratings import Row, padded, rows
from coldbench.recommend.recommender import Recommender

from .schema import ToRecommend, ToScore

CURRENT = "current"  # a link of a folder that was refitted: to the version that serves
Json = dict[str, Any]
json = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Asking:
    """A request, in the numbers of the model that read it."""

    ratings: Any  # as they came
    rows: list[Row]
    items: list[int]
    n: int = 0
    explain: bool = False


@dataclass(frozen=True, eq=False)
class Served:
    """A recommender, the name that its answers are signed with, and its calls for a batch."""

    recommender: Recommender
    name: str
    unexplained: str  # why it cannot explain; "" where it can

    @classmethod
    def of(cls, folder: Path, device: str = "cpu") -> "Served":
        """Loaded, and tried: the first request is as quick as the next, and a model that loads but
        cannot answer is never taken. Raises UserError."""
        where = place(folder)
        rec = Recommender.load(where, device)
        first, rated = rec.catalogue.ids[0], {rec.catalogue.ids[0]: rec.scale[1]}
        rec.recommend([{}, rated], n=1)
        unexplained = ""
        try:
            rec.explain(rated, [first])
        except UserError as error:
            unexplained = str(error)
        return cls(rec, f"{where.name}-{rec.card['fingerprint'][:8]}", unexplained)

    def facts(self) -> Json:
        card, catalogue = self.recommender.card, self.recommender.catalogue
        return {
            "model": self.name, "method": card["method"], "dataset": card["dataset"],
            "items": len(catalogue.ids), "scale": self.recommender.scale,
            "explains": not self.unexplained,
        }  # fmt: skip

    @property
    def at(self) -> dict[str, int]:
        return self.recommender.catalogue.at

    def title(self, item: str) -> str:
        return self.recommender.catalogue.titles[self.at[item]]

    def read(self, body: ToRecommend | ToScore) -> Asking:
        """A request in the model's own numbers, before it joins others in a batch. Raises
        UserError."""
        asked = body.items if isinstance(body, ToScore) else []
        self._check(body.ratings, asked)
        rated = rows(body.ratings, self.recommender.about.scale, self.recommender.catalogue)
        numbers = [self.at[item] for item in asked]
        if isinstance(body, ToScore):
            return Asking(body.ratings, rated, numbers)
        return Asking(body.ratings, rated, numbers, body.n, body.explain)

    def read_to_explain(self, body: ToScore) -> Asking:
        if self.unexplained:
            raise UserError(self.unexplained)
        return replace(self.read(body), explain=True)

    def _check(self, ratings: Any, items: list[str]) -> None:
        low, high = self.recommender.scale
        pairs = ratings.items() if isinstance(ratings, dict) else ratings
        seen = set()
        for item, rating, *_ in pairs:
            if not low <= rating <= high:
                raise UserError(
                    f"the rating {rating:g} of {item[:60]!r} is off the scale, {low:g} to {high:g}"
                )
            if item in seen:
                raise UserError(f"{item[:60]!r} is rated twice: leave one out")
            seen.add(item)
        for item in (*seen, *items):
            if item not in self.at:
                raise UserError(f"no item {item[:60]!r} in the catalogue: GET /items?q= finds ids")

    def titles(self, words: str, limit: int) -> list[Json]:
        """Items whose titles have all the words, the shortest first; or whose id is just that."""
        catalogue, asked = self.recommender.catalogue, words.casefold().split()
        matches = [
            at
            for at, title in enumerate(catalogue.titles)
            if all(word in title.casefold() for word in asked)
        ]
        matches.sort(key=lambda at: (catalogue.ids[at] != words, len(catalogue.titles[at])))
        exact = self.at.get(words.strip())
        order = [exact, *(at for at in matches if at != exact)] if exact is not None else matches
        return [_named(catalogue.ids[at], catalogue.titles[at]) for at in order[:limit]]

    def recommend(self, asked: list[Asking]) -> list[bytes]:
        support = padded([asking.rows for asking in asked])
        best = self.recommender.best(support, max(asking.n for asking in asked))
        return [self._answer(o, best_of[: o.n]) for o, best_of in zip(asked, best, strict=True)]

    def score(self, asked: list[Asking]) -> list[bytes]:
        longest = max(len(asking.items) for asking in asked)
        items = torch.tensor(
            [asking.items + [0] * (longest - len(asking.items)) for asking in asked]
        )
        scores = self.recommender.scores(padded([asking.rows for asking in asked]), items).tolist()
        return [
            self._answer(asking, list(zip(asking.items, of_user, strict=False)))
            for asking, of_user in zip(asked, scores, strict=True)
        ]

    explain = score

    def _answer(self, asked: Asking, scored: list[tuple[int, float]]) -> bytes:
        names = self.recommender.catalogue
        listed: list[Json] = [
            {"item": names.ids[at], "title": names.titles[at], "score": score}
            for at, score in scored
        ]
        if asked.explain and listed and not self.unexplained:
            self._explain(asked.ratings, listed)
        return json({"model": self.name, "items": listed}).encode()

    def _explain(self, ratings: Any, listed: list[Json]) -> None:
        reasons = self.recommender.explain(ratings, [row["item"] for row in listed])
        names = list(ratings) if isinstance(ratings, dict) else [row[0] for row in ratings]
        for at, row in enumerate(listed):
            adds = reasons.contributions[0, at].tolist()
            parts = [
                {**_named(i, self.title(i)), "adds": a} for i, a in zip(names, adds, strict=True)
            ]
            parts.sort(key=lambda part: -part["adds"])
            row["why"] = {
                "base": float(reasons.base[0, at]), "unit": reasons.unit, "contributions": parts,
            }  # fmt: skip


def _named(item: str, title: str) -> Json:
    return {"item": item, "title": title}


def place(folder: Path) -> Path:
    """The folder of the model itself: where `current` leads, where there is such a link."""
    return (folder / CURRENT if (folder / CURRENT).exists() else folder).resolve()


def stamp(folder: Path) -> tuple[Any, ...]:
    """What changes when another model lies there: which folder it is, and its files."""
    where = place(folder)
    try:
        files = [(path.name, path.stat()) for path in sorted(where.iterdir())]
    except OSError:  # it is being replaced
        return (where, "unreadable")
    return (where, *((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in files))
