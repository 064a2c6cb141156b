"""VAT: the inner loop is also asked to say the same of an item and of one a little beside it.

Miyato, Maeda, Koyama & Ishii, "Virtual Adversarial Training: A Regularization Method for Supervised
and Semi-Supervised Learning" (2018), arXiv:1704.03976, on the item's embedding: the inner loss is
(L(e) + lambda KL(f(e) || f(e + delta))) / (1 + lambda), f(e) a constant of each step and delta =
eps H d / |H d|, one power iteration from a random d, H the second derivative of KL in delta at 0.
No label is needed for the second term, yet only the support's items are in it: the query is not
seen, the method stays inductive. Read it beside `l2-dropout`, its plain counterpart, and
`adversarial-fgm`.

For one output H = f (1 - f) j j', j = dz/de: exact, where the paper takes a difference. So delta
is eps j / |j|, and d only says which of the two ways. It is found once, at the start.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.episode import Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, NotNegative
from coldbench.seeds import Seeds

from ._adversary import slope, unit
from ._gradient_head import Adapted, GradientHead, beside
from ._head import Head, hidden_units, read, where_on


@dataclass
class Vat(GradientHead):
    epsilon: NotNegative = 1.0  # length of delta, in the embedding's norm / sqrt D
    smoothness: NotNegative = 1.0  # lambda
    lots: Count = 64  # different d; item i has d number i mod lots

    family = "robust"
    paper = "arXiv:1704.03976"
    space = GradientHead.space | {"epsilon": (0.1, 10.0), "smoothness": (0.1, 10.0)}
    state_size = "4 * (2 * K * (hidden + D) + hidden + 1)"

    def fixed(self, warm: Users, seeds: Seeds) -> Params:
        rng = torch.Generator().manual_seed((seeds.init + 1) % 2**63)
        lots = torch.randn(self.lots, self.items.features.shape[1], generator=rng)
        return {"lots": lots.to(self.items.features)}

    def adapt(self, support: Feedback) -> Adapted:
        start, rows, trunk = self.begin(support)
        seen = self.items.features[support.items]  # (B, K, D)
        steep = slope(rows.base, start, trunk)
        way = (steep * self.learned["lots"][support.items % self.lots]).sum(2, keepdim=True).sign()
        moved = seen + self.epsilon * unit(seen) * way * normalize(steep, dim=2)
        vectors = torch.cat([seen, moved], 1)  # (B, 2 K, D)
        both = beside(rows, vectors, trunk)
        weight = both.weight * 2 / (1 + self.smoothness)
        head = Head(torch.zeros_like(both.base), start.last, start.bias)
        for _ in range(self.inner_steps):
            hidden = hidden_units(head, both.base, both.gram)  # (B, 2 K, H)
            clean, beside_it = torch.sigmoid(both.offset + read(head, hidden)).chunk(2, 1)
            smooth = self.smoothness * (beside_it - clean)  # (B, K) dKL/dz, said being a constant
            error = torch.cat([clean - rows.labels, smooth], 1) * weight
            head = self._step(head, hidden, error)
        return Adapted(head, vectors, trunk)

    def _step(self, head: Head, hidden: Tensor, error: Tensor) -> Head:
        """One gradient step, (B, 2 K) error being dL/dz."""
        assert head.first is not None
        to_units = where_on(error[..., None] * head.last[:, None], hidden)
        return Head(
            head.first - self.alpha * to_units,
            head.last - self.alpha * (error[..., None] * hidden).sum(1),
            head.bias - self.alpha * error.sum(1, keepdim=True),
        )
