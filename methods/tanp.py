"""TaNP: a neural process whose decoder is turned to a user by what kind of user this is.

Lin, Wu, Zhou, Pan, Cao & Wang, "Task-adaptive Neural Process for User Cold-Start Recommendation"
(2021), arXiv:2103.06137. Two encoders read the support (x, y) one by one and take means: one gives
a Gaussian over z, what the user's function is; the other an embedding t of the user, which is
assigned softly to learnt centres (Student's t, as in deep clustering) and moved by their mixture.
The decoder of (x, z) is scaled and shifted by that, layer by layer (FiLM, as the paper's). Training
adds to the query's loss KL(q(z | support and query) || q(z | support)), the clustering's own KL to
its sharpened assignments, and draws z from the first; serving takes the mean of the second.

What is ours: the decoder adds to the item prior's log-odds, the loss is the cross-entropy, and one
learnt point stands in every support, so that an empty one has a mean.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, NotNegative
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._item_prior import item_prior
from ._meta_learner import NetOnItems, log_odds
from ._query_loss import query_loss

SMALLEST = 0.1  # standard deviation of z, as in neural processes


@dataclass(frozen=True)
class Task:
    """What is known of B users."""

    z: Tensor  # (B, Z) the mean of q(z | support)
    kind: Tensor  # (B, Z) the embedding, moved by the centres it is near


@dataclass
class Tanp(NetOnItems[Task]):
    width: Count = 64  # of each hidden layer
    latent: Count = 32  # numbers of z and of the user's embedding
    centres: Count = 10
    kl: NotNegative = 0.1  # weight of the KL of z
    clustering: NotNegative = 0.1  # weight of the KL of the assignments

    paper = "arXiv:2103.06137"
    space = NetOnItems.space | {"latent": (8, 64), "centres": (4, 32), "kl": (0.01, 1.0)}
    state_size = "8 * latent"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        fixed = {"expected": expected, "prior": log_odds(expected)}
        weights = self._start(items.features.shape[1], seeds.init)
        self._noise = torch.Generator().manual_seed(seeds.order % 2**63)
        self.fit(
            {name: w.to(items.device) for name, w in weights.items()}, fixed, warm, valid, seeds
        )
        del self._noise

    def _start(self, features: int, seed: int) -> Params:
        rng, h, z = torch.Generator().manual_seed(seed % 2**63), self.width, self.latent

        def normal(*shape: int, spread: float) -> Tensor:
            return spread * torch.randn(*shape, generator=rng)

        weights = {"centres": normal(self.centres, z, spread=0.5)}
        for name, size in (("task", 2 * z), ("kind", z)):
            weights |= {
                f"{name}_items": normal(features, h, spread=1.0),
                f"{name}_label": normal(2, h, spread=1.0),
                f"{name}_shift": torch.zeros(h),
                f"{name}_empty": torch.zeros(h),
                f"{name}_read": normal(h, size, spread=h**-0.5),
            }
        return weights | {
            "decode": normal(features, h, spread=1.0),
            "task_in": normal(z, h, spread=z**-0.5),
            "film1": normal(z, 2 * h, spread=0.1 * z**-0.5),
            "middle": normal(h, h, spread=(2 / h) ** 0.5),
            "film2": normal(z, 2 * h, spread=0.1 * z**-0.5),
            "last": normal(h, spread=0.01),
            "bias": torch.zeros(1),
        }

    def _read(self, name: str, support: Feedback) -> Tensor:
        """(B, size) what an encoder makes of the mean of its points."""
        w = self.learned
        left = support.labels - w["expected"][support.items]
        embedded = torch.stack([support.labels, left], 2) @ w[f"{name}_label"]  # (B, K, H)
        points = project(self.items.features, w[f"{name}_items"], support.items) + embedded
        points = torch.relu(points + w[f"{name}_shift"]) * support.mask[..., None]
        count = 1 + support.mask.sum(1, keepdim=True)
        return ((w[f"{name}_empty"] + points.sum(1)) / count) @ w[f"{name}_read"]

    def _task(self, support: Feedback) -> tuple[Tensor, Tensor]:
        """(B, Z) mean and deviation of q(z | support)."""
        mean, spread = self._read("task", support).chunk(2, 1)
        return mean, SMALLEST + (1 - SMALLEST) * torch.sigmoid(spread)

    def _kind(self, support: Feedback) -> tuple[Tensor, Tensor]:
        """(B, Z) the embedding moved by its centres, (B, C) how near each is."""
        kind, centres = self._read("kind", support), self.learned["centres"]
        near = 1 / (1 + (kind[:, None] - centres).square().sum(2))
        share = near / near.sum(1, keepdim=True)
        return kind + share @ centres, share

    def adapt(self, support: Feedback) -> Task:
        return Task(self._task(support)[0], self._kind(support)[0])

    def logits(self, state: Task, items: Tensor) -> Tensor:
        w = self.learned
        hidden = (
            project(self.items.features, w["decode"], items) + (state.z @ w["task_in"])[:, None]
        )
        for name in ("film1", "film2"):
            scale, shift = (state.kind @ w[name])[:, None].chunk(2, 2)  # (B, 1, H) each
            hidden = torch.relu((1 + scale) * hidden + shift)
            if name == "film1":
                hidden = hidden @ w["middle"]
        return w["prior"][items] + hidden @ w["last"] + w["bias"]

    def _loss(self, batch: EpisodeBatch) -> Tensor:
        """(B,) in training with z drawn from q(z | support and query), and both KLs."""
        if not torch.is_grad_enabled():
            return super()._loss(batch)
        batch = batch.to(self.items.device)
        columns = zip(vars(batch.support).values(), vars(batch.query).values(), strict=True)
        every = Feedback(*(torch.cat(pair, 1) for pair in columns))
        mean, spread = self._task(batch.support)
        full, wide = self._task(every)
        kind, share = self._kind(batch.support)
        noise = torch.randn(full.shape, generator=self._noise).to(full)
        drawn = replace(Task(mean, kind), z=full + wide * noise)
        logits = self.logits(drawn, batch.query.items).float()
        wrong = query_loss(self.loss, logits, batch.query)
        apart = gaussian_kl(full, wide, mean, spread).sum(1)
        return wrong + self.kl * apart + self.clustering * clustering_kl(share)


def gaussian_kl(m: Tensor, s: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """KL(N(m, s^2) || N(mean, spread^2)), number by number."""
    return (spread / s).log() + (s.square() + (m - mean).square()) / (2 * spread.square()) - 0.5


def clustering_kl(share: Tensor) -> Tensor:
    """(B,) KL(p || q) of assignments q (B, C) to themselves sharpened, p ~ q^2 / (sum of q over
    users): Xie, Girshick & Farhadi (2016), arXiv:1511.06335."""
    sharp = share.square() / share.sum(0)
    sharp = (sharp / sharp.sum(1, keepdim=True)).detach()
    return (sharp * (sharp / share).log()).sum(1)
