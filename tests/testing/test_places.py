"""A module that is moved to the items is accused of nothing; one that is left behind is."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from coldbench.testing.fake_device import strict_devices

THERE = torch.linspace(-1, 1, 4 * 6 * 16).view(4, 6, 16)  # made outside: where the items are
Make = Callable[[], nn.Module]


class Buffered(nn.Module):
    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(16.0))
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, x: Tensor) -> Any:
        return x * self.places * self.weight


class Forgetful(nn.Module):
    """Its weights move, what it makes on the way does not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + torch.arange(16.0)


MODULES: dict[str, Make] = {
    "linear": lambda: nn.Linear(16, 8),
    "layer norm": lambda: nn.LayerNorm(16),
    "batch norm": lambda: nn.BatchNorm1d(6),
    "attention": lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
    "recurrent": lambda: nn.GRU(16, 8, batch_first=True),
    "convolution": lambda: nn.Conv1d(6, 3, 2),
    "buffer": Buffered,
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(16, 4)),
    "deep": lambda: nn.Sequential(nn.Linear(16, 8), nn.Dropout(0.1), nn.Linear(8, 1)),
}


def read(module: nn.Module) -> Tensor:
    output = module(THERE)
    return output[0] if isinstance(output, tuple) else output


@pytest.fixture(autouse=True)
def own_chance() -> Any:
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_that_is_moved_is_accused_of_nothing(kind: str) -> None:
    with strict_devices() as on_cpu:
        module = MODULES[kind]().to(THERE.device).train()
        adam = torch.optim.AdamW(module.parameters())
        for _ in range(2):
            adam.zero_grad()
            read(module).square().mean().backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            adam.step()
        learned = {name: w.detach().clone() for name, w in module.state_dict().items()}
        assert not any(map(on_cpu, learned.values()))
        again = MODULES[kind]().to(THERE.device).eval()
        again.load_state_dict(learned)
        assert not on_cpu(read(again))
        assert not on_cpu(read(copy.deepcopy(again)))
        functional_call(MODULES[kind]().eval(), learned, (THERE,))
        assert not on_cpu(read(module.double().float()))


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_that_is_left_behind_is_accused(kind: str) -> None:
    with (
        strict_devices(),
        pytest.raises(AssertionError, match="of the items' tensors and the CPU's"),
    ):
        read(MODULES[kind]())


@pytest.mark.parametrize(
    "left",
    [
        lambda: read(nn.Linear(16, 4).float()),
        lambda: read(nn.Linear(16, 4).to(torch.float32)),
        lambda: read(nn.Linear(16, 4).to(THERE.device).to("cpu").cpu()),
        lambda: read(Forgetful().to(THERE.device)),
        lambda: functional_call(nn.Linear(16, 4), dict(nn.Linear(16, 4).named_parameters()), THERE),
    ],
)
def test_what_does_not_move_a_module_is_not_taken_for_a_move(left: Callable[[], Tensor]) -> None:
    with (
        strict_devices(),
        pytest.raises(AssertionError, match="of the items' tensors and the CPU's"),
    ):
        left()
