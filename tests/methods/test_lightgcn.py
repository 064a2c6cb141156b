"""LightGCN against its formula with dense matrices, and a new user who is a known one again."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from coldbench.episode import Feedback
from coldbench.testing.toy_data import toy_problem
from tests.training import (
    trained,
)

lightgcn: Any = import_module("coldbench.methods.lightgcn")
TOY = toy_problem(Path(), tokens=False)
LIKES = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]], np.float32)


def test_layers_are_products_with_the_normalised_graph() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    a = LIKES / np.sqrt(LIKES.sum(1, keepdims=True) * LIKES.sum(0))
    both = np.block([[np.zeros((3, 3)), a], [a.T, np.zeros((4, 4))]])
    every = np.vstack([users, items])
    layers = [every, both @ every, both @ both @ every]
    expected = sum(layers) / 3
    given = (torch.from_numpy(x).float() for x in (users, items))
    w, v, said = lightgcn.propagated(*given, lightgcn.Graph.of(csr_matrix(LIKES)), 2)
    assert np.allclose(torch.cat([w, v]), expected, atol=1e-5)
    assert np.allclose(said, (layers[0] + layers[1])[3:], atol=1e-5)


def test_a_new_user_is_what_a_known_one_with_the_same_likes_reads_off_the_graph() -> None:
    method = trained("lightgcn", TOY, meta_steps=2, width=4)
    likes = TOY.split.warm.matrix().copy()
    likes.data = (likes.data > 0.5).astype(np.float32)
    likes.eliminate_zeros()
    graph = lightgcn.Graph.of(likes)
    liked = np.bincount(likes.indices, minlength=likes.shape[1]).clip(1)
    said = method.learned["said"] * torch.from_numpy(liked).float().sqrt()[:, None]
    at = graph.users == 0
    read = (graph.weights[at] * said[graph.items[at]]).sum(0) / 3  # its own vector left out
    seen = torch.from_numpy(likes[0].indices.astype(np.int64))[None]
    ones = torch.ones(seen.shape)
    again = method.adapt(Feedback(seen, ones, ones, ones.bool()))
    assert torch.allclose(again[0], read, atol=1e-5)


def test_a_dislike_alone_leaves_the_prior() -> None:
    method = trained("lightgcn", TOY, meta_steps=2, width=4)
    seen, none = torch.tensor([[3]]), torch.zeros(1, 1)
    state = method.adapt(Feedback(seen, none, none, torch.ones(1, 1).bool()))
    found = method.score(state, torch.arange(5)[None])
    assert torch.allclose(found[0], torch.sigmoid(method.learned["prior"][:5]))
