"""`coldbench serve`: what it refuses before it listens; from its first line to Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests import console


def test_a_port_that_is_taken_is_said(refused: Callable[..., None], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(tmp_path, ["serve", ".", "--port", port], "try another --port")


@pytest.mark.slow
def test_a_server_answers_from_its_first_line_until_ctrl_c(toy_model: Path) -> None:
    with subprocess.Popen(
        [console.SCRIPT, "serve", str(toy_model), "--port", "0"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key != "COLDBENCH_API_KEY"},
    ) as server:  # fmt: skip
        assert server.stdout and server.stderr
        try:
            url = server.stdout.readline().split(" on ")[1].split()[0]
            answer = requests.post(f"{url}/recommend", json={"ratings": {}, "n": 2}, timeout=20)
            assert answer.status_code == 200 and len(answer.json()["items"]) == 2
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(30) == 130 and server.stderr.read() == "coldbench: stopped\n"


@pytest.mark.slow
def test_a_server_says_where_it_is_as_one_document(toy_model: Path) -> None:
    with subprocess.Popen(
        [console.SCRIPT, "serve", str(toy_model), "--port", "0", "--json"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
    ) as server:  # fmt: skip
        assert server.stdout
        try:
            lines = [server.stdout.readline()]
            while lines[-1] != "}\n":
                lines.append(server.stdout.readline())
            said = json.loads("".join(lines))
            assert said["pid"] == server.pid and said["address"].startswith("http://127.0.0.1:")
        finally:
            server.send_signal(signal.SIGINT)
        assert server.stdout.read() == ""
