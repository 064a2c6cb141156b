"""A view of a run's results: one kind of file, written into the run's report folder."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from coldbench.results.results import Results


class Report(ABC):
    """One file of `reports/` holds one; its file name is the name it is asked for by."""

    format: ClassVar[str]  # what it writes, as a user would say it: "html", "md", "tex"

    @abstractmethod
    def write(self, results: Results, folder: Path) -> list[Path]:
        """Write into `folder`, which is made where it is missing; returns the files written.

        The same results give the same bytes.
        """
