"""Nothing a test does is written outside its temporary folders."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this session's own, for child processes too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLDBENCH_CACHE", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("COLDBENCH_DATA", raising=False)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Heard here and in child processes, though a shell's background job has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny models are faster so, and two test runs agree bit for bit."""
    torch.set_num_threads(1)
