"""Finished cells to results: one analysis a file, read as frames by `coldbench.load`."""

from coldbench.results.results import SCHEMAS, Results, find_run, read

__all__ = ["SCHEMAS", "Results", "find_run", "read"]
