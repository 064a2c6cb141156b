"""Scores as plain graphs: equal to the method's own, in torch and in onnxruntime."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.method import Method
from coldbench.recommend import onnx
from coldbench.recommend.artefact import About
from coldbench.recommend.ratings import Scale
from coldbench.recommend.recommender import Recommender
from coldbench.seeds import Seeds
from coldbench.testing import MethodUnderTest

# a graph is unrolled: small ones say as much
GRAPHS = ["fold-in", "maml", "protonet", "ridge"]
SMALL: dict[str, dict[str, Any]] = {"fold-in": {"factors": 2}, "maml": {"inner_steps": 2}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


def scores(method: Method[Any], given: tuple[torch.Tensor, ...]) -> torch.Tensor:
    items, labels, mask, asked = given
    support = Feedback(items, labels, torch.zeros_like(labels), mask.bool())
    with torch.no_grad():
        return method.score(method.adapt(support), asked)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_graph_scores_as_the_method_does(name: str, place: Path) -> None:
    method = MethodUnderTest(registry.find("methods", name), place).trained
    given = onnx.example(60, 12)
    with torch.no_grad():
        assert torch.allclose(method.graph()(*given), scores(method, given), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_onnxruntime_scores_as_the_method_does(name: str, place: Path) -> None:
    pytest.importorskip("onnxruntime")
    subject = MethodUnderTest(registry.find("methods", name), place)
    method, cut = subject.new(**SMALL.get(name, {})), subject.plain.split
    method.meta_train(cut.warm, cut.valid, subject.plain.items, Seeds.of(0))
    about = About(name, {}, Scale(1, 5, 3.5, "rating"), "", {}, "", {})
    rec = Recommender(method, subject.plain.items, about, cut.warm.item_counts())
    onnx.write(rec, place / f"{name}.onnx", 3)
    many = tuple(tensor.repeat(4, 1) for tensor in onnx.example(60, 3))
    assert torch.allclose(onnx.run(place / f"{name}.onnx", many), scores(method, many), atol=1e-5)


def test_gauss_jordan_solves_what_cholesky_does() -> None:
    solve = import_module("coldbench.methods._graph").solve
    root = torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(0))
    matrix, right = root @ root.mT + torch.eye(9), torch.ones(3, 9)
    assert torch.allclose(solve(matrix, right), torch.linalg.solve(matrix, right), atol=1e-4)


def test_a_score_that_is_no_plain_graph_says_so(place: Path) -> None:
    with pytest.raises(UserError, match="ItemBias is no plain graph"):
        MethodUnderTest(registry.find("methods", "item-bias"), place).trained.graph()
