"""The contract of a method, on toy data: `check_method(MyMethod)`, or `coldbench check NAME`."""

from coldbench.testing.check_method import Outcome, as_rows, check_method, to_table
from coldbench.testing.subject import Subject
from coldbench.testing.toy_data import ODD_TEXTS, World, make_world, tiny_encoder

__all__ = [
    "ODD_TEXTS", "Outcome", "Subject", "World", "as_rows", "check_method", "make_world",
    "tiny_encoder", "to_table",
]  # fmt: skip
