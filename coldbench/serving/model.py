"""The model that a folder holds now: loaded, tried once, and asked for many users at a time."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coldbench.errors import UserError
from coldbench.recommender import Recommender

from .schema import ToRecommend, ToScore

CURRENT = "current"  # a link of a folder that was refitted: to the version that serves
Json = dict[str, Any]


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
        found = Recommender.load(where, device)
        first, rated = found.catalogue.ids[0], {found.catalogue.ids[0]: found.scale[1]}
        found.recommend([{}, rated], n=1)
        unexplained = ""
        try:
            found.explain(rated, [first])
        except UserError as error:
            unexplained = str(error)
        return cls(found, f"{where.name}-{found.card['fingerprint'][:8]}", unexplained)

    def facts(self) -> Json:
        card, catalogue = self.recommender.card, self.recommender.catalogue
        return {
            "model": self.name, "method": card["method"], "dataset": card["dataset"],
            "items": len(catalogue.ids), "scale": self.recommender.scale,
            "explains": not self.unexplained,
        }  # fmt: skip

    @cached_property
    def at(self) -> dict[str, int]:
        return {item: at for at, item in enumerate(self.recommender.catalogue.ids)}

    def title(self, item: str) -> str:
        return self.recommender.catalogue.titles[self.at[item]]

    def check(self, ratings: Any, items: tuple[str, ...] | list[str] = ()) -> None:
        """Refuses one request, before it joins others in a batch. Raises UserError."""
        low, high = self.recommender.scale
        rows = ratings.items() if isinstance(ratings, dict) else ratings
        seen = set()
        for item, rating, *_ in rows:
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
        found = [
            at
            for at, title in enumerate(catalogue.titles)
            if all(word in title.casefold() for word in asked)
        ]
        found.sort(key=lambda at: (catalogue.ids[at] != words, len(catalogue.titles[at])))
        exact = self.at.get(words.strip())
        order = [exact, *(at for at in found if at != exact)] if exact is not None else found
        return [_named(catalogue.ids[at], catalogue.titles[at]) for at in order[:limit]]

    def recommend(self, asked: list[ToRecommend]) -> list[Json]:
        best = self.recommender.recommend([one.ratings for one in asked], n=max(a.n for a in asked))
        return [
            self._answer(one.ratings, [(r.item, r.score) for r in found[: one.n]], one.explain)
            for one, found in zip(asked, best, strict=True)
        ]

    def score(self, asked: list[ToScore]) -> list[Json]:
        return [
            self._answer(one.ratings, list(zip(one.items, scores, strict=True)), False)
            for one, scores in zip(asked, self._scores(asked), strict=True)
        ]

    def explain(self, asked: list[ToScore]) -> list[Json]:
        return [
            self._answer(one.ratings, list(zip(one.items, scores, strict=True)), True)
            for one, scores in zip(asked, self._scores(asked), strict=True)
        ]

    def _scores(self, asked: list[ToScore]) -> list[list[float]]:
        return self.recommender.score([a.ratings for a in asked], [a.items for a in asked])

    def _answer(self, ratings: Any, scored: list[tuple[str, float]], explain: bool) -> Json:
        rows = [{**_named(item, self.title(item)), "score": score} for item, score in scored]
        if explain and rows and not self.unexplained:
            reasons = self.recommender.explain(ratings, [item for item, _ in scored])
            names = list(ratings) if isinstance(ratings, dict) else [row[0] for row in ratings]
            for at, row in enumerate(rows):
                adds = reasons.contributions[0, at].tolist()
                parts = [
                    {**_named(i, self.title(i)), "adds": a}
                    for i, a in zip(names, adds, strict=True)
                ]
                parts.sort(key=lambda part: -part["adds"])
                row["why"] = {
                    "base": float(reasons.base[0, at]),
                    "unit": reasons.unit,
                    "contributions": parts,
                }
        return {"model": self.name, "items": rows}


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
