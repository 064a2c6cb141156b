"""The table of ratios, and the check that holds a later run to it."""

from importlib import import_module
from typing import Any

import pytest

from coldbench.errors import UserError

table: Any = import_module("coldbench.benchmarks.speed.table")
PAGE = f"# Speed\n\n{table.BEGIN}\n{table.END}\n\nMore.\n"


def row(ratio: float, peer: str = "learn2learn") -> dict[str, Any]:
    return {
        "suite": "maml", "subject": "maml", "peer": peer, "ratio": ratio, "unit": "users/s",
        "subject_rate": 12345.6, "peer_rate": 12345.6 / ratio,
    }  # fmt: skip


@pytest.mark.parametrize("ratio", [0.97, 2.6, 64.0, 1234.0])
def test_what_is_written_is_what_is_read(ratio: float) -> None:
    page = table.written(PAGE, [row(ratio)], "a machine")
    assert page.startswith("# Speed\n") and page.endswith("\n\nMore.\n")
    assert table.committed(page) == {("maml", "maml", "learn2learn"): ratio}


def test_a_table_is_written_over_the_last() -> None:
    twice = table.written(table.written(PAGE, [row(64)], "a"), [row(80)], "b")
    assert twice == table.written(PAGE, [row(80)], "b")


@pytest.mark.parametrize(("ratio", "falls"), [(64.0, False), (48.1, False), (47.9, True)])
def test_a_ratio_may_fall_by_less_than_a_quarter(ratio: float, falls: bool) -> None:
    before = table.committed(table.written(PAGE, [row(64)], "a"))
    assert bool(table.fallen([row(ratio)], before)) == falls


def test_a_ratio_that_is_not_measured_any_more_is_told() -> None:
    before = table.committed(table.written(PAGE, [row(64), row(26, "vmap")], "a"))
    assert table.fallen([row(64)], before) == [
        "maml: maml beside vmap: not measured, and 26.00 before"
    ]


def test_a_page_without_ratios_is_an_error_and_no_pass() -> None:
    with pytest.raises(UserError, match="make speed"):
        table.committed(PAGE)
