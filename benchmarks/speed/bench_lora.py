"""Users per second that LoRA adapts to and scores, beside peft one user at a time.

`pytest benchmarks/speed -o python_files='bench_*.py'`. MiniLM-L6, r = 8 on q and v of the top two
blocks, K = 16 labels, 5 steps, Q = 20 asked. Ours reads the frozen trunk once an item, which is
not timed: it is on disk; peft reads the whole encoder at each step, as it must. In float32 the
scores are peft's; in bfloat16 they are near them, by as much as the test below says.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from coldbench import registry
from coldbench.encoder import Encoder, Items, pool
from coldbench.episode import EpisodeBatch
from coldbench.errors import UserError
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split

USERS, PEER_USERS, STEPS, RANK = 16, 2, 5, 8
PROTOCOL = {"shots": [0, 16], "query": 20}


@cache
def world() -> tuple[Split, Items]:
    dataset = registry.find("datasets", "ml-100k")()
    try:
        log, catalogue = dataset.load()
        items = Encoder().items(catalogue)
    except UserError as error:
        pytest.skip(str(error))
    labels = dataset.labels(log.ratings, "rating")
    return split(log, labels, Protocol.of("user-cold", PROTOCOL), Seeds.of(0)), items


@cache
def lora(precision: str = "float32") -> Any:
    cut, items = world()
    method = registry.find("methods", "lora")(
        rank=RANK, blocks=2, inner_steps=STEPS, meta_steps=0, precision=precision
    )
    method.meta_train(cut.warm, cut.valid.first(1), items, Seeds.of(0))
    return method


def users(count: int) -> EpisodeBatch:
    return next(world()[0].cold.batches(16, count))


@pytest.mark.parametrize(("precision", "off"), [("float32", 1e-5), ("bfloat16", 0.01)])
def test_lora_all_users_at_once(benchmark: Any, precision: str, off: float) -> None:
    benchmark.group = "lora"
    benchmark.extra_info = {
        "role": "subject",
        "name": f"coldbench lora, shared trunk, batched, {precision}",
        "items": USERS,
        "unit": "users/s",
    }
    method, batch = lora(precision), users(USERS)
    plain = lora()
    method.learned = plain.learned  # one start and one rate for both

    @torch.no_grad()
    def meet() -> Tensor:
        return method.score(method.adapt(batch.support), batch.query.items)

    scores = benchmark.pedantic(meet, rounds=3, warmup_rounds=1)
    with torch.no_grad():
        expected = plain.score(plain.adapt(batch.support), batch.query.items)
    torch.testing.assert_close(scores, expected, atol=off, rtol=0)


def test_peft_one_user_at_a_time(benchmark: Any) -> None:
    benchmark.group = "lora"
    benchmark.extra_info = {
        "role": "peer",
        "name": "peft, one user at a time",
        "items": PEER_USERS,
        "unit": "users/s",
    }
    batch, ours = users(PEER_USERS), lora()
    model, weights, start = _peft()

    def meet() -> Tensor:
        scores = []
        for user in range(PEER_USERS):
            for weight, value in zip(weights, start, strict=True):
                weight.data.copy_(value)
            labels = batch.support.labels[user]
            sgd = torch.optim.SGD(weights, float(ours.learned["rate"]))
            for _ in range(STEPS):
                sgd.zero_grad()
                logits = _logits(model, batch.support.items[user])
                loss = binary_cross_entropy_with_logits(logits, labels, reduction="sum")
                (loss / (len(labels) + ours.damping)).backward()
                sgd.step()
            with torch.no_grad():
                scores.append(torch.sigmoid(_logits(model, batch.query.items[user])))
        return torch.stack(scores)

    alone = benchmark.pedantic(meet, rounds=2, warmup_rounds=1)
    with torch.no_grad():
        batched = ours.score(ours.adapt(batch.support), batch.query.items)
    torch.testing.assert_close(alone, batched, atol=1e-4, rtol=0)


def _peft() -> tuple[Any, list[Any], list[Tensor]]:
    """The model, its trainable weights, and the values that every user starts from."""
    from peft import LoraConfig, get_peft_model

    encoder: Any = world()[1].encoder.model()
    depth = len(encoder.encoder.layer)
    config = LoraConfig(
        r=RANK,
        lora_alpha=lora().alpha,
        lora_dropout=0.0,
        target_modules=["query", "value"],
        layers_to_transform=[depth - 2, depth - 1],
    )
    model: Any = get_peft_model(encoder, config).eval()
    weights, start = [], []
    for block in range(2):
        attend = model.base_model.model.encoder.layer[depth - 2 + block].attention.self
        for part in ("query", "value"):
            for letter in ("A", "B"):
                weights.append(getattr(getattr(attend, part), f"lora_{letter}")["default"].weight)
                start.append(lora().learned[f"start.{block}.attention.self.{part}.{letter}"])
    return model, weights, start


def _logits(model: Any, numbers: Tensor) -> Tensor:
    items, learned = world()[1], lora().learned
    ids, mask = items.encoder.tokens([items.catalogue.text[i] for i in numbers.tolist()])
    hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    moved = normalize(pool(hidden, mask, items.encoder.pooling), dim=1) - items.features[numbers]
    return learned["prior"][numbers] + moved @ learned["head"]
