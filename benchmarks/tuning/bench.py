"""What the trials of a search are trained and evaluated on: two random halves of valid users."""

import logging
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from coldbench import registry
from coldbench.cell import Spec
from coldbench.dataset import LabelScale
from coldbench.encoder import Encoder, Items
from coldbench.episode import Episodes
from coldbench.errors import Unavailable, UserError, first_line
from coldbench.item_sums import prior
from coldbench.method import from_params
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.protocol import Protocol
from coldbench.results.trials import Trial
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from .. import splits
from ..dataset_names import dataset_of
from ..loop import meta_train, predict

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bench:
    """What every trial is trained and evaluated on."""

    split: Split  # no cold user: `cold` are valid users
    items: Items
    protocol: Protocol
    scale: LabelScale
    metric: str

    @classmethod
    def of(cls, spec: Spec, metric: str) -> "Bench":
        torch.set_num_threads(spec.threads)
        dataset = dataset_of(spec)
        log, catalogue = dataset.load()
        protocol, cut = splits.cut(replace(spec, limit=None), dataset, log)
        selected_by, evaluated = halves(cut.valid, Seeds.of(spec.seed, protocol.vary).split)
        return cls(
            replace(cut, valid=selected_by, cold=evaluated),
            Encoder(**spec.encoder).items(catalogue).to(torch.device(spec.device)),
            protocol,
            dataset.label_scale(protocol.labels), metric,
        )  # fmt: skip

    def trial(self, spec: Spec, number: int, params: dict[str, Any]) -> Trial:
        """Train with these parameters and evaluate; an error is a row with its reason."""
        begin = time.perf_counter()
        status, reason, users = "done", "", np.array([])
        try:
            users = self._values(spec, spec.params | params)
            if np.isnan(users).all():
                status, reason = "failed", f"{self.metric} is defined for no evaluated valid user"
        except Unavailable as error:
            status, reason = "unavailable", str(error)
        except UserError as error:
            status, reason = "failed", str(error)
        except Exception as error:  # a trial's failure is a row of the log, whatever it was
            LOG.info("%s, trial %d", spec.title, number, exc_info=True)
            status, reason = "failed", f"{type(error).__name__}: {first_line(error)}"
        return Trial(
            spec.dataset, spec.protocol, self.metric, spec.seed, spec.name, number, params, status,
            reason, float(np.nanmean(users)) if status == "done" else None,
            [None if np.isnan(value) else round(float(value), 7) for value in users],
            round(time.perf_counter() - begin, 3),
        )  # fmt: skip

    def _values(self, spec: Spec, params: dict[str, Any]) -> np.ndarray:
        """(B,) the metric of each evaluated valid user, a mean over the protocol's K."""
        method = from_params(registry.find("methods", spec.method), spec.method, params)
        meta_train(method, self.split, self.items, Seeds.of(spec.seed, self.protocol.vary))
        by_shots, expected = [], torch.from_numpy(prior(self.split.warm))
        for shots in self.protocol.shots:
            parts = []
            for scored in predict(method, self.split.cold, shots, self.items.device):
                query = scored.batch.query
                facts = {**asdict(self.scale), "prior": expected[query.items]}
                predictions = rank_predictions(scored.scores, query.labels, query.mask, **facts)
                parts.append(per_user(self.metric, predictions))
            by_shots.append(torch.cat(parts))
        return torch.stack(by_shots).mean(0).numpy()


def halves(valid: Episodes, seed: int) -> tuple[Episodes, Episodes]:
    """Valid users in two halves at random: for a method's own selection, and for its evaluation."""
    if len(valid) < 4:
        raise UserError(
            f"only {len(valid)} valid users are long enough to tune by; "
            "raise protocol.valid_users, or lower protocol.shots"
        )
    order = np.random.default_rng(seed).permutation(len(valid))
    half = len(valid) // 2
    return valid.take(np.sort(order[:half])), valid.take(np.sort(order[half:]))
