"""The checks of `coldbench.testing`: the contract of a method, a function that asserts each clause.

A check is a public function of one argument in one of the modules below: its name, in words, is
the clause, and its docstring says what is asserted. `docs/conformance.md` lists them all.
"""

from collections.abc import Callable
from inspect import getdoc, isfunction, signature

from coldbench.testing import (
    construction,
    devices,
    inputs,
    invariance,
    isolation,
    quality,
    saving,
)
from coldbench.testing.subject import MethodUnderTest

Check = Callable[[MethodUnderTest], None]
SUBJECTS = {
    "How it is made": construction,
    "What it lives with": inputs,
    "What must not matter": invariance,
    "What it leaves behind": isolation,
    "What is kept": saving,
    "Where it runs": devices,
    "What it is for": quality,
}
BY_SUBJECT: dict[str, dict[str, Check]] = {
    title: {
        name.replace("_", " "): thing
        for name, thing in vars(module).items()
        if isfunction(thing)
        and thing.__module__ == module.__name__
        and not name.startswith("_")
        and signature(thing).return_annotation is None
    }
    for title, module in SUBJECTS.items()
}
CHECKS: dict[str, Check] = {
    name: check for checks in BY_SUBJECT.values() for name, check in checks.items()
}
NEEDS = {  # check -> the facts without which a method is exempt from it
    "learns a planted taste better than popularity": {"can_rank": "it cannot rank"},
    "is better with K": {"adapts": "it does not adapt", "can_rank": "it cannot rank"},
    "its gain comes from the labels": {"adapts": "it does not adapt", "can_rank": "it cannot rank"},
}


def assertion(name: str) -> str:
    """What a check asserts, on one line."""
    return " ".join((getdoc(CHECKS[name]) or "").split())


def listed() -> str:
    """Every check by subject, as docs/conformance.md has them."""
    parts = [
        f"### {title}\n\n" + "\n".join(f"- **{name}**: {assertion(name)}" for name in checks)
        for title, checks in BY_SUBJECT.items()
    ]
    return "\n\n".join(parts) + "\n"
