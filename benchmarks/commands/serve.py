"""`coldbench serve DIR`: an artefact over HTTP, until Ctrl-C."""

import os
import socket
import sys
from pathlib import Path

from coldbench.errors import UserError

from ..devices import device_of
from .command import document

KEY = "COLDBENCH_API_KEY"  # of the environment: an option would stand in every list of processes
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(folder: Path, host: str, port: int, most: int, device: str, *, as_json: bool) -> None:
    """Loads the model, binds, says where, and answers. Raises UserError for a folder that cannot be
    served and for a port that is taken."""
    try:
        from coldbench.serving.app import app_of
        from coldbench.serving.http import server_of
        from coldbench.serving.service import Service
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install 'coldbench[serve]'") from None
    if most < 1:
        raise UserError(f"--batch is 1 or more, not {most}")
    key = os.environ.get(KEY, "")
    on = str(device_of(device))
    bound = bind(host, port)
    service = Service(folder, most, on)
    server = server_of(app_of(service, key))
    name, number = bound.getsockname()[:2]
    where = f"[{name}]" if ":" in name else name
    model, address = service.served.name, f"http://{where}:{number}"
    if as_json:
        document({"model": model, "address": address, "pid": os.getpid()})
    else:
        print(f"{model} is served on {address} (Ctrl-C ends it)")
    if host not in LOOPBACK and not key:
        print(f"coldbench: whoever reaches this machine may ask: set {KEY}", file=sys.stderr)
    sys.stdout.flush()
    server.run(sockets=[bound])


def bind(host: str, port: int) -> socket.socket:
    """Bound before the model is loaded: a taken port is said at once. Port 0 takes a free one."""
    if not 0 <= port <= 65535:
        raise UserError(f"--port lies in 0..65535, not {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)  # who asks once the line is printed waits, and is not refused
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error}; try another --port") from None
    return listener
