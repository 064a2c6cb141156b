"""Checks of what is kept: what was learnt, and a user's state, its rows and its size."""

import json

import torch
from torch import Tensor

from coldbench.method import Method, from_params, state_bytes
from coldbench.testing.assertions import assert_close
from coldbench.testing.formula import worked_out
from coldbench.testing.subject import MethodUnderTest, rows, state_rows


def what_it_learns_is_named_finite_tensors(subject: MethodUnderTest) -> None:
    """`learned` is all that is saved: tensors by name, finite, done with gradients."""
    for name, thing in subject.trained.learned.items():
        assert isinstance(name, str), f"{name!r} is no name"
        assert isinstance(thing, Tensor), f"{name} is a {type(thing).__name__}, no tensor"
        assert bool(torch.isfinite(thing).all()), f"{name} is not finite"
        assert not thing.requires_grad, f"{name} still asks for gradients"


def saved_and_loaded_it_scores_the_same(subject: MethodUnderTest) -> None:
    """Through safetensors and JSON, bit for bit, in an object that never trained."""
    batch = subject.batch()
    scores = subject.predict(batch, loaded(subject))
    assert torch.equal(scores, subject.predict(batch)), "scores differ"


def a_state_is_made_of_tensors_one_row_a_user(subject: MethodUnderTest) -> None:
    """Twice the users, twice the bytes: a state holds nothing that is shared, nor a list."""
    with torch.no_grad():
        sizes = [state_bytes(subject.trained.adapt(subject.batch(size=n).support)) for n in (3, 6)]
    if sizes[0]:
        assert abs(sizes[1] / sizes[0] - 2) < 0.5, f"3 users take {sizes[0]} B, 6 take {sizes[1]} B"
    else:
        assert not subject.method.adapts, "it adapts, yet its state holds no tensor"


def a_user_can_be_taken_out_of_a_state(subject: MethodUnderTest) -> None:
    """Rows 3 to 6 of every tensor are all there is of users 3 to 6: they can be kept alone."""
    batch = rows(subject.batch(), torch.arange(11))  # 11: nothing else here comes in elevens
    together, part = subject.predict(batch), slice(3, 7)
    with torch.no_grad():
        state = state_rows(subject.trained.adapt(batch.support), part, 11)
        alone = subject.trained.score(state, batch.query.items[part])
    assert_close(alone, together[part], "taken out of the state users scored otherwise")


def a_state_is_as_large_as_it_says(subject: MethodUnderTest) -> None:
    """`state_size`, worked out for K, D and the parameters, is what a user's state takes."""
    method, width = subject.trained, subject.plain.items.features.shape[1]
    for shots in (1, 8):
        batch = rows(subject.batch(shots=shots), torch.arange(11))
        with torch.no_grad():
            size = state_bytes(method.adapt(batch.support)) / 11
        stated = size_of(method, shots, width)
        assert stated is not None or not size, f"state_size is not stated; a user takes {size:g} B"
        if stated is not None:
            assert stated == size, f"{method.state_size} = {stated} B at K = {shots}, not {size:g}"


def size_of(method: Method[object], shots: int, width: int) -> float | None:
    """Bytes of a user's state by the method's own formula; None where it states none."""
    if not method.state_size:
        return None
    numbers = {k: v for k, v in method.params().items() if isinstance(v, int | float)}
    return worked_out(method.state_size, numbers | {"K": shots, "D": width})


def loaded(subject: MethodUnderTest) -> Method[object]:
    """A fresh one that has taken up what `ready` saved."""
    folder = subject.folder / "saved"
    subject.trained.save(folder)
    words = (folder / "params.json").read_text(encoding="utf-8")
    again = from_params(subject.method, "it", json.loads(words))
    again.load(folder, subject.plain.items)
    return again
