"""`make cuda`: what a GPU computes, beside the CPU's numbers and beside what the card could do.

    python -m coldbench.benchmarks.speed.cuda [--device cuda] [--most 65536] [--out runs/cuda.json]

Needs torch, transformers, polars, scikit-learn and this checkout; no network, no data: users, items
and weights are random. Each subject adapts to batches of users and scores their queries. It is
compared with the CPU (same order of each user's items, scores to 1e-4), timed by CUDA events, run
once more with an error at any synchronisation, and captured as a CUDA graph. Its floor is the
longer of two times: its matrix products at the card's own rate of a large product, its bytes (what
is read and written at least once) at the card's own rate of a copy. `--device cpu` is a rehearsal.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

if importlib.util.find_spec("annotated_types") is None:  # then values are not checked
    words = ("Ge", "Gt", "Le", "Lt", "MinLen")
    sys.modules["annotated_types"] = ModuleType("annotated_types")
    vars(sys.modules["annotated_types"]).update({word: lambda bound: bound for word in words})
if importlib.util.find_spec("pydantic") is None:
    from coldbench import parameters

    parameters.checked = lambda cls, name, params: dict(params)

from coldbench.method import state_bytes
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions

from .cuda_subjects import QUERY, Subject, subjects, users

COMPARED = 64  # users whose numbers are compared with the CPU's
CLOSE = {"lora, bf16": 0.02}  # of scores; 1e-4 for every other subject
SECONDS = 0.3  # of measuring a batch
Run = Callable[[], Any]


@dataclass(frozen=True)
class Card:
    """What the device does at most, measured here."""

    flops: float  # float32 operations a second in a large matrix product
    bytes: float  # a second, read and written, in a large copy

    @classmethod
    def of(cls, device: torch.device) -> "Card":
        size = 8192 if device.type == "cuda" else 1024
        a = torch.randn(size, size, device=device)
        b = torch.empty_like(a)
        product = seconds(lambda: torch.mm(a, a, out=b), device)
        return cls(2 * size**3 / product, 2 * a.nbytes / seconds(lambda: b.copy_(a), device))


def seconds(run: Run, device: torch.device) -> float:
    """The median of several calls, by events where there are some."""
    run()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SECONDS and len(times) < 100):
        if device.type == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            run()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / 1000)
        else:
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
    return float(np.median(times))


@torch.no_grad()
def measured(subject: Subject, count: int, card: Card, device: torch.device) -> dict[str, Any]:
    """A row of the table: rates, and the share of the floor that is reached."""
    method = subject.on(device)
    support, asked = users(count, len(method.items), device)
    states: list[Any] = []

    def run() -> Tensor:
        states[:] = [method.adapt(support)]
        return method.score(states[0], asked)

    with FlopCounterMode(display=False) as counter:
        scores = run()
    flops = counter.get_total_flops()
    read = method.items.features[0].nbytes * (support.items.numel() + asked.numel())
    moved = state_bytes(states[0]) + state_bytes(support) + asked.nbytes + scores.nbytes
    moved += min(read, method.items.features.nbytes)
    took = seconds(run, device)
    floor = max(flops / card.flops, moved / card.bytes)
    return {
        "subject": subject.name, "users": count, "users/s": count / took,
        "GB/s": moved / took / 1e9, "TFLOP/s": flops / took / 1e12, "of floor": floor / took,
        "floor, flops a user": flops / count, "floor, bytes a user": moved / count,
        **(on_a_gpu(run, took, device) if device.type == "cuda" else {}),
    }  # fmt: skip


def on_a_gpu(run: Run, took: float, device: torch.device) -> dict[str, Any]:
    """Whether a batch waits for the device inside, and what a graph of it gains."""
    try:
        synchronises(run)
        waits = ""
    except RuntimeError as error:
        waits = str(error).splitlines()[0]
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        gain: float | str = took / seconds(graph.replay, device)
    except RuntimeError as error:
        gain = str(error).splitlines()[0]
    return {"synchronises": waits, "a graph's gain": gain}


def synchronises(run: Run) -> None:
    """Raises RuntimeError where a call waits for the device."""
    run()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@torch.no_grad()
def differences(subject: Subject, device: torch.device) -> dict[str, Any]:
    """How far the device's scores are from the CPU's, and users whose items it orders otherwise
    where the CPU's scores are further apart than that."""
    scores = []
    for where in (torch.device("cpu"), device):
        method = subject.on(where)
        support, asked = users(COMPARED, len(method.items), where)
        scores.append(method.score(method.adapt(support), asked).float().cpu())
    ours, theirs = scores
    off, most = float((ours - theirs).abs().max()), CLOSE.get(subject.name, 1e-4)
    apart = ours[:, :, None] - ours[:, None] > 2 * most
    swapped = apart & (theirs[:, :, None] <= theirs[:, None])
    return {
        "subject": subject.name, "largest difference": off, "allowed": most,
        "users ordered otherwise": int(swapped.flatten(1).any(1).sum()),
    }  # fmt: skip


def metrics(count: int, device: torch.device) -> dict[str, Any]:
    """NDCG@5, AUC and MRR of users with ten items each, and how far from the CPU's."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.rand(count, QUERY, generator=rng)
    labels = torch.randint(0, 5, (count, QUERY), generator=rng) / 4
    mask = torch.ones(count, QUERY, dtype=torch.bool)

    def of(where: torch.device) -> list[Tensor]:
        parts = (part.to(where) for part in (scores, labels, mask))
        predictions = rank_predictions(*parts, like_at=0.6)
        return [per_user(name, predictions) for name in ("ndcg@5", "auc", "mrr")]

    pairs = zip(of(torch.device("cpu")), of(device), strict=True)
    off = max(float((a - b.cpu()).nan_to_num().abs().max()) for a, b in pairs)
    took = seconds(lambda: of(device), device)
    return {"subject": "metrics", "users": count, "users/s": count / took, "off": off}


def sizes(most: int) -> list[int]:
    """64, 256, ... users at once, `most` among them."""
    return sorted({size for n in range(6) if (size := 64 * 4**n) < most} | {most})


def everything(device: torch.device, most: int) -> dict[str, Any]:
    card = Card.of(device)
    table: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(Path(folder), most):
            compared.append(differences(subject, device))
            print(json.dumps(compared[-1]), flush=True)
            for count in sizes(subject.most):
                table.append(measured(subject, count, card, device))
                print(json.dumps(table[-1]), flush=True)
    table += [metrics(count, device) for count in sizes(most)]
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    rates = {"TFLOP/s": card.flops / 1e12, "GB/s": card.bytes / 1e9}
    return {"device": name, "torch": torch.__version__, **rates, "table": table, "cpu": compared}


def wrong(results: dict[str, Any]) -> list[str]:
    """What is not as on the CPU, or waits for the device inside a batch: a line each. A fine-tuned
    encoder may wait: it packs texts by their lengths, which the host must know."""
    lines = [
        f"{row['subject']}: scores {row['largest difference']:.1e} from the CPU's, "
        f"{row['users ordered otherwise']} users ordered otherwise"
        for row in results["cpu"]
        if row["largest difference"] > row["allowed"] or row["users ordered otherwise"]
    ]
    lines += [
        f"{row['subject']}, {row['users']} users: {row['synchronises']}"
        for row in results["table"]
        if row.get("synchronises") and not row["subject"].startswith("lora")
    ]
    far = (row for row in results["table"] if row.get("off", 0) > 1e-9)
    return lines + [f"metrics of {row['users']} users: {row['off']:.1e} off" for row in far]


def main() -> int:
    parser = argparse.ArgumentParser(description="Times and checks coldbench on a GPU.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu for a rehearsal")
    parser.add_argument("--most", type=int, default=65_536, help="users at once")
    parser.add_argument("--out", type=Path, default=Path("runs/cuda.json"))
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here; a rehearsal: make cuda DEVICE=cpu", file=sys.stderr)
        return 2
    results = everything(device, given.most)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for line in wrong(results):
        print(line, file=sys.stderr)
    print(given.out)
    return bool(wrong(results))


if __name__ == "__main__":
    sys.exit(main())
