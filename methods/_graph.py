"""The scores of a few methods as plain graphs, without branches, kept tables or gradients: what an
ONNX file can hold. Each is the arithmetic of its method's adapt and score, one after the other.

forward(items (B, K) int64, labels (B, K), mask (B, K) of 0 and 1, asked (B, Q) int64) -> (B, Q).
"""

import torch
from torch import Tensor, nn

from coldbench.method import Params, squash_to_unit


class Graph(nn.Module):
    """Tensors by name, and the features of the items."""

    features: Tensor
    prior: Tensor

    def __init__(self, features: Tensor, learned: Params) -> None:
        super().__init__()
        for name, tensor in {"features": features, **learned}.items():
            self.register_buffer(name, tensor.detach().float().clone())


class Ridge(Graph):
    tau: Tensor

    def forward(self, items: Tensor, labels: Tensor, mask: Tensor, asked: Tensor) -> Tensor:
        e = self.features[items] * mask[..., None]  # (B, K, D)
        left = (labels - self.prior[items]) * mask
        eye = torch.eye(items.shape[1])
        weights = solve(e @ e.mT + self.tau * eye, left)  # (B, K)
        taste = (weights[:, None] @ e)[:, 0]  # (B, D)
        return squash_to_unit(self.prior[asked] + (self.features[asked] @ taste[..., None])[..., 0])


class FoldIn(Graph):
    factors: Tensor

    def forward(self, items: Tensor, labels: Tensor, mask: Tensor, asked: Tensor) -> Tensor:
        seen = self.factors[items] * mask[..., None]  # (B, K, F)
        left = (labels - self.prior[items]) * mask
        eye = torch.eye(self.factors.shape[1])
        user = solve(seen.mT @ seen + eye, (seen.mT @ left[..., None])[..., 0])  # (B, F)
        return squash_to_unit(self.prior[asked] + (self.factors[asked] @ user[..., None])[..., 0])


class Protonet(Graph):
    kappa: Tensor
    scale: Tensor
    projection: Tensor
    prototypes: Tensor

    def forward(self, items: Tensor, labels: Tensor, mask: Tensor, asked: Tensor) -> Tensor:
        places = self.features[items] @ self.projection  # (B, K, P)
        weight = torch.stack([labels, 1 - labels], 1) * mask[:, None]  # (B, 2, K)
        total = self.kappa + weight.sum(2, keepdim=True)
        ends = (self.kappa * self.prototypes + weight @ places) / total  # (B, 2, P)
        points = self.features[asked] @ self.projection  # (B, Q, P)
        far = (points[:, None] - ends[:, :, None]).square().sum(3)  # (B, 2, Q)
        return torch.sigmoid(self.prior[asked] + self.scale * (far[:, 1] - far[:, 0]))


class Maml(Graph):
    """The first layer's change lies in the span of the support, as in `_inner_loop`."""

    alpha: Tensor
    weight: Tensor
    shift: Tensor
    last: Tensor
    bias: Tensor

    def __init__(self, features: Tensor, learned: Params, steps: int) -> None:
        super().__init__(features, learned)
        self.steps = steps

    def forward(self, items: Tensor, labels: Tensor, mask: Tensor, asked: Tensor) -> Tensor:
        x, offset = self.features[items], self.prior[items]
        share = mask / mask.sum(1, keepdim=True).clamp_min(1)
        base, gram = x @ self.weight + self.shift, 1 + x @ x.mT  # the 1: the bias
        first = torch.zeros_like(base)  # (B, K, H)
        last = self.last.expand(items.shape[0], -1)  # (B, H)
        bias = self.bias.expand(items.shape[0], 1)
        for _ in range(self.steps):
            hidden = torch.relu(base + gram @ first)
            z = offset + (hidden @ last[..., None])[..., 0] + bias
            error = (torch.sigmoid(z) - labels) * share  # (B, K)
            on = (hidden > 0).float()
            first = first - self.alpha * error[..., None] * last[:, None] * on
            last = last - self.alpha * (error[:, None] @ hidden)[:, 0]
            bias = bias - self.alpha * error.sum(1, keepdim=True)
        e = self.features[asked]
        hidden = torch.relu(e @ self.weight + self.shift + (1 + e @ x.mT) @ first)
        return torch.sigmoid(self.prior[asked] + (hidden @ last[..., None])[..., 0] + bias)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """(B, N, N) symmetric positive definite, (B, N) -> (B, N), by Gauss-Jordan elimination: ONNX
    has no Cholesky. N is fixed once the graph is made."""
    both = torch.cat([matrix, right[..., None]], 2)  # (B, N, N + 1)
    unit = torch.eye(matrix.shape[1])
    for k in range(matrix.shape[1]):
        row = both[:, k : k + 1] / both[:, k : k + 1, k : k + 1]
        both = both - both[:, :, k : k + 1] * row + unit[:, k : k + 1] * row
    return both[:, :, -1]
