"""UN votes, on made-up tables in R's own form; with COLDBENCH_TEST_DATA, the original's counts."""

import runpy
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.dataset import File
from coldbench.errors import UserError
from coldbench.files.locate import sha256
from coldbench.interactions import SECOND

seeds: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "fuzz/_seeds.py"))
votes = seeds["un_votes"]
loader: Any = import_module("coldbench.datasets.un_votes")


@pytest.fixture
def put(shelves: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Three files, one after the other, where the loader finds them."""

    def placed(content: bytes) -> None:
        (shelves / "un-votes").mkdir()
        for name, part in zip(
            ("VOTES", "CALLS", "ISSUES"), content.split(seeds["MARK"]), strict=True
        ):
            file: File = getattr(loader, name)
            path = shelves / "un-votes" / file.name
            path.write_bytes(part)
            monkeypatch.setattr(loader, name, replace(file, sha256=sha256(path)))

    return placed


def test_a_country_says_yes_no_or_neither_to_a_resolution_of_its_day(
    put: Callable[[bytes], None],
) -> None:
    put(votes())
    log, resolutions = registry.find("datasets", "un-votes")().load()
    assert log.users.tolist() == [0, 0, 1]
    assert [resolutions.ids[item] for item in log.items] == ["3", "4", "3"]
    assert log.ratings.tolist() == [1.0, 0.5, 0.0]
    assert (log.times / SECOND / 86_400).tolist() == [-8766, 4000, -8766], "before 1970 too"
    assert resolutions.text == ("To drain ponds", "REEDS")
    assert resolutions.tags == ((), ("Moss",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (votes(days=-9000.0), "un_roll_calls.rda: .*a date before 1946"),
        (votes(days=float("nan")), "un_roll_calls.rda: .*a date before 1946"),
        (votes().replace(b"abstain", b"perhaps"), "un_votes.rda: .*perhaps"),
        (
            votes().replace(b"\0\0\0\x02Ur", b"\0\0\0\x02U\n"),
            "a country without a name",
        ),
        (votes().replace(b"rcid", b"rkid"), "un_votes.rda: .*rcid"),
        (votes()[:-9], "un_roll_call_issues.rda: .*fix: get it again"),
    ],
)
def test_what_is_wrong_with_a_table_of_votes_is_named(
    put: Callable[[bytes], None], content: bytes, message: str
) -> None:
    put(content)
    with pytest.raises(UserError, match=message) as error:
        registry.find("datasets", "un-votes")().load()
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_the_original_has_texts_of_179_letters_and_three_answers(
    originals: Callable[[str], Path],
) -> None:
    shelf = originals("un-votes")
    if not all((shelf / file.name).is_file() for file in loader.UNVotes.files):
        pytest.skip(f"{shelf} has no un-votes")
    log, resolutions = registry.find("datasets", "un-votes")().load()
    assert round(sum(map(len, resolutions.text)) / len(resolutions)) == 179
    assert set(log.ratings.tolist()) == {0.0, 0.5, 1.0}
