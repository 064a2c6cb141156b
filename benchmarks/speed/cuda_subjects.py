"""What `make cuda` measures: methods that have learnt from random users, and users to adapt to."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.interactions import Catalogue, Interactions
from coldbench.method import Method
from coldbench.seeds import Seeds

SHOTS, QUERY, WIDTH, N_ITEMS, WARM = 16, 10, 384, 1682, 400
TOKEN_MOST = 1024  # users at once whose encoder is fine-tuned


@dataclass(frozen=True)
class Subject:
    """What is measured: a method that has learnt, and its most users at once."""

    name: str
    method: Method[Any]
    most: int

    def on(self, device: torch.device) -> Method[Any]:
        """The same method with its tensors on the device."""
        moved: Method[Any] = type(self.method)(**self.method.params())
        with tempfile.TemporaryDirectory() as folder:
            self.method.save(Path(folder))
            moved.load(Path(folder), self.method.items.to(device))
        return moved


def subjects(folder: Path, most: int) -> Iterator[Subject]:
    for name, params in (
        ("ridge", {"tau": 2.0}),
        ("protonet", {"meta_steps": 2}),
        ("maml", {"meta_steps": 2}),
    ):
        yield Subject(name, trained(name, random_items(N_ITEMS), params), most)
    words = read_items(folder)
    for shown, precision in (("lora, fp32", "float32"), ("lora, bf16", "bfloat16")):
        method = trained("lora", words, {"meta_steps": 0, "precision": precision})
        yield Subject(shown, method, min(most, TOKEN_MOST))


def trained(name: str, items: Items, params: dict[str, Any]) -> Method[Any]:
    """On the CPU, by the same random warm users each time."""
    rng, n = np.random.default_rng(0), len(items)
    each = min(60, n)
    who = np.repeat(np.arange(WARM), each)
    rated = np.concatenate([rng.permutation(n)[:each] for _ in range(WARM)])
    ratings = rng.integers(0, 5, len(rated)).astype(np.float32) / 4
    log = Interactions.from_rows(who, rated, ratings, None, n)
    warm = Users(log, log.ratings, np.arange(WARM))
    rows = np.arange(SHOTS + QUERY)[None]
    valid = Episodes(warm, np.zeros(1, np.int64), rows[:, :SHOTS], rows[:, SHOTS:])
    method: Method[Any] = registry.find("methods", name)(**params)
    method.meta_train(warm, valid, items, Seeds())
    return method


def random_items(count: int) -> Items:
    drawn = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(0))
    names = tuple(map(str, range(count)))
    catalogue = Catalogue(names, names, ((),) * count)
    return Items(torch.nn.functional.normalize(drawn), catalogue, Encoder("vectors"))


def read_items(folder: Path) -> Items:
    """A few hundred texts of random words, and an encoder of MiniLM-L6's shape, weights random."""
    from transformers import BertConfig, BertModel, BertTokenizer

    words = [f"w{n}" for n in range(2000)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=4 * WIDTH,
    )
    torch.manual_seed(0)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    rng = np.random.default_rng(0)
    texts = tuple(" ".join(rng.choice(words, 12)) for _ in range(300))
    catalogue = Catalogue(texts, texts, ((),) * len(texts))
    encoder = Encoder(str(folder), pooling="mean")
    return Items(encoder.embed(list(texts)), catalogue, encoder)


def users(count: int, items: int, device: torch.device) -> tuple[Feedback, Tensor]:
    """(count, K) what they said, and (count, Q) the items to be scored."""
    rng = torch.Generator().manual_seed(1)
    rated = torch.randint(0, items, (count, SHOTS), generator=rng)
    labels = torch.randint(0, 5, (count, SHOTS), generator=rng) / 4
    asked = torch.randint(0, items, (count, QUERY), generator=rng)
    support = Feedback(rated, labels, torch.zeros_like(labels), torch.ones_like(rated).bool())
    return support.to(device), asked.to(device)
