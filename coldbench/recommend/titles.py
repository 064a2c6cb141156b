"""The items of a catalogue as people name them: by id, or by title."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from coldbench.errors import UserError
from coldbench.interactions import Catalogue

SHOWN = 12  # candidates that an error lists
COMPARED = 20_000  # titles at most that are compared letter by letter, for "did you mean"
WORD = re.compile(r"\w+")
ARTICLES = ("the", "a", "an")
YEAR = re.compile(r" \(\d{4}\)$")


@dataclass(frozen=True)
class Titles:
    """What each item is called. A title is the item's text without the tags at its end."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Titles":
        pairs = zip(catalogue.text, catalogue.tags, strict=True)
        cut = (text.removesuffix(f": {', '.join(tags)}") for text, tags in pairs)
        return cls(catalogue.ids, tuple(cut))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def at(self) -> dict[str, int]:
        """id -> the item's number."""
        return {item: number for number, item in enumerate(self.ids)}

    def number(self, item: str) -> int:
        """The number of an item by its id. Raises UserError, naming the nearest id."""
        number = self.at.get(item) if isinstance(item, str) else None
        if number is None:
            raise self.unknown(item)
        return number

    def find(self, title: str) -> str:
        """The id of the one item that a title means: the title itself, the title without year or
        article, how a title begins, words of it; the first of these that any item fits.

        Raises UserError where several fit, or none, and lists the candidates.
        """
        asked = _words(title)
        if asked:
            for fits in (_is, _is_but_for_year, _begins, _has):
                hits = [at for at, words in enumerate(self._words) if fits(self, at, words, asked)]
                if len(hits) == 1:
                    return self.ids[hits[0]]
                if hits:
                    raise UserError(
                        f"{title!r} is the title of {len(hits):,} items: {self._shown(hits)}; "
                        "name one by its id"
                    )
        raise self.unknown(title)

    def item(self, name: str) -> str:
        """The id of an item by its id or else by its title. Raises as `find` does."""
        return name if name in self.at else self.find(name)

    def unknown(self, item: object) -> UserError:
        if not isinstance(item, str):
            return UserError(f"an item is its id, a text such as {self.ids[0]!r}, not {item!r}")
        near: list[str] = []
        if len(self) <= COMPARED:
            folded = {" ".join(words): at for at, words in enumerate(self._words)}
            close = get_close_matches(" ".join(_words(item)), list(folded), n=3, cutoff=0.5)
            near = [self._shown([folded[words]]) for words in close]
        hint = f"; did you mean {', or '.join(near)}?" if near else ""
        return UserError(f"no item {item[:60]!r} among {len(self):,}{hint}")

    @cached_property
    def _words(self) -> list[tuple[str, ...]]:
        return [_words(title) for title in self.titles]

    def _shown(self, numbers: list[int]) -> str:
        more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
        named = (f"{self.ids[at]} {self.titles[at][:60]!r}" for at in numbers[:SHOWN])
        return ", ".join(named) + more


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.casefold()))


def _is(titles: Titles, at: int, words: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    return words == asked


def _is_but_for_year(
    titles: Titles, at: int, words: tuple[str, ...], asked: tuple[str, ...]
) -> bool:
    title = words[:-1] if YEAR.search(titles.titles[at]) else words
    return _bare(title) == _bare(asked)


def _bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without an article at either end: "Godfather, The"."""
    if words and words[0] in ARTICLES:
        return words[1:]
    return words[:-1] if words and words[-1] in ARTICLES else words


def _begins(titles: Titles, at: int, words: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    return words[: len(asked)] == asked


def _has(titles: Titles, at: int, words: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    return set(asked) <= set(words)
