"""What --quiet, --verbose, --json and --output change of the verbs that are at work for a while."""

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.cell import read_plan
from tests import console
from tests.console import asked
from tests.fake_run import build

checking: Any = import_module("coldbench.benchmarks.commands.check")
verbosity: Any = import_module("coldbench.benchmarks.commands.verbosity")
Outcome: Any = import_module("coldbench.testing.check_method").Outcome
SYNTHETIC = [
    *"-d synthetic --set encoder=vectors --set protocol.shots=[0,4]".split(),
    *("--set", "dataset_params.synthetic={n_users = 60, per_user = 30}"),
]
ODD = '''"""Fails at its second trial."""
from dataclasses import dataclass
from coldbench.method import Method

TRIED = []

@dataclass
class Odd(Method):
    size: int = 0
    family, stochastic, space = "mine", False, {"size": (0, 9)}

    def meta_train(self, warm, valid, items, seeds):
        TRIED.append(self.size)
        if TRIED[1:]:
            raise ValueError("no second trial")
        self.learned = {}

    def adapt(self, support):
        return support.mask.sum(1)

    def score(self, state, items):
        return items * 0 + 0.5
'''


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two cells of which none is done."""
    folder = tmp_path_factory.mktemp("prepared")
    words = ["-m", "item-bias,fold-in", "--no-timing", "-j", "1", "--name", "r", "--prepare"]
    done = asked(folder, "run", *SYNTHETIC, *words, "--json")
    assert [cell["status"] for cell in json.loads(done.stdout)["cells"]] == ["missing"] * 2
    return folder


@pytest.mark.slow
def test_work_and_cell_print_the_cells_they_did_as_one_document(prepared: Path) -> None:
    done = asked(prepared, "cell", "fold-in 0", "--run", "r", "--json")
    one = json.loads(done.stdout)
    assert [(cell["method"], cell["status"]) for cell in one["cells"]] == [("fold-in", "done")]
    assert "[1/1] " in done.stderr, "its progress is on the side"
    every = json.loads(asked(prepared, "work", "r", "--json", "--quiet").stdout)
    planned = [spec.fingerprint for spec in read_plan(prepared / "runs/r")]
    assert [cell["fingerprint"] for cell in every["cells"]] == planned
    quiet = asked(prepared, "work", "r", "-q")
    assert quiet.stdout + quiet.stderr == ""


@pytest.mark.slow
def test_merge_prints_the_merged_run_as_json(prepared: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(prepared / "runs/r", tmp_path / name)
    both = json.loads(asked(tmp_path, "merge", "a", "b", "--output", "both", "--json").stdout)
    assert both["run"] == "both" and len(both["cells"]) == 2
    assert (tmp_path / "both/plan.json").is_file()


def outcomes() -> dict[str, list[Any]]:
    return {
        "good": [Outcome("gives scores", True, "", "")],
        "bad": [Outcome("gives scores", False, "a score is 2", "")],
    }


@pytest.mark.parametrize(
    ("level", "has", "has_not"),
    [
        ("QUIET", "| bad | 0 of 1 |", "good"),
        ("USUAL", "| good | 1 of 1 |", "good: gives scores: pass"),
        ("VERBOSE", "good: gives scores: pass\nbad: gives scores: fail", "Traceback"),
    ],
)
def test_check_says_of_its_methods_as_much_as_was_asked(level: str, has: str, has_not: str) -> None:
    words = checking._words(outcomes(), verbosity.Verbosity[level])
    assert has in words and has_not not in words


def test_a_quiet_check_of_what_passes_says_nothing() -> None:
    assert checking._words({"good": outcomes()["good"]}, verbosity.Verbosity.QUIET) == ""


@pytest.mark.slow
def test_a_quiet_search_says_its_failures_and_a_verbose_one_where_they_were(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    words = ["tune", "odd", "--include", "odd.py", *SYNTHETIC, "--trials", "2"]
    quiet = asked(tmp_path, *words, "-q", "-o", "one").stdout.splitlines()
    assert [line.partition("] ")[2].partition(": size")[0] for line in quiet] == [
        "ValueError: no second trial"
    ]
    assert (tmp_path / "one/tune.json").is_file() and not (tmp_path / "runs").exists()
    verbose = console.coldbench(tmp_path, *words, "-v", "-o", "two")
    assert verbose.returncode == 0 and "next: coldbench run" in verbose.stdout
    assert 'raise ValueError("no second trial")' in verbose.stderr


ANCHOR = '''"""One that fails."""
NAME, SPLITS = "made up", 1

def measure(split):
    raise ValueError("no such film")

def rows(measured):
    return []
'''


@pytest.mark.slow
def test_a_replay_is_quiet_or_says_where_it_failed_and_writes_where_it_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "made_up.py").write_text(ANCHOR, encoding="utf-8")
    words = ["anchors", "made_up.py", "-j", "1", "--output", "here"]
    quiet = asked(tmp_path, *words, "--quiet", code=1)
    assert quiet.stdout == ""
    assert quiet.stderr == "made up failed: split 0: ValueError: no such film\n"
    verbose = asked(tmp_path, *words, "--verbose", code=1)
    assert 'raise ValueError("no such film")' in verbose.stdout
    assert (tmp_path / "here/anchors.md").is_file() and not (tmp_path / "runs").exists()


def test_a_method_is_written_into_the_folder_that_is_named(
    tmp_path: Path, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = import_module("coldbench.benchmarks.commands.init_method").init_method
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    done = command("taste", Path("mine"))
    assert done["file"] == "mine/taste.py" and (tmp_path / "mine/taste.py").is_file()
    said = told(tmp_path, "init-method", "taste", "--output", "nowhere")
    assert said.code == 2 and "--output nowhere: there is no such folder" in said.stderr


@pytest.mark.parametrize("verb", ["tune", "run"])
def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, verb: str, told: Any
) -> None:
    build(tmp_path / "r")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").touch()
    words = ["ridge", "-d", "synthetic"] if verb == "tune" else ["quick"]
    said = told(tmp_path, verb, *words, "--output", "full")
    assert said.code == 2 and "holds something else" in said.stderr
