"""Toy problems that `coldbench.testing` tries a method on: small, made up, the same everywhere."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import Users
from coldbench.interactions import Catalogue, Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split

EDGE_CASE_TEXTS = (
    "",
    "word " * 2_000,
    "🎬🍿👍",
    "שלום עולם",
    "a\x00b\n\tc",
    "'; DROP TABLE users; --",
)
TASTES = (  # the words of the titles of `synthetic` in 8 directions
    *"amber birch cedar dune ember fern grove harbour iris jade kelp lotus maple nettle".split(),
    *("onyx", "pearl"),
)
UNSEEN = 59  # of the plain problem: the item that nobody rated


@dataclass(frozen=True)
class ToyProblem:
    """A small problem: made-up users, and items as a method sees them."""

    split: Split
    items: Items

    def shuffled(self) -> "ToyProblem":
        """The same users with labels that mean nothing; only those to be guessed are kept."""
        rng, cut = np.random.default_rng(1), self.split

        def mixed(users: Users) -> Users:
            return replace(users, labels=rng.permutation(users.labels))

        cold = replace(cut.cold, users=mixed(cut.cold.users))
        cold.users.labels[cold.query] = cut.cold.users.labels[cold.query]
        valid = replace(cut.valid, users=mixed(cut.valid.users))
        return ToyProblem(replace(cut, warm=mixed(cut.warm), valid=valid, cold=cold), self.items)

    def timeless(self) -> "ToyProblem":
        """The same users, of whom nobody knows when they said what."""

        def bare(users: Users) -> Users:
            return replace(users, log=replace(users.log, times=None))

        cut = self.split
        valid, cold = (
            replace(episodes, users=bare(episodes.users)) for episodes in (cut.valid, cut.cold)
        )
        return ToyProblem(replace(cut, warm=bare(cut.warm), valid=valid, cold=cold), self.items)

    def without_valid(self) -> "ToyProblem":
        """Nobody is there to choose by."""
        return ToyProblem(replace(self.split, valid=self.split.valid.first(0)), self.items)

    def with_few_warm(self, count: int) -> "ToyProblem":
        """The first warm users alone."""
        warm = self.split.warm
        return ToyProblem(replace(self.split, warm=warm.only(warm.log.users < count)), self.items)


def toy_problem(
    folder: Path,
    *,
    users: int = 60,
    tokens: bool = True,
    edge_cases: bool = False,
    likes: bool = False,
) -> ToyProblem:
    """Synthetic users under user-cold; `tokens`: read by a tiny BERT, else the planted vectors.
    `odd`: odd texts, and an item nobody rated. `likes`: a positive-only log, short histories."""
    dataset = registry.find("datasets", "synthetic")(n_users=users, n_items=60, per_user=30)
    log, catalogue = dataset.load()
    sizes = {"shots": [0, 1, 4], "query": 4} if likes else {"shots": [0, 1, 4, 8, 12], "query": 10}
    protocol = Protocol.of("user-cold", sizes)

    def cut_up(log: Interactions) -> Split:
        labels = dataset.labels(log.ratings, "like" if likes else "rating")
        return split(log, labels, protocol, Seeds.of(0), explicit=not likes)

    if likes:
        log = log.rows(log.ratings > dataset.like_above)
    cut = cut_up(log)
    if edge_cases:  # a cold user meets an odd text only where a check says so
        catalogue = _with_edge_cases(catalogue)
        met = np.isin(log.users, cut.cold.users.ids) & (log.items < len(EDGE_CASE_TEXTS))
        cut = cut_up(log.rows((log.items != UNSEEN) & ~met))
    encoder = tiny_encoder(folder / "tiny-bert") if tokens else Encoder("vectors")
    return ToyProblem(cut, encoder.items(catalogue))


def checkerboard(users: int = 40, items: int = 24) -> ToyProblem:
    """Users with even numbers like even items, users with odd numbers like odd ones:

        item     0  1  2  3
        user 0   5  1  5  1
        user 1   1  5  1  5

    An item's vector is its parity, each item is liked by half of the users, and nothing is noise:
    without labels all items are alike, and one label tells the rest.
    """
    user, nth = (grid.ravel() for grid in np.indices((users, items)))
    item = (user // 2 + nth) % items  # each user begins elsewhere
    ratings = np.where(user % 2 == item % 2, 5.0, 1.0).astype(np.float32)
    log = Interactions.from_rows(user, item, ratings, nth, items)
    names, tags = tuple(map(str, range(items))), ((),) * items
    parity = np.eye(2, dtype=np.float32)[np.arange(items) % 2]
    protocol = Protocol.of("user-cold", {"shots": [0, 1, 4], "query": 8})
    cut = split(log, (log.ratings == 5).astype(np.float32), protocol, Seeds.of(0), explicit=True)
    return ToyProblem(cut, Encoder("vectors").items(Catalogue(names, names, tags, parity)))


def _with_edge_cases(catalogue: Catalogue) -> Catalogue:
    text = (*EDGE_CASE_TEXTS, *catalogue.text[len(EDGE_CASE_TEXTS) :])
    return replace(catalogue, text=text)


def tiny_encoder(folder: Path) -> Encoder:
    """A BERT of 2 layers and 32 dimensions that reads characters and pieces.

    Its weights are random, but it knows the words of `synthetic` as a pretrained one would:
    opposites are opposite.
    """
    if not (folder / "config.json").is_file():
        from safetensors.torch import save_file
        from transformers import BertConfig, BertModel, BertTokenizer

        folder.mkdir(parents=True, exist_ok=True)
        letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789")
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pieces = [f"##{letter}" for letter in letters]
        vocabulary = [*special, *letters, *pieces, *TASTES]
        (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,  # 4 times the width, as BERT has it
            max_position_embeddings=64,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = BertModel(config, add_pooling_layer=False)
        ends = model.embeddings.word_embeddings.weight.data[-16:].view(8, 2, -1)
        ends[:, 0] *= 20  # louder than places and letters, else no method finds a taste in a text
        ends[:, 1] = -ends[:, 0]
        config.save_pretrained(folder)
        save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return Encoder(str(folder), max_tokens=24)


def tiny_causal(folder: Path) -> Path:
    """The folder of a causal model of 2 layers and 32 dimensions, random weights, that reads
    letters, and as one token each the words of `synthetic` and of a question about an item."""
    if not (folder / "config.json").is_file():
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
        from transformers.utils import logging

        logging.disable_progress_bar()
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        whole = [f"Ġ{word}" for word in ("yes", "no", "one", "person", "liked", *TASTES)]
        whole += ["What", "Liked", *(word.capitalize() for word in TASTES)]
        pieces = [word[:end] for word in whole for end in range(2, len(word) + 1)]
        merges = [(piece[:-1], piece[-1]) for piece in dict.fromkeys(pieces)]
        vocabulary = {piece: n for n, piece in enumerate(dict.fromkeys([*letters, *pieces]))}
        vocabulary["<end>"] = len(vocabulary)
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(
            folder
        )
        config = LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.3,
            max_position_embeddings=2048,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(13)  # weights by lot that answer more by the labels told than most do
            LlamaForCausalLM(config).save_pretrained(folder)
    return folder
