"""Hold a method to what every method promises: `check_method(MyMethod)`, or `coldbench check NAME`.

Use it in the tests of your own package:

    @pytest.mark.parametrize("outcome", check_method(MyMethod), ids=str)
    def test_my_method_conforms(outcome):
        assert outcome.ok, outcome.reason

The worlds it is tried on are small, made up and the same everywhere; nothing is downloaded. A
method that cannot keep a promise says so and why: `exempt = {"is better with K": "it is random"}`.
"""

import json
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import EpisodeBatch, Users
from coldbench.errors import Unavailable
from coldbench.interactions import Catalogue
from coldbench.judged import judge
from coldbench.method import Method, from_params
from coldbench.metrics import per_user
from coldbench.protocol import Protocol, Seeds, Split, split

ODD_TEXTS = ("", "word " * 2_000, "🎬🍿👍", "שלום עולם", "a\x00b\n\tc", "'; DROP TABLE users; --")


@dataclass(frozen=True)
class Outcome:
    """What one check said of one method."""

    check: str
    passed: bool
    reason: str  # why it failed; "" where it passed
    exempt: str  # the method's own reason why it need not pass; "" where it must

    @property
    def ok(self) -> bool:
        """Passed, or failed as the method said it would. One that passes all the same is not ok:
        the exemption is out of date."""
        return self.passed != bool(self.exempt)

    def __str__(self) -> str:
        return self.check.replace(" ", "-")


def check_method(method: type[Method[Any]], only: str | None = None) -> list[Outcome]:
    """Every check (or those whose name holds `only`) on one method, in a fixed order.

    Where the method raises Unavailable, that is its exemption. Raises ValueError where `exempt`
    names a check that does not exist.
    """
    from coldbench.checks import CHECKS, NEEDS

    for name in method.exempt:
        if name not in CHECKS:
            raise ValueError(f"{method.__name__}.exempt names {name!r}, which is no check")
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(method, Path(folder))
        for name, check in CHECKS.items():
            if only and only not in name:
                continue
            lacks = [
                words for fact, words in NEEDS.get(name, {}).items() if not getattr(method, fact)
            ]
            exempt = method.exempt.get(name, "") or ", ".join(lacks)
            reason = ""
            try:
                with torch.random.fork_rng(devices=[]), torch.enable_grad():
                    check(subject)  # what it does to chance and gradients ends here
            except Unavailable as error:
                reason = exempt = f"unavailable: {error}"
            except AssertionError as error:
                reason = str(error) or "an assertion that gives no reason"
            except (Exception, SystemExit) as error:  # whatever it is, the table says which
                reason = f"{type(error).__name__}: {error}"
            outcomes.append(Outcome(name, not reason, reason, exempt))
    return outcomes


@dataclass(frozen=True)
class World:
    """A small problem: made-up users, and items as a method sees them."""

    split: Split
    items: Items

    def shuffled(self) -> "World":
        """The same users with labels that mean nothing; only those to be guessed are kept."""
        rng, cut = np.random.default_rng(1), self.split

        def mixed(users: Users) -> Users:
            return replace(users, labels=rng.permutation(users.labels))

        cold = replace(cut.cold, users=mixed(cut.cold.users))
        cold.users.labels[cold.query] = cut.cold.users.labels[cold.query]
        valid = replace(cut.valid, users=mixed(cut.valid.users))
        return World(replace(cut, warm=mixed(cut.warm), valid=valid, cold=cold), self.items)


@dataclass(frozen=True)
class Subject:
    """A method under test, with what the checks need, each made on first use."""

    method: type[Method[Any]]
    folder: Path

    def new(self, *, short: bool = True) -> Method[Any]:
        """Untrained, its parameters read from JSON as the loop's are; with `short`, hardly to be
        trained: for checks that are not of quality."""
        brief = {"meta_steps": 4, "epochs": 1}
        known = {field.name for field in fields(self.method)}
        method = self.method(**{k: v for k, v in brief.items() if short and k in known})
        return from_params(self.method, "it", json.loads(json.dumps(method.params())))

    def trained(self, world: World, seed: int = 0, *, short: bool = True) -> Method[Any]:
        method = self.new(short=short)
        method.meta_train(world.split.warm, world.split.valid, world.items, Seeds.of(seed))
        return method

    @cached_property
    def plain(self) -> World:
        """Twelve shots at most, an item nobody rated, odd texts, a tiny language model."""
        return make_world(self.folder, odd=True)

    @cached_property
    def planted(self) -> World:
        """Enough users to learn from; the features hold the taste, or its words."""
        return make_world(self.folder, users=240, tokens=self.method.needs_tokens)

    @cached_property
    def ready(self) -> Method[Any]:
        """Trained on the plain world; checks must leave it as it is."""
        return self.trained(self.plain)

    @cached_property
    def learnt(self) -> Method[Any]:
        """Trained in full on the planted world."""
        return self.trained(self.planted, short=False)

    def batch(self, shots: int = 8, size: int = 12) -> EpisodeBatch:
        return next(self.plain.split.cold.batches(shots, size))

    def predict(self, batch: EpisodeBatch, method: Method[Any] | None = None) -> Tensor:
        """(B, Q) scores, as the loop asks for them."""
        method = method or self.ready
        with torch.no_grad():
            return method.score(method.adapt(batch.support), batch.query.items)

    def auc(self, method: Method[Any], world: World, shots: int) -> Tensor:
        """(U,) AUC of each judged user for whom there is one."""
        parts = []
        for batch in world.split.cold.batches(shots):
            scores, query = self.predict(batch, method), batch.query
            judged = judge(scores, query.labels, query.mask, like_at=0.625)
            parts.append(per_user("auc", judged))
        values = torch.cat(parts)
        return values[~values.isnan()]


def make_world(folder: Path, *, users: int = 60, tokens: bool = True, odd: bool = False) -> World:
    """Synthetic users under user-cold; `tokens`: read by a tiny BERT, else the planted vectors."""
    dataset = registry.find("datasets", "synthetic")(n_users=users, n_items=60, per_user=30)
    log, catalogue = dataset.load()
    if odd:
        catalogue = _with_odd_texts(catalogue)
        log = log.rows(log.items != 59)  # nobody rates the last item
    protocol = Protocol.of("user-cold", {"shots": [0, 1, 4, 8, 12], "query": 10})
    cut = split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(0))
    encoder = tiny_encoder(folder / "tiny-bert") if tokens else Encoder("vectors")
    return World(cut, encoder.items(catalogue))


def _with_odd_texts(catalogue: Catalogue) -> Catalogue:
    text = (*ODD_TEXTS, *catalogue.text[len(ODD_TEXTS) :])
    return replace(catalogue, text=text)


def tiny_encoder(folder: Path) -> Encoder:
    """A BERT of 2 layers and 32 dimensions that reads characters and pieces.

    Its weights are by lot, but that it knows the words of `synthetic` as a pretrained one would:
    opposites are opposite.
    """
    if not (folder / "config.json").is_file():
        from safetensors.torch import save_file
        from transformers import BertConfig, BertModel, BertTokenizer

        folder.mkdir(parents=True, exist_ok=True)
        letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789")
        words = "amber birch cedar dune ember fern grove harbour iris jade kelp lotus maple nettle"
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pieces = [f"##{letter}" for letter in letters]
        vocabulary = [*special, *letters, *pieces, *words.split(), "onyx", "pearl"]
        (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = BertModel(config, add_pooling_layer=False)
        ends = model.embeddings.word_embeddings.weight.data[-16:].view(8, 2, -1)
        ends[:, 0] *= 20  # louder than places and letters, else no method finds a taste in a text
        ends[:, 1] = -ends[:, 0]
        config.save_pretrained(folder)
        save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return Encoder(str(folder), max_tokens=24)


def to_table(outcomes: dict[str, list[Outcome]]) -> str:
    """Markdown: a row a method, what failed and what it is exempt from."""
    lines = ["| method | passed | failed | expected failures |", "|---|---|---|---|"]
    for name, found in outcomes.items():
        passed = sum(outcome.passed for outcome in found)
        bad = [f"{o.check}: {o.reason or 'passes: drop exempt'}" for o in found if not o.ok]
        known = [f"{o.check}: {o.exempt}" for o in found if o.exempt and o.ok]
        cells = (name, f"{passed} of {len(found)}", "; ".join(bad), "; ".join(known))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def as_rows(outcomes: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """The same, a row a check."""
    return [
        {"name": name, "ok": o.ok, **asdict(o)} for name, found in outcomes.items() for o in found
    ]
