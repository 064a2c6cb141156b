"""Texts written otherwise: nothing is invented and nothing emptied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench.augment.text import drop_fields, drop_words, swap_synonyms, views
from coldbench.augment.wordnet import Synonyms
from coldbench.errors import UserError

ODD = ("", " ", "word " * 2_000, "🎬🍿👍 film", "שלום עולם: מלחמה, דרמה", "a\x00b\n\tc", "; : , | ")
FILM = "The Matrix (1999): Action, Sci-Fi, Thriller"
WORDS = Synonyms({"film": ("movie", "picture"), "war": ("warfare",), "straße": ("gasse",)})
texts = st.lists(st.text(st.sampled_from("ab,:;| 🎬ש\n"), max_size=30) | st.text(), max_size=5)
rates = st.sampled_from([0.0, 0.3, 0.7, 1.0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def is_part(part: list[str] | str, whole: list[str] | str) -> bool:
    """Whether `some` is left of `whole` when others are taken out, in the same order."""
    rest = iter(whole)
    return all(word in rest for word in part)


@settings(max_examples=200, deadline=None)
@given(texts, rates, st.integers(0, 9))
def test_words_that_stay_were_there_in_the_same_order_and_one_at_least_stays(
    before: list[str], rate: float, seed: int
) -> None:
    after = drop_words(before, rate, rng(seed))
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert is_part(new.split(), old.split())
        assert bool(new.split()) == bool(old.split())
        if rate == 1:
            assert len(new.split()) == min(1, len(old.split()))


@settings(max_examples=200, deadline=None)
@given(texts, rates, st.integers(0, 9))
def test_fields_that_stay_were_there_in_the_same_order_and_one_at_least_stays(
    before: list[str], rate: float, seed: int
) -> None:
    for old, new in zip(before, drop_fields(before, rate, rng(seed)), strict=True):
        assert is_part("".join(new.split()), "".join(old.split()))
        assert bool(new.strip()) == bool(old.strip())
        if new != old:
            assert new == new.strip()


@given(texts)
def test_at_rate_0_every_text_is_as_it_was(before: list[str]) -> None:
    for change in (drop_words, drop_fields):
        assert change(before, 0, rng()) == tuple(before)
    assert swap_synonyms([*before, "a film"], 0, rng(), WORDS) == (*before, "a film")


@pytest.mark.parametrize("change", [drop_words, drop_fields, swap_synonyms, views])
def test_the_same_seed_makes_the_same_texts_and_another_seed_others(change: object) -> None:
    def changed(seed: int) -> object:
        if change is views:
            return views([FILM] * 20, 3, rng(seed), rate=0.5, words=WORDS)
        if change is swap_synonyms:
            return swap_synonyms(["film"] * 20, 0.5, rng(seed), WORDS)
        return (drop_words if change is drop_words else drop_fields)([FILM] * 20, 0.5, rng(seed))

    assert changed(1) == changed(1)
    assert changed(1) != changed(2)


def test_odd_texts_come_out_whole() -> None:
    for view in views(ODD, 3, rng(), rate=0.5, words=WORDS):
        assert [bool(text.strip()) for text in view] == [bool(text.strip()) for text in ODD]
        assert 4_000 < len(view[2]) < 6_000  # about half of 10 kB
        assert set(view[4].replace(",", " ").replace(":", " ").split()) <= set(
            ODD[4].replace(",", " ").replace(":", " ").split()
        )


def test_words_are_dropped_at_the_rate_that_was_asked_for() -> None:
    (after,) = drop_words(["word " * 10_000], 0.2, rng())
    assert len(after.split()) == pytest.approx(8_000, abs=160)  # four standard deviations


MIXTURES = {
    "A film: b, c | d": (
        *("A film: b, c | d", "A film: b, c", "A film: b | d", "A film: c | d", "b, c | d"),
        *("A film: b", "A film: c", "A film | d", "b, c", "b | d", "c | d", "A film", "b", "c"),
        "d",
    ),
    # blanks around a field go with its neighbour
    "A ;  b ,  c": ("A ;  b ,  c", "A; b", "A; c", "b, c", "A", "b", "c"),
}


@pytest.mark.parametrize("text", MIXTURES)
def test_every_mixture_of_fields_reads_cleanly(text: str) -> None:
    assert set(drop_fields([text] * 300, 0.5, rng())) == set(MIXTURES[text])


def test_a_colon_or_comma_inside_a_word_sets_no_field_apart() -> None:
    before = ["Se7en:remix 10,000|x at 12:30"]
    assert drop_fields(before, 1, rng()) == tuple(before)


def test_a_synonym_is_written_like_the_word_it_stands_for() -> None:
    before = ["A War film, WAR; Film's war-time filmwar", "McFilm wAr war", "Straße"]
    assert swap_synonyms(before, 1, rng(4), WORDS) == (
        "A Warfare picture, WARFARE; Film's war-time filmwar",
        "McFilm wAr warfare",
        "Gasse",
    )


def test_each_synonym_comes_as_often_as_the_others() -> None:
    (after,) = swap_synonyms(["film " * 1_000], 0.5, rng(), WORDS)
    counts = {word: after.split().count(word) for word in ("film", "movie", "picture")}
    assert counts["film"] == pytest.approx(500, abs=70)
    assert counts["movie"] == pytest.approx(250, abs=60)


def test_views_are_copies_that_differ_and_without_synonyms_use_only_the_texts_own_words() -> None:
    before = (FILM, "War film")
    copies = views(before, 4, rng(), rate=0.3)
    assert len(copies) == 4 and all(len(view) == 2 for view in copies)
    assert len(set(copies)) > 1
    separated = FILM.replace(",", "").replace(":", "").split()
    for view in copies:
        assert is_part(view[0].replace(",", "").replace(":", "").split(), separated)
    whole = [view[0] for view in views(["a b c d e f, g h i j k l"], 40, rng(), rate=0.3)]
    assert any(len(text) > 3 and not set("abcdef") & set(text) for text in whole)  # a field
    assert any(set("abcdef") & set(text) and set("ghijkl") & set(text) for text in whole)
    swapped = views(before, 4, rng(), rate=0.3, words=WORDS)
    assert "warfare" in " ".join(view[1].lower() for view in swapped)


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_rate_beyond_0_to_1_is_refused(rate: float) -> None:
    for change in (drop_words, drop_fields):
        with pytest.raises(UserError, match=r"lies in 0\.\.1, not"):
            change([], rate, rng())
    with pytest.raises(UserError, match=r"lies in 0\.\.1, not"):
        swap_synonyms([], rate, rng(), WORDS)
