"""A title finds its item, and says where it cannot."""

import pytest

from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.recommend.titles import Titles

TEXTS = (
    "Star Wars (1977): Action", "Star Trek (1979): Action", "The Godfather (1972): Crime",
    "The Godfather: Part II (1974): Crime", "Chasing Amy (1997): Drama",
    "Chasing Amy (1997): Romance", "Fargo (1996): ",
)  # fmt: skip
TAGS = tuple((text.rpartition(": ")[2],) for text in TEXTS)
TITLES = Titles.of(Catalogue(tuple("abcdefg"), TEXTS, TAGS))


def test_a_title_is_the_text_without_its_tags() -> None:
    assert TITLES.titles[3] == "The Godfather: Part II (1974)"


@pytest.mark.parametrize(
    ("asked", "item"),
    [
        ("Star Wars (1977)", "a"),
        ("star wars", "a"),
        ("Wars", "a"),
        ("The Godfather", "c"),
        ("Godfather", "c"),
        ("Godfather, The", "c"),
        ("godfather part", "d"),
        *((asked, None) for asked in ("far: go", "", "...", "zzz")),
        ("Fargo", "g"),
    ],
)
def test_a_title_finds_its_item(asked: str, item: str | None) -> None:
    if item is None:
        with pytest.raises(UserError, match="no item"):
            TITLES.find(asked)
    else:
        assert TITLES.find(asked) == item


def test_several_items_of_one_title_are_all_told() -> None:
    with pytest.raises(UserError, match=r"2 items: e 'Chasing Amy \(1997\)', f 'Chasing Amy"):
        TITLES.find("Chasing Amy")
    with pytest.raises(UserError, match=r"a 'Star Wars \(1977\)', b 'Star Trek \(1979\)'"):
        TITLES.find("Star")


def test_a_title_with_a_slip_gets_a_hint() -> None:
    with pytest.raises(UserError, match="did you mean a 'Star Wars"):
        TITLES.find("Str Wrs 1977")
