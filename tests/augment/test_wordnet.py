"""WordNet's files as they are published, and what becomes of damaged ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from coldbench.augment.text import swap_synonyms
from coldbench.augment.wordnet import FOLDER, PARTS, Synonyms
from coldbench.errors import Unavailable, UserError

LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by  \n"
Sense = tuple[str, ...]
LETTERS = dict(zip(PARTS, "nvar", strict=True))


def write_wordnet(folder: Path, entries: dict[str, list[tuple[str, int, list[Sense]]]]) -> Path:
    """A WordNet of a part's (lemma, senses met in texts, senses from the most frequent on)."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        letter, senses = LETTERS[part], LICENCE
        offsets: dict[Sense, str] = {}
        for sense in dict.fromkeys(s for _, _, of_lemma in entries.get(part, []) for s in of_lemma):
            offsets[sense] = f"{len(senses):08}"
            words = " ".join(f"{word} {n:x}" for n, word in enumerate(sense))
            frames = "01 + 02 00 " if part == "verb" else ""
            senses += f"{offsets[sense]} 03 {letter} {len(sense):02x} {words} 002 @ 00001740 "
            senses += f'{letter} 0000 ~ 00002137 n 0000 {frames}| a gloss; "a film | a play"  \n'
        index = LICENCE
        for lemma, met, of_lemma in sorted(entries.get(part, [])):
            at = " ".join(offsets[sense] for sense in of_lemma)
            index += f"{lemma} {letter} {len(of_lemma)} 2 @ ~ {len(of_lemma)} {met} {at}  \n"
        (folder / f"data.{part}").write_text(senses, encoding="ascii")
        (folder / f"index.{part}").write_text(index, encoding="ascii")
    return folder


MINI: dict[str, list[tuple[str, int, list[Sense]]]] = {
    "noun": [
        ("film", 2, [("movie", "film", "motion_picture", "flick"), ("film", "foil")]),
        ("big", 0, [("big", "bulk")]),
        ("quick", 1, [("quick",), ("quick", "nailbed")]),
        ("china", 1, [("China", "cathay"), ("china", "porcelain")]),
        ("motion_picture", 1, [("movie", "film", "motion_picture", "flick")]),
        ("can", 1, [("can", "tin")]),
        ("km", 0, [("kilometer", "km")]),
        ("ton", 1, [(*(f"heap{letter}" for letter in "abcdefghijklmnop"), "ton")]),
    ],
    "verb": [("film", 2, [("film", "shoot")])],
    "adj": [("big", 5, [("large", "big(a)")]), ("quick", 0, [("quick", "speedy")])],
}


def test_a_word_means_its_most_frequent_sense_in_its_most_frequent_part_of_speech(
    tmp_path: Path,
) -> None:
    words = Synonyms.read(write_wordnet(tmp_path, MINI)).of
    assert words["film"] == ("movie", "flick")  # no collocation, no second sense, no verb
    assert words["big"] == ("large",)
    assert "quick" not in words  # its most frequent sense has no other word
    assert len(words["ton"]) == 16  # counted in hexadecimal
    assert set(words) == {"film", "big", "ton"}, "neither names, nor grammar, nor units"


def test_a_folder_is_read_once(tmp_path: Path) -> None:
    first = Synonyms.read(write_wordnet(tmp_path, MINI)).of
    assert Synonyms.read(tmp_path).of is first


def test_the_surroundings_can_name_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wordnet(tmp_path / "one", {"noun": [("war", 1, [("war", "warfare")])]})
    write_wordnet(tmp_path / "two", {"noun": [("peace", 1, [("peace", "calm")])]})
    for name, word in (("one", "war"), ("two", "peace")):
        monkeypatch.setenv("COLDBENCH_WORDNET", str(tmp_path / name))
        assert list(Synonyms.read().of) == [word]


def test_without_wordnet_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    write_wordnet(tmp_path, MINI)
    (tmp_path / "data.adv").unlink()
    with pytest.raises(Unavailable) as caught:
        Synonyms.read(tmp_path)
    message = str(caught.value)
    assert "apt install wordnet-base, or set COLDBENCH_WORDNET" in message
    assert str(tmp_path) in message and "data.adv" in message and "\n" not in message


@pytest.mark.parametrize(
    ("file", "line", "column"),
    [
        ("index.noun", "", 1),
        ("index.noun", "film n 2 2 @ ~ 2", 1),  # cut short
        ("index.noun", "film n 2 two @ ~ 2 2 00000080", 1),
        ("index.noun", "film n 2 2 @ ~ 2 2 99999999", 20),  # no such sense
        ("data.verb", "00000080 03 v zz film 0 000 | gloss", 1),
        ("data.verb", "00000080 03 v 02 film 0 000 | gloss", 1),  # one word where two are said
        ("data.verb", "00000080 03 v 00 000 | gloss", 1),
        ("data.verb", "\0\0\0\xff", 1),
    ],
)
def test_a_broken_line_is_named_with_its_place(
    tmp_path: Path, file: str, line: str, column: int
) -> None:
    path = write_wordnet(tmp_path, MINI) / file
    path.write_text(path.read_text("ascii") + line + "\n", encoding="latin-1")
    number = len(path.read_text("latin-1").split("\n")) - 1
    with pytest.raises(UserError) as caught:
        Synonyms.read(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{number}:{column}: value ")
    assert "expected" in message and "fix:" in message
    assert "\n" not in message and not isinstance(caught.value, Unavailable)


HERE = Path(os.environ.get("COLDBENCH_WORDNET", FOLDER))


@pytest.mark.skipif(
    not (HERE / "data.noun").is_file(), reason=f"no WordNet in {HERE}: apt install wordnet-base"
)
@pytest.mark.slow
def test_wordnet_itself_is_read_and_means_what_one_expects() -> None:
    words = Synonyms.read(HERE)
    assert len(words.of) > 30_000
    assert words.of["movie"] == ("film", "picture", "pic", "flick")
    assert words.of["big"] == ("large",) and "warfare" in words.of["war"]
    assert not {"in", "can", "will", "who", "paris", "km"} & set(words.of)
    for word, others in words.of.items():
        assert others and word not in others
        assert all(w.isalpha() and w.islower() for w in (word, *others))
    before = ["In the War: a Big City, who will"]
    assert (
        swap_synonyms(before, 1, np.random.default_rng(0), words)[0]
        == "In the Warfare: a Large Metropolis, who will"
    )
