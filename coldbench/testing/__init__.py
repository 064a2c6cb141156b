"""The contract of a method, on toy data: `check_method(MyMethod)`, or `coldbench check NAME`."""

from coldbench.testing.check_method import Outcome, as_rows, check_method, to_table
from coldbench.testing.subject import MethodUnderTest
from coldbench.testing.toy_data import EDGE_CASE_TEXTS, ToyProblem, tiny_encoder, toy_problem

__all__ = [
    "EDGE_CASE_TEXTS",
    "MethodUnderTest",
    "Outcome",
    "ToyProblem",
    "as_rows",
    "check_method",
    "tiny_encoder",
    "to_table",
    "toy_problem",
]  # fmt: skip
