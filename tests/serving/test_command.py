"""`coldbench serve`: what it refuses before it listens; from its first line to Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import console


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere is no exported model"),
        ([".", "--port", "70000"], "--port lies in 0..65535"),
        ([".", "--batch", "0"], "--batch is 1 or more"),
        ([".", "--host", "256.0.0.1"], "cannot listen on 256.0.0.1"),
        ([".", "--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    told: Callable[..., Any], tmp_path: Path, words: list[str], line: str
) -> None:
    said = told(tmp_path, "serve", *words, *([] if "--port" in words else ["--port", "0"]))
    assert said.code == 2 and line in said.stderr and len(said.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_said(told: Callable[..., Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = told(tmp_path, "serve", ".", "--port", str(taken.getsockname()[1]))
    assert said.code == 2 and "try another --port" in said.stderr


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
            said = requests.post(f"{url}/recommend", json={"ratings": {}, "n": 2}, timeout=20)
            assert said.status_code == 200 and len(said.json()["items"]) == 2
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
