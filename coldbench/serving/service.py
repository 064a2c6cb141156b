"""What is served, without HTTP: the model of a folder, its batches, and its successor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from coldbench.errors import first_line

from .batcher import Batcher, Together
from .figures import Figures
from .model import Served, stamp

LOOK = 1.0  # seconds between two looks at the folder


class Service:
    """`async with service.open(): await service.ask(...)`. It loads the model when it is made, so
    that a bad folder is a UserError before anything listens."""

    def __init__(
        self, folder: Path, most: int = 64, device: str = "cpu", look: float = LOOK
    ) -> None:
        self.folder, self.device, self.look = folder, device, look
        self.figures, self.problem = Figures(), ""
        self.stamp = stamp(folder)
        self.served = Served.of(folder, device)
        self.figures.took(self.served.name)
        self.batcher = Batcher(most, watch=self.figures.batch)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Service"]:
        """While it is open, requests are answered and the folder is looked at."""
        async with self.batcher:
            watch = asyncio.create_task(self._watch())
            yield self
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def ask(self, together: Together, request: Any, size: int) -> Any:
        return await self.batcher.ask(together, request, size)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.look)
            await self.renew()

    async def renew(self) -> None:
        """Take up what lies in the folder now, where that is another model. Requests go on with the
        old one meanwhile, and for good where the new one cannot be loaded."""
        now = await asyncio.to_thread(stamp, self.folder)
        if now == self.stamp:
            return
        try:
            fresh = await asyncio.to_thread(Served.of, self.folder, self.device)
        except Exception as error:  # whatever is wrong with the new one, the old one serves
            self.problem = first_line(error)
            self.figures.refused()
        else:
            if await asyncio.to_thread(stamp, self.folder) != now:
                return  # it changed while it was read: the next look takes it whole
            self.served, self.problem = fresh, ""
            self.figures.took(fresh.name)
        self.stamp = now
