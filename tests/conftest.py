"""Nothing a test does is written outside its temporary folders."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHARED = (
    "console fake_run hostile_words browser hostile published scored shown heads training twins"
).split()
for shared in SHARED:  # test files see them, though no path leads here
    spec = spec_from_file_location(f"tests.{shared}", Path(__file__).with_name(f"{shared}.py"))
    assert spec and spec.loader
    sys.modules[f"tests.{shared}"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[f"tests.{shared}"])


FIRST = (  # what takes longest begins first, so that both workers end together
    "test_main_job",
    "test_attacks",
    "test_kills",
    "test_types",
    "test_contract",
    "test_token_methods",
    "test_run",
    "test_tune",
    "test_docs",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker of `make test` takes a file at a time (xdist's loadfile), in this order."""
    items.sort(key=lambda item: [item.path.stem != first for first in FIRST])


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
def server(own_cache: Path, ctrl_c: None) -> None:
    """A run in this process forks its cells from one server, which the first would start: for a
    plan alone it has no torch, and each child of a later run would import it for itself."""
    import_module("coldbench.benchmarks.processes").context(many_train=True)


def _own_includes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_included", dict(registry._included))
        yield


# what a test file's fixtures include is in no other file's registry, a test's in no other test's
files_own_includes = pytest.fixture(scope="module", autouse=True)(_own_includes)
tests_own_includes = pytest.fixture(autouse=True)(_own_includes)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny models are faster so, and two test runs agree bit for bit."""
    torch.set_num_threads(1)


class Told(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """`coldbench WORDS` in a folder, in this process: for what is refused before any work, where
    a process of its own would import torch to say one line."""
    main = import_module("coldbench.benchmarks.cli").main

    def tell(folder: Path, *words: str) -> Told:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["coldbench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Told(int(ended.value.code or 0), said.out, said.err)

    return tell


Ask = Callable[..., Told]


@pytest.fixture
def ask(told: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The same in tmp_path, where the test is too; it must end with the code."""
    monkeypatch.chdir(tmp_path)

    def ended(*words: str, code: int = 0) -> Told:
        found = told(tmp_path, *words)
        assert found.code == code, found
        return found

    return ended


@pytest.fixture
def refused(told: Ask) -> Callable[..., None]:
    """`coldbench WORDS` in a folder is one line that says so and code 2, and nothing else."""

    def check(folder: Path, words: Sequence[str], line: str) -> None:
        ended = told(folder, *words)
        assert ended.code == 2 and line in ended.stderr, ended
        assert ended.stderr.startswith("coldbench: ") and ended.stderr.count("\n") == 1
        assert ended.stdout == ""

    return check


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    browser = import_module("tests.browser")
    if why := browser.missing():
        pytest.skip(why)
    with browser.launched() as found:
        yield found


@pytest.fixture(scope="session")
def world() -> tuple[Split, Items]:
    """60 made-up users, 40 items in 8 directions, where taste is there to be found."""
    dataset = registry.find("datasets", "synthetic")(n_users=60, n_items=40, per_user=24)
    log, catalogue = dataset.load()
    protocol = Protocol.of("user-cold", {"shots": [0, 1, 2, 4], "query": 6})
    labels = dataset.labels(log.ratings, protocol.labels)
    return split(log, labels, protocol, Seeds.of(0)), Encoder("vectors").items(catalogue)
