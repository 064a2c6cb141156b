"""Finished cells to results: one analysis a file, read as frames by `coldbench.load`."""

from coldbench.results.results import Results, find_run, read

__all__ = ["Results", "find_run", "read"]
