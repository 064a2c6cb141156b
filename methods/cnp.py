"""CNP: a conditional neural process. A user is the mean of what each labelled item says of them.

Garnelo et al., "Conditional Neural Processes" (2018), arXiv:1807.01613; the line that TaNP follows
in recommendation (Lin et al. 2021, arXiv:2103.06137). Context points (e(x), y) are encoded one by
one, their mean conditions a decoder of e(x) by FiLM, a scale and a shift of each unit (Perez et al.
2018, arXiv:1709.07871). It is trained on contexts of random size and adapts in one forward pass.

What is ours: a context point holds what the item prior leaves of y too, the decoder says what to
add to that prior, and one learnt point stands in every context, so that an empty one has a mean. It
predicts no variance: the loss is the cross-entropy of one number, not a Gaussian's likelihood.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import NetOnItems, log_odds


@dataclass
class Cnp(NetOnItems[Tensor]):
    """Its state is the representation, (B, R), whatever K was."""

    width: Count = 64  # of the representation and of each hidden layer

    paper = "arXiv:1807.01613"
    space = NetOnItems.space | {"width": (16, 256)}
    state_size = "4 * width"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        fixed = {"expected": expected, "prior": log_odds(expected)}
        weights = start_weights(items.features.shape[1], self.width, seeds.init)
        self.fit(
            {name: w.to(items.device) for name, w in weights.items()}, fixed, warm, valid, seeds
        )

    def adapt(self, support: Feedback) -> Tensor:
        w = self.learned
        left = support.labels - w["expected"][support.items]  # (B, K)
        embedded = torch.stack([support.labels, left], 2) @ w["label"]  # (B, K, R)
        points = torch.relu(
            project(self.items.features, w["context"], support.items) + embedded + w["shift"]
        )
        points = torch.relu(points @ w["encode"]) * support.mask[..., None]
        return (w["empty"] + points.sum(1)) / (1 + support.mask.sum(1, keepdim=True))

    def logits(self, state: Tensor, items: Tensor) -> Tensor:
        w = self.learned
        scale, shift = (state @ w["film"])[:, None].chunk(2, 2)  # (B, 1, R) each
        hidden = project(self.items.features, w["decode"], items)  # (B, Q, R)
        hidden = torch.relu((1 + scale) * hidden + shift)
        return w["prior"][items] + hidden @ w["last"] + w["bias"]


def start_weights(features: int, width: int, seed: int) -> Params:
    rng = torch.Generator().manual_seed(seed % 2**63)

    def normal(*shape: int, spread: float) -> Tensor:
        return spread * torch.randn(*shape, generator=rng)

    return {
        "context": normal(features, width, spread=1.0),
        "label": normal(2, width, spread=1.0),
        "shift": torch.zeros(width),
        "encode": normal(width, width, spread=(2 / width) ** 0.5),
        "empty": torch.zeros(width),
        "film": normal(width, 2 * width, spread=width**-0.5),
        "decode": normal(features, width, spread=1.0),
        "last": normal(width, spread=0.01),
        "bias": torch.zeros(1),
    }
