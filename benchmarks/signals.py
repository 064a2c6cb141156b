"""What signals ask of a run: to end well, or at once."""

import signal
import sys
import threading
from typing import Self


class Stop:
    """What was asked for by signals: `asked` after the first Ctrl-C, KeyboardInterrupt after the
    second, SIGTERM or SIGHUP, or where nothing runs that could be ended well."""

    def __init__(self) -> None:
        self.asked = False
        self.draining = False  # cells run that are worth waiting for

    def __enter__(self) -> Self:
        hears = threading.current_thread() is threading.main_thread()  # no other thread may
        names = ("SIGINT", "SIGTERM", "SIGHUP") if hears else ()
        self._before = {
            number: signal.signal(number, self._heard)
            for number in (getattr(signal, n) for n in names if hasattr(signal, n))
        }
        return self

    def _heard(self, number: int, _: object) -> None:
        if self.asked or not self.draining or number != signal.SIGINT:
            self.deaf()
            raise KeyboardInterrupt
        self.asked = True
        print("ending after the running cells; Ctrl-C again stops at once", file=sys.stderr)

    def deaf(self) -> None:
        """Nothing may interrupt the end."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
