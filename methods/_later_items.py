"""Items that came after training: what a method says of them is what it would have said had they
been in the catalogue from the start and nobody had rated them.

The item prior is p = mean + (sums + d E w) / (counts + d), with w from the same sums (_item_prior).
Given p, the counts and the mean, sums and w are known again, exactly:
(E'CE + ridge I + d E'E) w = E' ((counts + d) (p - mean)).
"""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.method import Method, Rated, cannot_grow

Some = TypeVar("Some", bound=Method[Any])


def lengthened(method: Some, items: Items, **rows: Tensor) -> Some:
    """The method over a longer catalogue; of each named tensor the (M, ...) rows of the M new.

    Raises UserError where the class says that it cannot."""
    if not method.grows:
        raise cannot_grow(type(method).__name__)
    longer = copy.copy(method)
    longer.items = items
    longer.learned = dict(method.learned)
    for name, new in rows.items():
        old = method.learned[name]
        longer.learned[name] = torch.cat([old, new.to(old)])
    return longer


def later_prior(
    prior: Tensor, items: Items, rated: Rated, ridge: float = 20, damping: float = 5
) -> Tensor:
    """(M,) the prior of the items after the first len(prior), from their text.

    prior: (n,) in labels, as item_prior made it; ridge, damping: as there.
    """
    e, new = items.features.double().split([len(prior), len(items) - len(prior)])
    weight = rated.counts.to(e) + damping  # (n,)
    eye = torch.eye(e.shape[1], dtype=e.dtype, device=e.device)
    w = torch.linalg.solve(
        (e.T * weight) @ e + ridge * eye, e.T @ (weight * (prior.double() - rated.mean))
    )
    return (rated.mean + new @ w).float()


def unsquashed(expected: Tensor, edge: float = 0.05) -> Tensor:
    """The inverse of squash_to_unit."""
    low = edge * (1 + torch.log(expected / edge))
    high = 1 - edge * (1 + torch.log((1 - expected) / edge))
    within = torch.where(expected > 1 - edge, high, expected)
    return torch.where(expected < edge, low, within)


def later_factors(factors: Tensor) -> Tensor:
    """(F,) the factors of an item nobody rated (_als.factorise): the user's level, and 0.

    (n, F) factors are [1 V] L with L lower triangular, so F a = 1 has a[0] = 1 / L[0, 0].
    """
    f = factors.double()
    ones = torch.ones(len(f), 1, dtype=f.dtype, device=f.device)
    a = torch.linalg.lstsq(f, ones).solution[:, 0]
    row = torch.zeros(f.shape[1], dtype=f.dtype, device=f.device)
    row[0] = 1 / a[0]
    return row.float()
