"""LightGCN against its formula with dense matrices, and a new user who is a known one again."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tests.training import close, ratings, scores, toy, trained

lightgcn: Any = import_module("coldbench.methods.lightgcn")
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
    w, v, messages = lightgcn.propagated(*given, lightgcn.Graph.of(csr_matrix(LIKES)), 2)
    assert np.allclose(torch.cat([w, v]), expected, atol=1e-5)
    assert np.allclose(messages, (layers[0] + layers[1])[3:], atol=1e-5)


def test_a_new_user_is_what_a_known_one_with_the_same_likes_reads_off_the_graph() -> None:
    method = trained("lightgcn", toy(), meta_steps=2, width=4)
    likes = toy().split.warm.matrix().copy()
    likes.data = (likes.data > 0.5).astype(np.float32)
    likes.eliminate_zeros()
    graph = lightgcn.Graph.of(likes)
    liked = np.bincount(likes.indices, minlength=likes.shape[1]).clip(1)
    message = method.learned["said"] * torch.from_numpy(liked).float().sqrt()[:, None]
    at = graph.users == 0
    read = (graph.weights[at] * message[graph.items[at]]).sum(0) / 3  # its own vector left out
    seen = likes[0].indices.tolist()
    close(method.adapt(ratings(seen, [1.0] * len(seen)))[0], read)


def test_a_dislike_alone_leaves_the_prior() -> None:
    method = trained("lightgcn", toy(), meta_steps=2, width=4)
    after = scores(method, ratings([3], [0.0]), torch.arange(5)[None])
    close(after[0], torch.sigmoid(method.learned["prior"][:5]), 1e-6)
