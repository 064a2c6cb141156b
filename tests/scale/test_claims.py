"""Claims: one worker has a cell; a dead one's is taken over; a slow one finds that it lost it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.errors import UserError

claims: Any = import_module("coldbench.benchmarks.claims")
identity: Any = import_module("coldbench.benchmarks.identity")
HOUR = 3600.0


def claim_of(run: Path, name: str, **changes: Any) -> Path:
    """A claim that a worker of another machine has left: by a link, as workers do."""
    worker: dict[str, Any] = {
        "name": "9-abc", "host": "n9", "machine": "another", "pid": 9, "born": 1, "job": "",
        "jobs": 1,
    }  # fmt: skip
    for room in ("workers", "claims"):
        (run / room).mkdir(exist_ok=True)
    path = run / "workers" / worker["name"]
    path.write_text(json.dumps(worker | changes), encoding="utf-8")
    os.link(path, run / "claims" / name)
    return run / "claims" / name


def expire(place: Path, now: float | None = None) -> None:
    """As if nobody had touched it for long enough."""
    old = (now or time.time()) - claims.EXPIRY - 1
    os.utime(place, (old, old))


def test_a_claim_is_one_workers_until_it_is_given_back(tmp_path: Path) -> None:
    with claims.Claims(tmp_path) as worker, claims.Claims(tmp_path) as other:
        assert worker.take("cell") and not other.take("cell")
        worker.release("cell")
        assert other.take("cell") and not worker.holds("cell")


def test_a_worker_that_asks_again_for_its_own_claim_has_it(tmp_path: Path) -> None:
    # the reply to a link may be lost by a network, and the link is there
    with claims.Claims(tmp_path) as worker:
        assert worker.take("cell") and worker.take("cell")


def test_of_many_workers_that_ask_at_once_one_gets_each_claim(tmp_path: Path) -> None:
    names, got = [f"cell-{n}" for n in range(50)], Counter[str]()
    workers = [claims.Claims(tmp_path).__enter__() for _ in range(8)]

    def ask(worker: Any) -> None:
        got.update(name for name in names if worker.take(name))

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.__exit__()
    assert got == Counter(names)


def test_a_live_claim_of_another_machine_is_left_alone_and_an_old_one_is_taken(
    tmp_path: Path,
) -> None:
    place = claim_of(tmp_path, "cell")
    with claims.Claims(tmp_path) as worker:
        assert not worker.take("cell")
        expire(place)
        assert worker.take("cell") and worker.holds("cell")


def test_the_claim_of_a_process_of_this_machine_that_has_ended_is_taken_at_once(
    tmp_path: Path,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = identity._born(process.pid)
        owner = {"machine": identity._machine(), "pid": process.pid, "born": born}
        claim_of(tmp_path, "cell", **owner)
        with claims.Claims(tmp_path) as one:
            assert not one.take("cell")
            process.kill()
            process.wait()
            assert one.take("cell")


def test_a_process_number_that_is_used_again_keeps_no_claim_alive(tmp_path: Path) -> None:
    process = {"machine": identity._machine(), "pid": os.getpid(), "born": 1}
    claim_of(tmp_path, "cell", **process)
    with claims.Claims(tmp_path) as worker:
        assert worker.take("cell")


def test_a_torn_claim_is_another_workers_until_it_has_expired(tmp_path: Path) -> None:
    place = claim_of(tmp_path, "cell")
    place.write_bytes(b'{"name": "9-a')
    with claims.Claims(tmp_path) as worker:
        assert not worker.take("cell")
        expire(place)
        assert worker.take("cell")


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_a_clock_that_is_an_hour_off_changes_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    place = claim_of(tmp_path, "alive")
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + off)
    with claims.Claims(tmp_path) as worker:
        assert not worker.take("alive")
        expire(place, right())
        assert worker.take("alive")


def test_who_moves_away_a_claim_that_was_renewed_meanwhile_puts_it_back(tmp_path: Path) -> None:
    place = claim_of(tmp_path, "cell")
    expire(place)
    with claims.Claims(tmp_path) as slow, claims.Claims(tmp_path) as quick:
        seen = claims.Claim.read(place)
        assert quick.take("cell")
        assert not slow._bury("cell", seen)
        assert quick.holds("cell") and not slow.take("cell")


def test_a_worker_that_was_taken_for_dead_finds_its_claim_lost_and_goes_on(tmp_path: Path) -> None:
    with claims.Claims(tmp_path) as slow, claims.Claims(tmp_path, expiry=HOUR) as other:
        assert slow.take("cell")
        for path in (tmp_path / "workers").glob(slow.name):
            os.utime(path, (0, 0))
        other.sweep()
        assert other.take("cell")
        assert not slow.holds("cell") and not slow.take("cell")
        assert slow.take("next")


def test_what_the_dead_have_left_is_swept_and_the_living_are_named(tmp_path: Path) -> None:
    place = claim_of(tmp_path, "cell")
    with claims.Claims(tmp_path) as worker, claims.Claims(tmp_path) as other:
        assert worker.sweep() == {"9-abc", worker.name, other.name}
        os.utime(place, (0, 0))
        assert worker.sweep() == {worker.name, other.name}
        assert not place.exists() and not (tmp_path / "workers/9-abc").exists()


def test_at_its_end_a_worker_gives_its_claims_back(tmp_path: Path) -> None:
    with claims.Claims(tmp_path) as worker:
        worker.take("cell")
    assert not list((tmp_path / "claims").iterdir()) and not list((tmp_path / "workers").iterdir())


def test_one_touch_keeps_every_claim_of_a_worker_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claims.Claims(tmp_path) as worker:
        for name in ("a", "b"):
            worker.take(name)
        os.utime(tmp_path / "claims/a", (0, 0))
        time.sleep(0.2)
        touched = [(tmp_path / "claims" / name).stat().st_mtime for name in ("a", "b")]
    assert min(touched) > time.time() - 60


def test_a_file_system_without_hard_links_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with claims.Claims(tmp_path) as worker:
        monkeypatch.setattr(os, "link", refuse)
        with pytest.raises(UserError, match="no hard links"):
            worker.take("cell")
