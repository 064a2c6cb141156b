"""MAMO: MAML for users who differ, with memories of where a user like this should start.

Dong, Yuan, Yao, Xu & Zhu, "MAMO: Memory-Augmented Meta-Optimization for Cold-start Recommendation"
(2020), arXiv:2007.03183. A user's profile p attends to the slots of a memory of profiles, a. The
user's layer starts at phi - tau a'G, where G holds the gradients of users who were there before,
and the joint layer of user and item starts at a'J, where J holds the joint layers that they ended
with. The inner loop moves all layers, the outer loop the shared start, and after each batch the
memories are written: profiles, gradients and joint layers move towards the users' own.

What is ours: there are no fields of users, so the profile is a mean over what the support says,
with one learnt point in it for an empty one. A slot moves by its attention, M_k += rate a_k (new -
M_k): the paper's rate a_k new + (1 - rate) M_k shrinks joint layers to 0. Users of a batch write
their mean; the gradient written is the mean of the inner loop's. The outer loop has the exact
second order, the loss is cross-entropy, and the item prior's log-odds are added, as in MeLU.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes, Feedback, Users
from coldbench.method import Params
from coldbench.parameters import Count, Positive, Share, Whole
from coldbench.seeds import Seeds

from ._gradient_head import project
from ._head import where_on
from ._item_prior import item_prior
from ._meta_learner import EpisodicMethod, log_odds
from ._query_loss import query_loss

LAYERS = ("user", "user_bias", "item", "item_bias", "joint", "hidden", "hidden_bias", "out", "bias")
MEMORIES = ("profiles", "gradients", "joints")


@dataclass(frozen=True)
class Network:
    """The layers of B users, P numbers wide, and what they read of the user."""

    profile: Tensor  # (B, 1, P)
    layers: dict[str, Tensor]  # (B, rows, columns) each, as LAYERS

    def read(self, items: Tensor) -> tuple[Tensor, ...]:
        """(B, N, P) items -> each layer's output in turn; the last is (B, N, 1) log-odds."""
        w = self.layers
        user = torch.relu(self.profile @ w["user"] + w["user_bias"])  # (B, 1, P)
        item = torch.relu(items @ w["item"] + w["item_bias"])
        both = torch.cat([user.expand(-1, items.shape[1], -1), item], 2)
        joint = both @ w["joint"]  # (B, N, 2 P)
        hidden = torch.relu(joint @ w["hidden"] + w["hidden_bias"])
        return user, item, both, joint, hidden, hidden @ w["out"] + w["bias"]

    def slopes(self, items: Tensor, outputs: tuple[Tensor, ...], wrong: Tensor) -> list[Tensor]:
        """The gradient of each layer, given (B, N, 1) that of the log-odds."""
        user, item, both, joint, hidden, _ = outputs
        w, width = self.layers, user.shape[2]
        at_hidden = where_on(wrong @ w["out"].mT, hidden)
        at_joint = at_hidden @ w["hidden"].mT
        at_both = at_joint @ w["joint"].mT
        at_user = where_on(at_both[..., :width].sum(1, keepdim=True), user)
        at_item = where_on(at_both[..., width:], item)
        return [
            self.profile.mT @ at_user,
            at_user,
            items.mT @ at_item,
            at_item.sum(1, keepdim=True),
            both.mT @ at_joint,
            joint.mT @ at_hidden,
            at_hidden.sum(1, keepdim=True),
            hidden.mT @ wrong,
            wrong.sum(1, keepdim=True),
        ]


@dataclass
class Mamo(EpisodicMethod[Network]):
    """Its state is a copy of all layers but the items' first, for each user."""

    alpha: Positive = 3e-2  # inner learning rate
    inner_steps: Whole = 3
    slots: Count = 3  # of each memory: kinds of users
    tau: Positive = 1e-2  # rate at which the remembered gradients move the user's start
    write: Share = 0.1  # how far a batch of users moves the memories
    embedding: Count = 16  # numbers of a profile, of the user's and of the item's embedding
    meta_steps: Whole = 200
    meta_lr: Positive = 3e-3

    family = "meta-learning"
    paper = "arXiv:2007.03183"
    steps_param = "inner_steps"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"alpha": 1e-2, "embedding": 100, "write": 0.05},  # the rest is as above
    }
    space = EpisodicMethod.space | {
        "alpha": (1e-3, 0.1),
        "inner_steps": (1, 8),
        "slots": (2, 16),
        "tau": (1e-3, 1.0),
        "embedding": (8, 64),
    }
    state_size = "4 * (8 * embedding * embedding + 5 * embedding + 1)"

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        expected = item_prior(warm, items)
        fixed = {"expected": expected, "prior": log_odds(expected)}
        weights = self._start(items.features.shape[1], seeds.init)
        self._remembered: Params = {}
        on = {name: w.to(items.device) for name, w in weights.items()}
        self.fit(on, fixed, warm, valid, seeds)
        del self._remembered

    def _start(self, width: int, seed: int) -> Params:
        rng, p = torch.Generator().manual_seed(seed % 2**63), self.embedding

        def lot(*shape: int, spread: float) -> Tensor:
            return spread * torch.randn(*shape, generator=rng)

        return {
            "load": lot(width, p, spread=1),  # the items' first layer, shared by all users
            "load_label": lot(1, p, spread=1),
            "empty": torch.zeros(p),
            "attend": torch.eye(self.slots),
            "user": lot(p, p, spread=(2 / p) ** 0.5),
            "user_bias": torch.zeros(1, p),
            "item": lot(p, p, spread=(2 / p) ** 0.5),
            "item_bias": torch.zeros(1, p),
            "hidden": lot(2 * p, p, spread=p**-0.5),
            "hidden_bias": torch.zeros(1, p),
            "out": lot(p, 1, spread=0.01),
            "bias": torch.zeros(1, 1),
            "profiles": lot(self.slots, p, spread=1),
            "gradients": torch.zeros(self.slots, p * p + p),
            "joints": torch.eye(2 * p) + lot(self.slots, 2 * p, 2 * p, spread=0.1 * p**-0.5),
        }

    def _items(self, items: Tensor) -> Tensor:
        """(B, N) -> (B, N, P)"""
        return project(self.items.features, self.learned["load"], items)

    def _begin(self, support: Feedback) -> tuple[Network, Tensor]:
        """Where the inner loop starts, and (B, slots) the attention; no gradient goes into the
        memories: they are written."""
        w = self.learned
        left = (support.labels - w["expected"][support.items])[..., None]
        said = torch.relu(self._items(support.items) + left @ w["load_label"])
        count = 1 + support.mask.sum(1, keepdim=True)
        profile = (w["empty"] + (said * support.mask[..., None]).sum(1)) / count  # (B, P)
        near = cosine_similarity(profile[:, None], w["profiles"].detach()[None], dim=2)
        attention = (near @ w["attend"]).softmax(1)
        users, p = profile.shape
        layers = {n: w[n].expand(users, -1, -1) for n in LAYERS if n != "joint"}
        bent, shifted = (self.tau * (attention @ w["gradients"].detach())).split([p * p, p], 1)
        layers["user"] = layers["user"] - bent.view(users, p, p)
        layers["user_bias"] = layers["user_bias"] - shifted[:, None]
        layers["joint"] = (attention @ w["joints"].detach().flatten(1)).view(users, 2 * p, 2 * p)
        return Network(profile[:, None], layers), attention

    def _descend(self, network: Network, support: Feedback) -> Network:
        items, offset = self._items(support.items), self.learned["prior"][support.items]
        share = support.mask / support.mask.sum(1, keepdim=True).clamp_min(1)  # (B, K)
        for _ in range(self.inner_steps):
            outputs = network.read(items)
            wrong = torch.sigmoid(offset + outputs[-1][..., 0]) - support.labels
            slopes = network.slopes(items, outputs, (wrong * share)[..., None])
            moved = zip(LAYERS, slopes, strict=True)
            layers = {name: network.layers[name] - self.alpha * slope for name, slope in moved}
            network = Network(network.profile, layers)
        return network

    def adapt(self, support: Feedback) -> Network:
        return self._descend(self._begin(support)[0], support)

    def logits(self, state: Network, items: Tensor) -> Tensor:
        return self.learned["prior"][items] + state.read(self._items(items))[-1][..., 0]

    def _loss(self, batch: EpisodeBatch) -> Tensor:
        """(B,) in training the users are remembered, and written before the next batch is read."""
        if not torch.is_grad_enabled():
            return super()._loss(batch)
        self._write()
        batch = batch.to(self.items.device)
        begun, attention = self._begin(batch.support)
        ended = self._descend(begun, batch.support)
        parts = [
            ((begun.layers[n] - ended.layers[n]) / (self.alpha * max(1, self.inner_steps))).flatten(
                1
            )
            for n in ("user", "user_bias")
        ]
        ended_with = (attention, begun.profile[:, 0], torch.cat(parts, 1), ended.layers["joint"])
        names = ("attention", *MEMORIES)
        self._remembered = {n: x.detach().float() for n, x in zip(names, ended_with, strict=True)}
        logits = self.logits(ended, batch.query.items).float()
        return query_loss(self.loss, logits, batch.query)

    @torch.no_grad()
    def _write(self) -> None:
        """M_k += rate * mean over users of a_k (new - M_k)."""
        for name in MEMORIES if self._remembered else ():
            memory, attention = self.learned[name].flatten(1), self._remembered["attention"]
            new, users = self._remembered[name].flatten(1), len(attention)
            pull = attention.T @ new - attention.sum(0)[:, None] * memory
            memory += self.write / users * pull
