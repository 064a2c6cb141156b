"""The fuzzed parsers without a fuzzer: their seeds, some bent seeds, and what fuzzing has found."""

import random
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.errors import UserError

HERE = Path(__file__).with_name("fuzz")
fuzz: dict[str, Any] = runpy.run_path(str(HERE / "targets.py"))
TARGETS: dict[str, Callable[[bytes], None]] = fuzz["TARGETS"]
SEEDS: dict[str, list[bytes]] = fuzz["SEEDS"]
MARK: bytes = fuzz["MARK"]
BENT = 200  # inputs of each target


def bent(chance: random.Random, content: bytes) -> bytes:
    """The content after one to four accidents."""
    for _ in range(chance.randint(1, 4)):
        first, last = sorted(chance.choices(range(len(content) + 1), k=2))
        token = chance.choice(fuzz["TOKENS"])
        content = {
            "put in": content[:first] + token + content[first:],
            "put over": content[:first] + token + content[first + len(token) :],
            "left out": content[:first] + content[min(last, first + 40) :],
            "twice": content[:last] + content[first:],
            "cut short": content[: max(first, 1)],
            "a byte": content[:first] + bytes([chance.randrange(256)]) + content[first + 1 :],
        }[chance.choice(["put in", "put over", "left out", "twice", "cut short", "a byte"])]
    return content


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_sound(tmp_path: Path, name: str) -> None:
    for number, seed in enumerate(SEEDS[name]):
        place = tmp_path / str(number)
        place.mkdir()
        fuzz["PARSERS"][name](seed, place)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_bent_seeds_end_in_a_sound_result_or_in_one_line(name: str) -> None:
    chance = random.Random(name)
    for number in range(BENT):
        content = bent(chance, SEEDS[name][number % len(SEEDS[name])])
        try:
            TARGETS[name](content)
        except BaseException:
            print(f"{name} is broken by {content!r}")
            raise


def test_every_loader_of_files_is_fuzzed() -> None:
    assert set(registry.names("datasets")) - {"synthetic"} <= set(TARGETS), "add seeds"


@pytest.mark.parametrize("error", [ValueError("x"), UserError("two\nlines"), KeyError("x")])
def test_a_parser_that_fails_otherwise_is_caught(error: Exception) -> None:
    def parse(content: bytes, place: Path) -> None:
        raise error

    with pytest.raises((ValueError, AssertionError, KeyError)):
        fuzz["_run"](parse, b"")
    fuzz["_run"](lambda *_: _raise(UserError("one line")), b"")


def _raise(error: Exception) -> None:
    raise error


def test_without_atheris_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = runpy.run_path(str(HERE / "run.py"))["main"]
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["run.py"])
    assert main() == 2
    assert capsys.readouterr().err == "fuzzing needs atheris: pip install 'coldbench[fuzz]'\n"
