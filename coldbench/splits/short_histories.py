"""The error where no cold user has enough interactions: which K would work, as an option."""

from coldbench.errors import UserError
from coldbench.interactions import Int
from coldbench.protocol import Protocol


def too_short(counts: Int, protocol: Protocol) -> UserError:
    """counts: (U,) interactions that each user can be judged on; fewer than K + Q in each."""
    longest, most, query = int(counts.max(initial=0)), protocol.max_shots, protocol.query
    if not longest:
        return UserError(f"no user can be judged: {_nobody(protocol)}")
    changes = []
    if longest < query:
        query = max(1, longest - 1)
        changes.append(f"--set protocol.query={query}")
    largest = longest - query
    shots = sorted({k for k in protocol.shots if k < largest} | {largest})
    changes.append(f"--set 'protocol.shots=[{','.join(map(str, shots))}]'")
    served, cold = int((counts >= longest).sum()), int((counts > 0).sum())
    return UserError(
        f"no cold user has the {most} + {protocol.query} interactions that the protocol asks for; "
        f"the largest K is {largest} with a query of {query}, for {served} of {cold} cold users: "
        f"{' '.join(changes)}"
    )


def _nobody(protocol: Protocol) -> str:
    if protocol.audience == "confirmation":
        return "no locked user is cold; use --set protocol.audience=all"
    if protocol.split == "rolling":
        return "nobody comes in this period; leave its seed out"
    if protocol.split == "time":
        return "nobody new comes after the cut in time; use --set protocol.split=random"
    items = " or protocol.cold_items" if protocol.cold in ("item", "both") else ""
    return f"the log is too small for the shares of the protocol; raise protocol.cold_users{items}"
