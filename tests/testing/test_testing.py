"""`check_method`: what it says of a method, and of one that cannot keep a promise."""

import json
import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.errors import Unavailable, UserError
from coldbench.method import Method
from coldbench.testing import Outcome, check_method, to_table
from coldbench.testing.checks import BY_SUBJECT, CHECKS, NEEDS, SUBJECTS, assertion, listed
from coldbench.testing.formula import worked_out
from tests import console
from tests.console import asked
from tests.twins import FILES, Noisy, Sound, Twin, one, the_world_restored

__all__ = ["the_world_restored"]
ROOT = Path(__file__).resolve().parents[2]
DIES = """\"\"\"It ends its own process while it learns.\"\"\"

import os
from dataclasses import dataclass

from coldbench.method import Method


@dataclass
class Dies(Method[None]):
    def meta_train(self, warm, valid, items, seeds):
        os.kill(os.getpid(), 11)

    def adapt(self, support):
        return None

    def score(self, state, items):
        return None
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", [Sound, Noisy])
def test_the_methods_the_twins_are_made_from_keep_every_promise(method: Twin) -> None:
    outcomes = check_method(method)
    assert [o.check for o in outcomes] == list(CHECKS)
    assert {o.check: o.reason for o in outcomes if o.verdict == "fail"} == {}


def test_every_subject_of_the_checks_has_its_twins_in_one_file() -> None:
    assert sorted(t for titles in FILES.values() for t in titles) == sorted(SUBJECTS)


def test_there_are_more_than_forty_checks_each_with_a_promise_in_words() -> None:
    assert sum(map(len, BY_SUBJECT.values())) == len(CHECKS) > 40
    assert set(NEEDS) <= set(CHECKS)
    for name in CHECKS:
        assert len(assertion(name).split()) > 5, name


def test_the_page_on_conformance_lists_every_promise_as_it_stands() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert page.endswith(listed()), f"end docs/conformance.md with\n{listed()}"


def test_the_table_of_all_methods_has_rows_of_methods_there_are_and_no_failure() -> None:
    table = (ROOT / "docs" / "conformance-table.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows and {row[0].removeprefix("| ") for row in rows} <= set(registry.names("methods"))
    for name, passed, failed, _ in rows:
        assert not failed.strip(), f"{name}: {failed}"
        assert int(passed.split(" of ")[1]) <= len(CHECKS)


def test_an_exemption_from_a_check_that_does_not_exist_is_an_error() -> None:
    class Wrong(Sound):
        exempt: ClassVar = {"is bettr with K": "a slip"}

    with pytest.raises(ValueError, match=r"Wrong.exempt names 'is bettr with K'"):
        check_method(Wrong)


def test_an_exemption_makes_a_failure_an_expected_one() -> None:
    class Floor(Sound):
        exempt: ClassVar = {"predictions move if it adapts": "it is a floor"}

        def score(self, state: Tensor, items: Tensor) -> Tensor:
            return super().score(state * 0, items)

    outcome = one(Floor, "predictions move if it adapts")
    assert (outcome.passed, outcome.ok, outcome.exempt) == (False, True, "it is a floor")
    assert outcome.verdict == "expected failure"


def test_an_exemption_that_is_out_of_date_is_not_ok() -> None:
    class Mended(Sound):
        exempt: ClassVar = {"lives with K 0": "it divided by K"}

    outcome = one(Mended, "lives with K 0")
    assert (outcome.passed, outcome.ok, outcome.verdict) == (True, False, "fail")
    assert "lives with K 0: passes: drop exempt" in to_table({"mended": [outcome]})


def test_a_check_that_cannot_be_tried_is_unavailable_and_no_failure() -> None:
    outcome = Outcome("x", False, "unavailable: no GPU", "unavailable: no GPU")
    assert (outcome.ok, outcome.verdict) == (True, "unavailable")
    if not torch.cuda.is_available():
        assert one(Sound, "on a GPU it scores as on the CPU").verdict == "unavailable"


def test_an_assertion_that_gives_no_reason_is_a_failure_all_the_same() -> None:
    class Mute(Sound):
        def adapt(self, support: Feedback) -> Tensor:
            raise AssertionError

    assert not one(Mute, "lives with K 0").passed


def test_a_method_that_ends_the_program_is_a_failed_check_and_no_end() -> None:
    class Quits(Sound):
        def adapt(self, support: Feedback) -> Tensor:
            raise SystemExit(0)

    assert one(Quits, "lives with K 0").reason == "SystemExit: 0"


def test_a_method_whose_package_is_missing_is_exempt_for_that_reason() -> None:
    class Lacks(Sound):
        def meta_train(self, *_: object) -> None:
            raise Unavailable("learn2learn is not installed")

    outcome = one(Lacks, "lives with K 0")
    assert outcome.ok
    assert outcome.exempt == "unavailable: learn2learn is not installed"


def test_a_method_whose_attributes_are_no_parameters_needs_no_dataclass() -> None:
    class Stated(Sound):
        presets: ClassVar[dict[str, dict[str, float]]] = {"strong": {"weight": 0.5}}

    assert one(Stated, "parameters survive JSON").passed
    assert issubclass(Stated, Method)


@pytest.mark.parametrize(
    ("formula", "comes_to"),
    [("4 * (1 + factors)", 68), ("8 * K + 4 * D // 3", 137), ("-K + 2 ** 3", 0), ("12", 12)],
)
def test_arithmetic_in_a_string_is_worked_out(formula: str, comes_to: int) -> None:
    assert worked_out(formula, {"K": 8, "D": 55, "factors": 16}) == comes_to


@pytest.mark.parametrize(
    "formula",
    ["K.real", "abs(K)", "K if K else 1", "'a' * K", "K /", "rank * K", "[K][0]", "K @ K", "K / 2"],
)
def test_what_is_no_arithmetic_is_refused(formula: str) -> None:
    with pytest.raises(UserError, match=r"K"):
        worked_out(formula, {"K": 8})


@pytest.mark.slow
def test_a_method_that_ends_its_process_loses_no_other_its_outcomes(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text(DIES, encoding="utf-8")
    words = ["check", "item-bias", "dies.py", "user-mean", "-j", "2", "--json"]
    done = asked(tmp_path, *words, code=1)
    rows = json.loads(done.stdout)
    assert list(dict.fromkeys(row["name"] for row in rows)) == ["item-bias", "dies", "user-mean"]
    dead = [row for row in rows if row["name"] == "dies"]
    assert [row["verdict"] for row in dead] == ["fail"] and "ended" in dead[0]["reason"]
    for name in ("item-bias", "user-mean"):
        assert sum(row["name"] == name for row in rows) == len(CHECKS)


@pytest.mark.slow
def test_ctrl_c_ends_what_runs_side_by_side(tmp_path: Path) -> None:
    """Each would run for minutes, after polars has taken SIGINT for its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    sleeps = "__import__('polars').DataFrame({'a': [1]}).lazy().collect(), open(%r, 'w')"
    for name in ("one", "two"):
        code = DIES.replace("os.kill(os.getpid(), 11)", sleeps % str(folder / f"{name}.begun"))
        code = code.replace("Dies", name.capitalize()).replace("import os", "import time")
        code = code.replace("'w')", "'w'), time.sleep(300)")
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    started = console.script(folder, *"check one.py two.py -j 2".split())
    console.until(lambda: len(list(folder.glob("*.begun"))) == 2, 60)
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (130, "coldbench: stopped\n")


@pytest.mark.slow
def test_side_by_side_or_one_by_one_the_outcomes_are_the_same(tmp_path: Path) -> None:
    def table(*words: str) -> str:
        methods = ("item-bias", "random")
        console.coldbench(tmp_path, "check", *methods, *words, "--output", "table.md")
        return (tmp_path / "table.md").read_text(encoding="utf-8")

    one_by_one = table("-j", "1")
    assert table("-j", "2") == one_by_one
    assert "learns a planted taste better than popularity: it is chance" in one_by_one


@pytest.mark.parametrize(("count", "words"), [(3, "a, b, c: x"), (4, "a and 3 more checks: x")])
def test_a_cause_that_many_checks_met_is_said_once(count: int, words: str) -> None:
    met = [Outcome(check, False, "x", "") for check in "abcd"[:count]]
    row = to_table({"mine": [*met, Outcome("e", False, "y", "")]}).splitlines()[2]
    assert row == f"| mine | 0 of {count + 1} | {words}; e: y |  |"


def test_scores_that_are_no_tensor_are_told_what_to_return() -> None:
    class Numpy(Sound):
        def score(self, state: Any, items: Any) -> Any:
            return super().score(state, items).numpy()

    (outcome,) = check_method(Numpy, only="lives with K 1")
    assert outcome.reason == "score returned a numpy.ndarray: return a torch.Tensor"
