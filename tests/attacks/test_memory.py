"""A method that takes all memory there is: the kernel ends it, not the run."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coldbench.cell import read_run
from tests.console import SCRIPT, ran, small_run

LIMIT = 2 << 30  # bytes for the whole run, its parent and its servers among them
HUNGRY = '''"""Keeps all memory that it can get."""

from dataclasses import dataclass

import torch

from coldbench.method import Method


@dataclass
class Hungry(Method[torch.Tensor]):
    def meta_train(self, warm, valid, items, seeds):
        self.learned = {}

    def adapt(self, support):
        kept = []
        while True:
            kept.append(torch.ones(1 << 24))

    def score(self, state, items):
        return torch.full(items.shape, 0.5)
'''

pytestmark = [pytest.mark.slow]


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup with LIMIT, whose `cgroup.procs` takes the numbers of processes."""
    root = Path("/sys/fs/cgroup")
    first = (root / "cgroup.controllers").is_file()  # version 2, else 1
    folder = (root if first else root / "memory") / "coldbench-test"
    try:
        folder.mkdir()
        (folder / ("memory.max" if first else "memory.limit_in_bytes")).write_text(str(LIMIT))
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no memory cgroup can be made here: {error}")
    yield folder
    folder.rmdir()


def test_a_method_that_takes_all_memory_is_a_row_and_the_others_are_done(
    tmp_path: Path, cgroup: Path
) -> None:
    (tmp_path / "hungry.py").write_text(HUNGRY, encoding="utf-8")
    more = "--include hungry.py --set seeds=[0] --no-timing -j 1".split()
    inside = 'echo $$ > "$0/cgroup.procs" && exec "$@"'  # all that it starts is inside too
    words = ["sh", "-c", inside, str(cgroup), SCRIPT, *small_run("hungry,item-bias", *more)]
    done = ran(*words, cwd=tmp_path, code=1)
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    hungry, bystander = read_run(tmp_path / "runs/r")
    assert (hungry.status, hungry.stage) == ("failed", "adapt")
    assert hungry.reason == "the process was ended by SIGKILL (out of memory?)"
    assert bystander.status == "done"
