"""Synonyms from WordNet 3's database files, for words whose part of speech is not known.

A word means what it mostly means: the first sense, and the part of speech with the most senses
that were met in texts. Names, and words that carry grammar rather than meaning, have none.

Miller, "WordNet: A Lexical Database for English" (1995), doi:10.1145/219717.219748; the format:
`man 5WN wndb`. Debian's package wordnet-base has the files.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from coldbench.errors import BadFile, Problem, Unavailable

FOLDER = "/usr/share/wordnet"  # where wordnet-base puts the files
PARTS = ("noun", "verb", "adj", "adv")  # of equals the first
# Words that WordNet knows only in another meaning: a tin (can), a testament (will)
GRAMMAR = frozenset(
    "about above across after all along also any are around away before behind being below between "
    "but can done down each even ever have here inside just like may might most must near not now "
    "off once one only out outside over own round some then there through till too under very "
    "while why will within yet".split(" ")
)


@dataclass(frozen=True)
class Synonyms:
    """What else a word may be called: single words in lower case, itself not among them."""

    of: Mapping[str, tuple[str, ...]]  # only words that have one

    @classmethod
    def read(cls, folder: Path | None = None) -> Self:
        """Those of a folder with WordNet's index.* and data.*, kept once read.

        folder: None: `$COLDBENCH_WORDNET`, else where Debian has it. Raises Unavailable where the
        files are not there, BadFile where a line is not in WordNet's format.
        """
        return cls(_read(folder or Path(os.environ.get("COLDBENCH_WORDNET", FOLDER))))


@cache
def _read(folder: Path) -> Mapping[str, tuple[str, ...]]:
    absent = [f"{k}.{p}" for p in PARTS for k in ("index", "data") if not _file(folder, k, p)]
    if absent:
        raise Unavailable(
            f"no WordNet in {folder} ({absent[0]} is missing): "
            "apt install wordnet-base, or set COLDBENCH_WORDNET"
        )
    mostly: dict[str, tuple[int, tuple[str, ...]]] = {}  # word -> senses met, words of the first
    for part in PARTS:
        for word, met, words in _first_senses(folder, part):
            if word not in mostly or met > mostly[word][0]:
                mostly[word] = met, words
    return {
        word: others
        for word, (_, words) in mostly.items()
        # a word that its sense spells with a capital is a name there
        if word in words and (others := tuple(w for w in words if _plain(w) and w != word))
    }


def _first_senses(folder: Path, part: str) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Of each plain word: it, how many of its senses were met, the words of the most frequent."""
    senses = _senses(folder / f"data.{part}")
    path = folder / f"index.{part}"
    for number, line in _lines(path):
        fields = line.split()
        try:
            pointers = int(fields[3])
            met, first = int(fields[5 + pointers]), fields[6 + pointers]
            words = senses[first]
        except (IndexError, ValueError) as error:
            shape = "lemma pos synset_cnt p_cnt [symbols] sense_cnt tagsense_cnt offsets"
            raise _wrong(path, number, line, line, shape) from error
        except KeyError as error:
            expected = f"the offset of a line of data.{part}"
            raise _wrong(path, number, line, first, expected) from error
        if _plain(fields[0]):
            yield fields[0], met, words


def _senses(path: Path) -> dict[str, tuple[str, ...]]:
    """offset -> the words of one sense, spelled as in the file."""
    senses = {}
    for number, line in _lines(path):
        fields = line.split(" ")
        try:
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            int(fields[4 + 2 * len(words)])  # the number of pointers stands where the words end
            if not words:
                raise ValueError("a sense without words")
        except (IndexError, ValueError) as error:
            shape = "offset lex_filenum ss_type w_cnt word lex_id ... p_cnt ... | gloss"
            raise _wrong(path, number, line, line, shape) from error
        senses[fields[0]] = tuple(word.partition("(")[0] for word in words)  # "galore(ip)"
    return senses


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1, and the lines below the licence, which is indented."""
    with path.open(encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            if not line.startswith("  "):
                yield number, line.rstrip()


def _plain(word: str) -> bool:
    """No name, no collocation, no grammar, and no unit or symbol: those have a letter or two."""
    return len(word) > 2 and word.isalpha() and word.islower() and word not in GRAMMAR


def _file(folder: Path, kind: str, part: str) -> bool:
    return (folder / f"{kind}.{part}").is_file()


def _wrong(path: Path, number: int, line: str, value: str, expected: str) -> BadFile:
    fix = "apt install --reinstall wordnet-base, or set COLDBENCH_WORDNET"
    return BadFile([Problem(str(path), number, line.find(value) + 1, value, expected, fix)])
