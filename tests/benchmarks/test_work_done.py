"""Operations, tokens and power: against values by hand."""

import sys
import types
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import embedding, scaled_dot_product_attention

from coldbench import registry
from coldbench.testing.subject import MethodUnderTest

flops: Any = import_module("coldbench.benchmarks.flops")
energy: Any = import_module("coldbench.benchmarks.energy")
CPU = torch.device("cpu")
HEADS = torch.ones(2, 3, 5, 8)


def positive(users: int, size: int) -> Tensor:
    a = torch.rand(users, size, size)
    return a @ a.mT + size * torch.eye(size)


BY_HAND: dict[str, tuple[Callable[[], object], int]] = {
    "a matrix by a matrix": (lambda: torch.rand(3, 4) @ torch.rand(4, 5), 2 * 3 * 4 * 5),
    "of each user": (lambda: torch.rand(7, 3, 4) @ torch.rand(7, 4, 5), 7 * 2 * 3 * 4 * 5),
    "a matrix by a vector": (lambda: torch.rand(3, 4).mv(torch.rand(4)), 2 * 3 * 4),
    "a vector by a vector": (lambda: torch.rand(4).dot(torch.rand(4)), 2 * 4),
    "one that is added": (
        lambda: torch.addmv(torch.rand(3), torch.rand(3, 4), torch.rand(4)), 2 * 3 * 4),
    "attention": (
        lambda: scaled_dot_product_attention(HEADS, HEADS, HEADS),
        2 * 3 * (2 * 5 * 8 * 5 + 2 * 5 * 5 * 8)),
    "Cholesky": (partial(torch.linalg.cholesky, positive(7, 6)), 7 * 6**3 // 3),
    "its solve": (
        partial(torch.cholesky_solve, torch.rand(7, 6, 2), positive(7, 6)), 7 * 2 * 6 * 6 * 2),
    "a triangular solve": (
        lambda: torch.linalg.solve_triangular(torch.eye(6), torch.rand(6, 2), upper=True),
        6 * 6 * 2),
    "a solve": (
        partial(torch.linalg.solve, positive(7, 6), torch.rand(7, 6, 2)),
        7 * (2 * 6**3 // 3 + 2 * 6 * 6 * 2)),
    "element by element": (lambda: torch.rand(9).exp() + 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_operations_are_those_by_hand(name: str) -> None:
    call, expected = BY_HAND[name]
    assert flops.count(call) == (expected, 0)


def test_a_gradient_is_counted_too() -> None:
    def step() -> None:
        weight = torch.rand(4, 5, requires_grad=True)
        (torch.rand(3, 4) @ weight).sum().backward()

    assert flops.count(step)[0] == 2 * (2 * 3 * 4 * 5)  # forward, and of the weight


def test_tokens_are_the_rows_read_of_the_largest_table() -> None:
    def read() -> None:
        words, positions = torch.rand(1000, 4), torch.rand(50, 4)
        for _ in range(2):
            embedding(torch.zeros(3, 7, dtype=torch.long), words)
            embedding(torch.arange(7), positions)

    assert flops.count(read) == (0, 2 * 3 * 7)


def test_a_language_model_that_is_asked_reads_tokens_and_ridge_none(tmp_path: Path) -> None:
    found = {}
    for name in ("prompt", "ridge"):
        subject = MethodUnderTest(registry.find("methods", name), tmp_path)
        method, batch = subject.trained, subject.batch(size=1)
        with torch.no_grad():
            found[name] = flops.count(partial(subject.predict, batch, method))
    assert found["prompt"][1] > batch.support.mask.sum() + batch.query.mask.sum()
    assert found["ridge"][1] == 0 < found["ridge"][0] < found["prompt"][0]


def test_what_cannot_be_heard_has_no_counts() -> None:
    def unheard() -> Tensor:
        return torch.ops.higher_order.cond(
            torch.tensor(True), lambda x: x + 1, lambda x: x - 1, (torch.ones(2),)
        )

    assert flops.count(unheard) is None


def package(root: Path, number: int, joules: float, wraps: float = 1000) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{joules * 1e6:.0f}\n", encoding="utf-8")
    (folder / "max_energy_range_uj").write_text(f"{wraps * 1e6:.0f}\n", encoding="utf-8")
    return folder


def measured(root: Path, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is read over two seconds, of this device."""
    clock = iter((10.0, 12.0))
    monkeypatch.setattr(energy, "perf_counter", lambda: next(clock))
    with energy.Meter(CPU, root) as meter:
        act()
    return meter.watts


def test_power_is_that_of_all_packages_and_a_counter_may_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, 0, 990), package(tmp_path, 1, 5)
    part = package(tmp_path, 0, 990) / "intel-rapl:0:0"  # of a package: counted with it
    part.mkdir()

    def act() -> None:
        package(tmp_path, 0, 20), package(tmp_path, 1, 15)

    assert measured(tmp_path, act, monkeypatch) == pytest.approx((30 + 10) / 2)


@pytest.mark.parametrize("what", ["none", "hidden", "hidden meanwhile", "no number"])
def test_where_nothing_tells_there_is_no_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def hide() -> None:
        (tmp_path / "intel-rapl:0/energy_uj").unlink()

    if what != "none":
        package(tmp_path, 0, 1)
    if what == "hidden":
        hide()
    if what == "no number":
        (tmp_path / "intel-rapl:0/energy_uj").write_text("?", encoding="utf-8")
    act = hide if what == "hidden meanwhile" else dict
    assert measured(tmp_path, act, monkeypatch) is None


def test_a_card_is_found_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml, drawn = types.ModuleType("pynvml"), iter((0, 5_000, 11_000))  # mJ
    nvml.nvmlInit = lambda: None  # type: ignore[attr-defined]
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: uuid  # type: ignore[attr-defined]
    nvml.nvmlDeviceGetTotalEnergyConsumption = (  # type: ignore[attr-defined]
        lambda card: next(drawn) if card == b"GPU-a-b" else None
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    found = types.SimpleNamespace(uuid="a-b")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    clock = iter((10.0, 12.0))
    monkeypatch.setattr(energy, "perf_counter", lambda: next(clock))
    with energy.Meter(torch.device("cuda")) as meter:
        pass
    assert meter.watts == pytest.approx(6 / 2)


def test_a_card_of_which_nobody_tells_has_no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with energy.Meter(torch.device("cuda"), Path("nowhere")) as meter:
        pass
    assert meter.watts is None
