"""How long a download waits for an address, and how often it asks again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Of one file's download."""

    stall: float = 30.0  # seconds without a byte
    tries: int = 5
    pause: float = 1.0  # seconds before the second try; twice as long before each one after


PATIENCE = Patience()
