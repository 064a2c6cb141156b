"""Many clients of one server, each asking again as soon as it is answered; a process of its own.

`python benchmarks/speed/clients.py PORT CLIENTS SECONDS < asked`: one line of JSON with the answers
a second and the seconds of the quick and the slow ones. A line asked is a body for POST /recommend,
or a path to GET. It speaks just enough HTTP/1.1.
"""

import asyncio
import json
import sys
from time import perf_counter


class Client(asyncio.Protocol):
    """Sends the bodies in turn, from a place of its own; notes the seconds of each answer."""

    def __init__(self, port: int, requests: list[bytes], at: int, end: float) -> None:
        self.port, self.requests, self.at, self.end = port, requests, at, end
        self.begun = perf_counter()
        self.seconds: list[float] = []
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.came, self.need = b"", -1
        self.at += 1
        self.transport.write(self.requests[self.at % len(self.requests)])  # type: ignore[attr-defined]

    def data_received(self, part: bytes) -> None:
        self.came += part
        if self.need < 0 and (head := self.came.find(b"\r\n\r\n")) >= 0:
            fields = self.came[:head].lower().split(b"content-length: ")[1]
            self.need = head + 4 + int(fields.split(b"\r\n")[0])
        if self.need < 0 or len(self.came) < self.need:
            return
        now = perf_counter()
        self.seconds.append(now - self.begun)
        self.failed += not self.came.startswith(b"HTTP/1.1 200")
        self.begun = now
        if now < self.end and b"\r\nconnection: close" not in self.came.lower():
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if perf_counter() < self.end:  # the server closes after each answer: it costs its seconds
            self.again = asyncio.create_task(self.connect())
        else:
            self.done.set_result(None)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def post(body: str) -> bytes:
    return (
        "POST /recommend HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def ask(port: int, lines: list[str], clients: int, seconds: float) -> dict[str, float]:
    requests = [get(line) if line.startswith("/") else post(line) for line in lines]
    begun = perf_counter()
    all_: list[Client] = []
    for number in range(clients):
        client = Client(port, requests, number * len(requests) // clients, begun + seconds)
        await client.connect()
        all_.append(client)
    await asyncio.gather(*(client.done for client in all_))
    took = sorted(duration for client in all_ for duration in client.seconds)
    return {
        "answers": len(took),
        "failed": sum(client.failed for client in all_),
        "rate": len(took) / (perf_counter() - begun),
        "p50": took[len(took) // 2],
        "p95": took[int(0.95 * len(took))],
    }


if __name__ == "__main__":
    port, clients, seconds = sys.argv[1:]
    measured = asyncio.run(
        ask(int(port), sys.stdin.read().splitlines(), int(clients), float(seconds))
    )
    print(json.dumps(measured))
