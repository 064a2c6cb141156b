"""`adversarial-fgm` without its adversary: dropout on the embeddings and L2 to the start.

Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout" (2014), and Li, Grandvalet &
Davoine, "Explicit Inductive Bias for Transfer Learning" (L2-SP, 2018), arXiv:1802.01483. The same
loop on (L(e) + L(e masked)) / 2 + pull / 2 |theta - theta_0|^2: what an adversary gains must be
gained over this row. Masks are drawn once and belong to items, so a user's batch changes nothing.
"""

from dataclasses import dataclass

import torch

from coldbench.episode import Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, NotNegative, Part
from coldbench.seeds import Seeds

from ._gradient_head import Adapted, GradientHead, beside
from ._inner_loop import Rates, descend


@dataclass
class L2Dropout(GradientHead):
    dropped: Part = 0.1  # share of an embedding's entries
    masks: Count = 64  # different ones; item i has mask i mod masks
    pull: NotNegative = 0.1  # L2 to the start

    family = "robust"
    paper = "arXiv:1802.01483"
    space = GradientHead.space | {"dropped": (0.05, 0.5), "pull": (0.01, 1.0)}
    state_size = "4 * (2 * K * (hidden + D) + hidden + 1)"

    def fixed(self, warm: Users, seeds: Seeds) -> Params:
        rng = torch.Generator().manual_seed((seeds.init + 1) % 2**63)
        kept = torch.rand(self.masks, self.items.features.shape[1], generator=rng) >= self.dropped
        return {"masks": kept.to(self.items.features) / (1 - self.dropped)}  # (M, D)

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        masked = seen * self.learned["masks"][support.items % self.masks]
        vectors = torch.cat([seen, masked], 1)  # (B, 2 K, D)
        rates = Rates(self.alpha, self.alpha, self.alpha)
        doubled = beside(rows, vectors, trunk)
        head = descend(start, doubled, [rates] * self.inner_steps, pull=self.pull)
        return Adapted(head, vectors, trunk)
