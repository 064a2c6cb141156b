"""Tokens per second of a language model asked about items, beside transformers' plain forward.

`pytest benchmarks/speed -o python_files='bench_*.py'`. SmolLM2-135M, K = 16 labels in the text,
Q = 20 asked. A user's part of the text is read once here, and serves all 20; there each of the 20
texts is read in full, padded on the left to the longest, and only the last token's logits are made.
The tokens counted are those of the 20 texts on both sides. In float32 the scores are equal.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch
from coldbench.errors import UserError
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split

USERS, PEER_USERS = 4, 1
PROTOCOL = {"shots": [0, 16], "query": 20}
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "bfloat16"])


@cache
def world() -> tuple[Split, Items]:
    dataset = registry.find("datasets", "ml-100k")()
    try:
        log, catalogue = dataset.load()
    except UserError as error:
        pytest.skip(str(error))
    labels = dataset.labels(log.ratings, "rating")
    cut = split(log, labels, Protocol.of("user-cold", PROTOCOL), Seeds.of(0))
    return cut, Items(torch.zeros(len(catalogue), 1), catalogue)


@cache
def prompt(precision: str) -> Any:
    cut, items = world()
    method = registry.find("methods", "prompt")(shots=16, precision=precision)
    try:
        method.meta_train(cut.warm, cut.valid, items, Seeds.of(0))
    except UserError as error:
        pytest.skip(str(error))
    return method


@torch.no_grad()
def scores(precision: str, batch: EpisodeBatch) -> Tensor:
    method = prompt(precision)
    scored: Tensor = method.score(method.adapt(batch.support), batch.query.items)
    return scored


@cache
def users(count: int) -> EpisodeBatch:
    return next(world()[0].cold.batches(16, count))


def texts(precision: str, count: int) -> list[list[list[int]]]:
    """Each user's 20 texts in tokens."""
    method, batch = prompt(precision), users(count)
    state, whole = method.adapt(batch.support), []
    for user in range(count):
        before = method.before(method.told({name: value[user] for name, value in state.items()}))
        whole.append([before + method.question(n) for n in batch.query.items[user].tolist()])
    return whole


def named(benchmark: Any, role: str, name: str, precision: str, count: int) -> None:
    benchmark.group = f"language model, {precision}"
    tokens = sum(len(text) for user in texts(precision, count) for text in user)
    benchmark.extra_info = {"role": role, "name": name, "items": tokens, "unit": "tokens/s"}


@PRECISIONS
def test_what_is_told_of_a_user_is_read_once(benchmark: Any, precision: str) -> None:
    named(benchmark, "subject", "coldbench prompt, two words' logits", precision, USERS)
    benchmark.pedantic(scores, (precision, users(USERS)), rounds=3, warmup_rounds=1)


@PRECISIONS
def test_each_text_in_full(benchmark: Any, precision: str) -> None:
    named(benchmark, "peer", "transformers, each text in full", precision, PEER_USERS)
    causal, whole = prompt(precision).loaded(), texts(precision, PEER_USERS)

    @torch.inference_mode()
    def forward() -> Tensor:
        rows = []
        for user in whole:
            width = max(map(len, user))
            ids = torch.tensor([[0] * (width - len(text)) + text for text in user])
            seen = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in user])
            places = (seen.cumsum(1) - 1).clamp_min(0)
            out = causal.model(
                ids, attention_mask=seen, position_ids=places, logits_to_keep=1, use_cache=False
            )
            rows.append(out.logits[:, -1, list(causal.words)].float().softmax(1)[:, 0])
        return torch.stack(rows)

    plain = benchmark.pedantic(forward, rounds=2, warmup_rounds=1)
    if precision == "float32":  # bfloat16 rounds by a product's shape: docs/speed.md says how far
        torch.testing.assert_close(plain, scores(precision, users(PEER_USERS)), atol=1e-4, rtol=0)
