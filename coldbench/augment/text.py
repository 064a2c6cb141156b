"""Other ways to write the same item: words or fields left out, words replaced by synonyms.

A few labels then tell of the item's kind rather than of its wording. Dropping and replacing words:
Wei & Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification
Tasks" (2019), arXiv:1901.11196. Fields are our own: an item's text is title, genre, maker, price.

Everything here takes n_items texts and returns as many, in their order; rates lie in 0..1. Nothing
is written that was not in the text but synonyms, and no text that says something comes out empty.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldbench.augment.wordnet import Synonyms
from coldbench.errors import UserError

Texts = tuple[str, ...]

SEPARATORS = (" | ", "; ", ": ", ", ")  # between fields, the widest gap first
FIELDS = re.compile(f"({'|'.join(map(re.escape, SEPARATORS))})")
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # "Sci-Fi" and "Children's" are one each


def drop_words(texts: Sequence[str], rate: float, rng: np.random.Generator) -> Texts:
    """Each word is left out with chance `rate`; of one or more words one at least stays.

    A word is what white space sets apart, its punctuation included. Where any was left out, single
    blanks stand between the others.
    """
    _check(rate)
    dropped = []
    for text in texts:
        words = text.split()
        kept = [words[i] for i in _stays(len(words), rate, rng)]
        dropped.append(text if len(kept) == len(words) else " ".join(kept))
    return tuple(dropped)


def drop_fields(texts: Sequence[str], rate: float, rng: np.random.Generator) -> Texts:
    """Each field is left out with chance `rate`; of one or more fields one at least stays.

    A field is what ": ", "; ", " | " or ", " sets apart. Between two that stay is the widest
    separator that was between them: "A: b, c" without b reads "A: c". Blank fields go with others.
    """
    _check(rate)
    dropped = []
    for text in texts:
        parts = FIELDS.split(text)  # fields at even places, separators at odd ones
        filled = [place for place in range(0, len(parts), 2) if parts[place].strip()]
        stays = [filled[i] for i in _stays(len(filled), rate, rng)]
        dropped.append(text if len(stays) == len(filled) else _joined(parts, stays))
    return tuple(dropped)


def swap_synonyms(
    texts: Sequence[str], rate: float, rng: np.random.Generator, words: Synonyms
) -> Texts:
    """Each word that has synonyms is replaced by one of them with chance `rate`.

    Written like the word it stands for: lower, Capitalised or UPPER case; words in another mixture
    ("McDonald") are names and stay.
    """

    _check(rate)

    def swapped(match: re.Match[str]) -> str:
        others = words.of.get(match[0].lower(), ())
        if not others or rng.random() >= rate:
            return match[0]
        return _cased(others[rng.integers(len(others))], match[0])

    return tuple(WORD.sub(swapped, text) for text in texts)


def views(
    texts: Sequence[str],
    copies: int,
    rng: np.random.Generator,
    *,
    rate: float = 0.1,  # of each change; EDA's for small sets
    words: Synonyms | None = None,  # None: nothing is replaced
) -> tuple[Texts, ...]:
    """(copies, n_items) texts, each copy changed anew: fields left out, then words, then synonyms.

    For a method that learns from a support item in several wordings:
    `[items.encoder.embed(list(view)) for view in views(items.catalogue.text, 3, rng)]`. The items
    that it is asked for keep the text they have.
    """
    augmented = []
    for _ in range(copies):
        view = drop_words(drop_fields(texts, rate, rng), rate, rng)
        augmented.append(view if words is None else swap_synonyms(view, rate, rng, words))
    return tuple(augmented)


def _stays(count: int, rate: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which of `count` stay, in order: one at least, if there is one."""
    stays = np.flatnonzero(rng.random(count) >= rate)
    return stays if len(stays) or not count else rng.integers(count, size=1)


def _joined(parts: list[str], stays: list[int]) -> str:
    text = parts[stays[0]].strip()
    for before, place in pairwise(stays):
        widest = min(parts[before + 1 : place : 2], key=SEPARATORS.index)
        text += widest + parts[place].strip()
    return text


def _cased(other: str, word: str) -> str:
    """The synonym written as the word is; the word itself where it is written like no other."""
    if word == word.lower():
        return other
    if word == word.capitalize():
        return other.capitalize()
    return other.upper() if word == word.upper() else word


def _check(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise UserError(f"an augmentation's rate lies in 0..1, not {rate}")
