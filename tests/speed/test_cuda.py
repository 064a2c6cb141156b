"""`make cuda`: rehearsed on the CPU; what only a GPU can say is skipped without one."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

cuda: Any = import_module("coldbench.benchmarks.speed.cuda")
subjects: Any = import_module("coldbench.benchmarks.speed.cuda_subjects")
CPU = torch.device("cpu")
ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def ridge() -> Any:
    method = subjects.trained("ridge", subjects.random_items(subjects.N_ITEMS), {"tau": 2.0})
    return subjects.Subject("ridge", method, 64)


def test_a_rehearsal_measures_a_subject(ridge: Any) -> None:
    row = cuda.measured(ridge, 8, cuda.Card(1e12, 1e10), CPU)
    assert row["users"] == 8 and row["users/s"] > 0 and row["of floor"] > 0
    assert row["floor, bytes a user"] >= 26 * 384 * 4  # what is read of 26 items
    json.dumps(row)


def test_a_device_that_computes_the_same_differs_in_nothing(ridge: Any) -> None:
    row = cuda.differences(ridge, CPU)
    assert (row["largest difference"], row["users ordered otherwise"]) == (0, 0)
    assert cuda.wrong({"cpu": [row], "table": [cuda.metrics(64, CPU)]}) == []


def test_a_device_that_computes_otherwise_is_told(
    ridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []
    real = subjects.Subject.on

    def on(self: Any, device: torch.device) -> Any:
        moved.append(real(self, device))
        if len(moved) == 2:
            score = moved[1].score
            vars(moved[1])["score"] = lambda state, items: 1 - score(state, items)
        return moved[-1]

    monkeypatch.setattr(subjects.Subject, "on", on)
    (line,) = cuda.wrong({"cpu": [cuda.differences(ridge, CPU)], "table": []})
    assert line.startswith("ridge: scores")


def test_what_waits_for_the_device_is_told() -> None:
    row = {"subject": "maml", "users": 64, "synchronises": "called a synchronizing operation"}
    assert cuda.wrong({"cpu": [], "table": [row]}) == [
        "maml, 64 users: called a synchronizing operation"
    ]


@pytest.mark.parametrize(("most", "sizes"), [(64, [64]), (100, [64, 100]), (1024, [64, 256, 1024])])
def test_batches_grow_by_four_to_the_most(most: int, sizes: list[int]) -> None:
    assert cuda.sizes(most) == sizes


def test_without_a_gpu_the_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["cuda", "--out", str(tmp_path / "out.json")])
    assert cuda.main() == 2
    assert "DEVICE=cpu" in capsys.readouterr().err


@ON_A_GPU
@pytest.mark.parametrize("name", ["ridge", "protonet", "maml"])
def test_a_batch_on_a_gpu_waits_for_nothing(name: str) -> None:
    device = torch.device("cuda")
    params = {"tau": 2.0} if name == "ridge" else {"meta_steps": 2}
    method = subjects.trained(name, subjects.random_items(subjects.N_ITEMS), params)
    moved = subjects.Subject(name, method, 64).on(device)
    support, asked = subjects.users(256, subjects.N_ITEMS, device)
    with torch.no_grad():
        cuda.synchronises(lambda: moved.score(moved.adapt(support), asked))
