"""All users asked for the same items, as a service asks for its whole catalogue.

A row that was expanded over the users says so: then one product serves them all, and no user needs
a copy of an item's vector. The cost falls by the width of the vectors; scores stay within 1e-6.
"""

from torch import Tensor


def same_items(items: Tensor) -> Tensor | None:
    """The one row (Q,) of (B, Q) items, where it was expanded; None where users have their own."""
    return items[0] if len(items) > 1 and items.stride(0) == 0 else None
