"""Numbers as a page shows them."""

import pytest

from coldbench.results.rounding import number, plain, significant


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0.0, "0"), (0.0123, "0.012"), (0.996, "1.0"), (1.54, "1.5"), (9.96, "10"), (94.0, "94"),
        (833.0, "830"), (99_600.0, "100000"),
    ],
)  # fmt: skip
def test_two_digits_say_something_and_there_is_no_exponent(x: float, shown: str) -> None:
    assert significant(x) == shown


@pytest.mark.parametrize(
    ("x", "shown"), [(0.0164, ".016"), (-0.0021, "-.002"), (1.2043, "1.204"), (-0.0001, ".000")]
)
def test_a_number_below_one_has_no_zero_before_its_point(x: float, shown: str) -> None:
    assert plain(x) == shown


@pytest.mark.parametrize(
    ("x", "kept"),
    [(0.12345649, 0.123456), (-2.0000006, -2.000001), (0, 0), (float("nan"), None), (None, None)],
)
def test_six_digits_are_kept_of_a_number_and_none_of_what_is_none(
    x: float | None, kept: float | None
) -> None:
    assert number(x) == kept
