"""How much a verb says of itself while it works: what --quiet and --verbose ask for."""

import logging
from enum import Enum

from coldbench.errors import UserError


class Verbosity(Enum):
    """How much is said; what `--json` prints is the same."""

    QUIET, USUAL, VERBOSE = "only what failed", "progress", "and all that is known of what failed"

    @classmethod
    def of(cls, *, quiet: bool, verbose: bool) -> "Verbosity":
        if quiet and verbose:
            raise UserError("--quiet and --verbose: leave one out")
        return cls.QUIET if quiet else cls.VERBOSE if verbose else cls.USUAL

    def listen(self) -> None:
        """Where all is wanted, what coldbench's modules log is seen, on the side of errors."""
        log = logging.getLogger("coldbench")
        if self is Verbosity.VERBOSE and not log.handlers:
            log.addHandler(logging.StreamHandler())
            log.setLevel(logging.INFO)
