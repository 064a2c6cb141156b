"""Hold a method to the contract: `check_method(MyMethod)`, or `coldbench check NAME`.

Use it in the tests of your own package:

    @pytest.mark.parametrize("outcome", check_method(MyMethod), ids=str)
    def test_my_method_conforms(outcome):
        assert outcome.ok, outcome.reason

The toy data it is tried on are small and the same everywhere; nothing is downloaded. A method that
cannot pass a check says so and why: `exempt = {"is better with K": "it is random"}`.
docs/conformance.md says what each check asserts.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coldbench.errors import Unavailable
from coldbench.method import Method
from coldbench.testing.side_effects import sandbox
from coldbench.testing.subject import MethodUnderTest


@dataclass(frozen=True)
class Outcome:
    """What one check said of one method."""

    check: str
    passed: bool
    reason: str  # why it failed; "" where it passed
    exempt: str  # the method's own reason why it need not pass; "" where it must

    @property
    def ok(self) -> bool:
        """Passed, or failed as the method said it would. One that passes all the same is not ok:
        the exemption is out of date."""
        return self.passed != bool(self.exempt)

    @property
    def verdict(self) -> str:
        """pass, fail, expected failure, or unavailable where it could not be tried."""
        if self.exempt.startswith("unavailable"):
            return "unavailable"
        if self.ok:
            return "pass" if self.passed else "expected failure"
        return "fail"

    def __str__(self) -> str:
        return self.check.replace(" ", "-")


def check_method(method: type[Method[Any]], only: str | None = None) -> list[Outcome]:
    """Every check (or those whose name holds `only`) on one method, in a fixed order.

    Where the method raises Unavailable, that is its exemption. Raises ValueError where `exempt`
    names a check that does not exist.
    """
    from coldbench.testing.checks import CHECKS, NEEDS

    for name in method.exempt:
        if name not in CHECKS:
            raise ValueError(f"{method.__name__}.exempt names {name!r}, which is no check")
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        subject = MethodUnderTest(method, Path(folder))
        for name, check in CHECKS.items():
            if only and only not in name:
                continue
            lacks = [
                words for fact, words in NEEDS.get(name, {}).items() if not getattr(method, fact)
            ]
            exempt = method.exempt.get(name, "") or ", ".join(lacks)
            reason = ""
            try:
                with sandbox():  # what it does to chance, gradients and types ends here
                    check(subject)
            except Unavailable as error:
                reason = exempt = f"unavailable: {error}"
            except AssertionError as error:
                reason = str(error) or "an assertion that gives no reason"
            except (Exception, SystemExit) as error:  # whatever it is, the table says which
                reason = f"{type(error).__name__}: {error}"
            outcomes.append(Outcome(name, not reason, reason, exempt))
    return outcomes


def to_table(outcomes: dict[str, list[Outcome]]) -> str:
    """Markdown: a row a method, what failed and what it is exempt from; what could not be tried
    stands below, once."""
    lines = ["| method | passed | failed | expected failures |", "|---|---|---|---|"]
    lacking: dict[tuple[str, str], list[str]] = {}
    for name, of_method in outcomes.items():
        passed = sum(outcome.verdict == "pass" for outcome in of_method)
        causes: dict[str, list[str]] = {}  # a reason once, and the checks that met it
        for outcome in (o for o in of_method if not o.ok):
            causes.setdefault(outcome.reason or "passes: drop exempt", []).append(outcome.check)
        bad = [f"{_some(checks)}: {reason}" for reason, checks in causes.items()]
        known = [f"{o.check}: {o.exempt}" for o in of_method if o.verdict == "expected failure"]
        missing = [o for o in of_method if o.verdict == "unavailable"]
        for outcome in missing:
            lacking.setdefault((outcome.check, outcome.exempt), []).append(name)
        cells = (
            name,
            f"{passed} of {len(of_method) - len(missing)}",
            "; ".join(bad),
            "; ".join(known),
        )
        lines.append(f"| {' | '.join(_in_a_cell(cell) for cell in cells)} |")
    for (check, why), names in lacking.items():
        whom = "every method" if len(names) == len(outcomes) else ", ".join(names)
        lines.append(f"\nNot tried, {why.removeprefix('unavailable: ')}: {check} ({whom})")
    return "\n".join(lines) + "\n"


def _some(checks: list[str]) -> str:
    """All of three or fewer; else the first, and how many more."""
    if len(checks) <= 3:
        return ", ".join(checks)
    return f"{checks[0]} and {len(checks) - 1} more checks"


def _in_a_cell(words: str) -> str:
    """On one line, and without a bar: else it would be two cells."""
    return " ".join(words.replace("|", "/").split())


def as_rows(outcomes: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """The same, a row a check."""
    return [
        {"name": name, "ok": o.ok, "verdict": o.verdict, **asdict(o)}
        for name, of_method in outcomes.items()
        for o in of_method
    ]
