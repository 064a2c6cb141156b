"""A method that takes all memory there is: the kernel ends it, not the run."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coldbench.cell import read_run

COLDBENCH = str(Path(sys.executable).with_name("coldbench"))
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
    run = [
        *(COLDBENCH, "run", "-d", "synthetic", "-m", "hungry,item-bias", "-j", "1", "--name", "r"),
        *(
            "--include",
            "hungry.py",
            "--set",
            "encoder=vectors",
            "--set",
            "seeds=[0]",
            "--no-timing",
        ),
        *("--set", "dataset_params.synthetic={n_users = 60, per_user = 30}"),
    ]
    inside = 'echo $$ > "$0/cgroup.procs" && exec "$@"'  # all that it starts is inside too
    done = subprocess.run(
        ["sh", "-c", inside, str(cgroup), *run], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=150,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-2000:]
    hungry, bystander = read_run(tmp_path / "runs/r")
    assert (hungry.status, hungry.stage) == ("failed", "adapt")
    assert hungry.reason == "the process was ended by SIGKILL (out of memory?)"
    assert bystander.status == "done"
