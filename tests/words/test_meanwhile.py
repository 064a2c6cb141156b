"""Work handed to a fork: its answer is that of doing it here, whatever becomes of the fork."""

import os
import sys
import time
from importlib import import_module
from typing import Any

import pytest

meanwhile: Any = import_module("coldbench.meanwhile")
HERE = os.getpid()
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "CORES", 2)


def dies() -> str:
    if os.getpid() != HERE:
        os._exit(3)
    return "made here"


def hangs() -> str:
    if os.getpid() != HERE:
        time.sleep(60)
    return "made here"


def raises() -> str:
    raise ValueError("no such figure")


def test_the_work_is_done_by_another_process_and_once() -> None:
    answer = meanwhile.begun(lambda: (os.getpid(), "x" * 1_000_000))
    assert answer()[0] != HERE and len(answer()[1]) == 1_000_000
    assert answer() is answer()


def test_where_a_fork_dies_the_work_is_done_here() -> None:
    assert meanwhile.begun(dies)() == "made here"


def test_where_a_fork_says_nothing_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "PATIENCE", 0.1)
    assert meanwhile.begun(hangs)() == "made here"


def test_an_error_is_raised_where_the_answer_is_asked_for() -> None:
    answer = meanwhile.begun(raises)
    with pytest.raises(ValueError, match="no such figure"):
        answer()


def test_no_more_forks_are_at_work_than_there_are_cores() -> None:
    answers = [meanwhile.begun(lambda number=number: number) for number in range(7)]
    assert len(meanwhile._running) <= 2
    assert [answer() for answer in answers] == [*range(7)]


def test_one_core_waits_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "CORES", 1)
    assert meanwhile.begun(os.getpid)() == HERE


def test_where_nothing_can_be_forked_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError("no process left")

    monkeypatch.setattr(meanwhile.os, "fork", refuse)
    assert meanwhile.begun(lambda: "made here")() == "made here"
