"""In-context learning: a small transformer reads a user's labels and judges an item by them.

Müller, Hollmann, Pineda Arango, Grabocka & Hutter, "Transformers Can Do Bayesian Inference" (2022),
arXiv:2112.10510. A label is one token, (x_i, y_i); an item that is asked for is a token without a
label. Labels attend to each other, an asked item to the labels alone, none to another asked item;
tokens have no place, so their order says nothing. It is trained on warm users' episodes and adapts
in one forward pass.

What is ours: a token holds what the item prior leaves of y too, what it says is added to that
prior, and one learnt token stands beside the labels, so that no label is a context as well. It says
a mean, where the paper's predicts a whole distribution.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import UserError
from coldbench.method import Params
from coldbench.parameters import Count, Part, Positive, Whole
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import EpisodicMethod, log_odds


@dataclass(frozen=True)
class Context:
    """What asked items attend to: L layers of a user's labels, and the learnt token before them."""

    keys: Tensor  # (B, L, 1 + K, W)
    values: Tensor  # (B, L, 1 + K, W)
    mask: Tensor  # (B, 1 + K) bool


@dataclass
class InContext(EpisodicMethod[Context]):
    layers: Count = 2
    width: Count = 64  # of a token
    heads: Count = 4  # of each layer's attention; they share the width
    meta_users: Count = 64
    meta_lr: Positive = 5e-4
    dropout: Part = 0.3  # of eleven settings tried the best on valid users of ml-100k
    patience: Whole = 8

    family = "meta-learning"
    paper = "arXiv:2112.10510"
    space = EpisodicMethod.space | {"layers": (1, 4), "width": [32, 64, 128]}
    state_size = "8 * layers * width * (1 + K) + 1 + K"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(
                f"in-context.width = {self.width}: a multiple of heads, which is {self.heads}"
            )

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        fixed = {"expected": expected, "prior": log_odds(expected)}
        weights = start_weights(items.features.shape[1], self.width, self.layers, seeds.init)
        weights = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(weights, fixed, warm, valid, seeds)

    def adapt(self, support: Feedback) -> Context:
        w, users = self.learned, len(support.items)
        left = support.labels - w["expected"][support.items]  # (B, K)
        embedded = torch.stack([support.labels, left], 2) @ w["label"]  # (B, K, W)
        labelled = project(self.items.features, w["item"], support.items) + embedded
        tokens = torch.cat([w["alone"].expand(users, 1, -1), labelled], 1)  # (B, 1 + K, W)
        mask = torch.cat([support.mask.new_ones(users, 1), support.mask], 1)
        keys, values = [], []
        for layer in range(self.layers):
            read = _norm(tokens)
            keys.append(read @ w["key"][layer])
            values.append(read @ w["value"][layer])
            if layer + 1 < self.layers:
                tokens = self._layer(layer, tokens, keys[-1], values[-1], mask)
        return Context(torch.stack(keys, 1), torch.stack(values, 1), mask)

    def logits(self, state: Context, items: Tensor) -> Tensor:
        w = self.learned
        tokens = project(self.items.features, w["item"], items) + w["asked"]  # (B, Q, W)
        for layer in range(self.layers):
            keys, values = state.keys[:, layer], state.values[:, layer]
            tokens = self._layer(layer, tokens, keys, values, state.mask)
        return w["prior"][items] + _norm(tokens) @ w["last"] + w["bias"]

    def _layer(
        self, layer: int, tokens: Tensor, keys: Tensor, values: Tensor, mask: Tensor
    ) -> Tensor:
        """(B, N, W) tokens, having attended to (B, 1 + K, W) and been through a small net."""
        w = self.learned
        query = _norm(tokens) @ w["query"][layer]
        asks, says, tells = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, keys, values)
        )
        seen = scaled_dot_product_attention(asks, says, tells, mask[:, None, None])  # (B, h, N, .)
        tokens = tokens + seen.transpose(1, 2).flatten(2) @ w["out"][layer]
        return tokens + torch.relu(_norm(tokens) @ w["up"][layer]) @ w["down"][layer]


def _norm(tokens: Tensor) -> Tensor:
    """Layer norm; its gain would be one with the weights that follow."""
    return layer_norm(tokens, tokens.shape[-1:])


def start_weights(features: int, width: int, layers: int, seed: int) -> Params:
    rng = torch.Generator().manual_seed(seed % 2**63)

    def normal(*shape: int, spread: float) -> Tensor:
        return spread * torch.randn(*shape, generator=rng)

    quiet = (2 * layers * width) ** -0.5  # what is added to a token grows with the layers
    return {
        "item": normal(features, width, spread=1.0),
        "label": normal(2, width, spread=1.0),
        "alone": normal(width, spread=1.0),
        "asked": normal(width, spread=1.0),
        "query": normal(layers, width, width, spread=width**-0.5),
        "key": normal(layers, width, width, spread=width**-0.5),
        "value": normal(layers, width, width, spread=width**-0.5),
        "out": normal(layers, width, width, spread=quiet),
        "up": normal(layers, width, 2 * width, spread=width**-0.5),
        "down": normal(layers, 2 * width, width, spread=quiet),
        "last": normal(width, spread=0.01),
        "bias": torch.zeros(1),
    }
