"""A value is held to its annotation where it comes in: a bound is taken, what lies past it not."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen

from coldbench import registry
from coldbench.errors import UserError
from coldbench.method import from_params
from coldbench.parameters import Cosine, Count, NotNegative, Part, Positive, Share, Whole, checked

METHODS = registry.names("methods")
FREE_WORDS = {  # a name, a folder: no list can hold it
    ("prompt", "model"),
    ("instruct", "model"),
    ("preference", "model"),
    ("soft-prompt", "model"),
    ("hyper-lora", "model"),
}


@dataclass
class Given:
    whole: Whole = 0
    count: Count = 1
    free: int = 0
    positive: Positive = 1.0
    not_negative: NotNegative = 1.0
    share: Share = 0.5
    part: Part = 0.5
    cosine: Cosine = 0.5
    chosen: Positive | None = None
    kind: Literal["one", "two"] = "one"
    on: bool = False
    several: Annotated[tuple[Count, ...], MinLen(1)] = (1,)
    words: str = ""


def value_of(**params: Any) -> Any:
    (value,) = checked(Given, "it", params).values()
    return value


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("whole", 0, -1),
        ("count", 1, 0),
        ("positive", 5e-324, 0.0),
        ("not_negative", 0.0, -5e-324),
        ("share", 1.0, math.nextafter(1, 2)),
        ("share", 0.0, -5e-324),
        ("part", math.nextafter(1, 0), 1.0),
        ("cosine", -1.0, math.nextafter(-1, -2)),
        ("chosen", None, 0.0),
        ("kind", "two", "three"),
        ("on", True, 1),
        ("on", False, "false"),
        ("free", -3, 1.0),
        ("whole", 2, 2.0),
        ("whole", 2, True),
        ("whole", 2, "2"),
        ("whole", 2, None),
        ("positive", 1, "1"),
        ("positive", 1.0, True),
        ("positive", 1e308, math.inf),
        ("not_negative", 1e308, math.nan),
        ("chosen", 1.0, math.nan),
        ("several", [1, 2], []),
        ("several", (1,), [1, 0]),
        ("several", [3], 3),
        ("words", "1", 1),
        ("words", "", b""),
    ],
)
def test_a_bound_is_taken_and_what_lies_past_it_is_not(key: str, good: Any, bad: Any) -> None:
    taken = value_of(**{key: good})
    assert taken == (tuple(good) if isinstance(good, list) else good)
    with pytest.raises(UserError) as error:
        value_of(**{key: bad})
    assert str(error.value).startswith(f"it.{key} = {bad!r}: ")
    assert "\n" not in str(error.value)


def test_a_value_comes_back_of_its_type() -> None:
    assert isinstance(value_of(positive=1), float), "1 and 1.0 are one setting, so one fingerprint"
    assert value_of(several=[1, 2]) == (1, 2)


def test_the_message_says_what_is_allowed() -> None:
    for given, words in (
        ({"whole": -1}, "it.whole = -1: input should be greater than or equal to 0"),
        ({"kind": "tow"}, "it.kind = 'tow': input should be 'one' or 'two'; did you mean 'two'?"),
        ({"several": [1, 0]}, "it.several = [1, 0]: entry 1 of it, input should be greater than"),
    ):
        with pytest.raises(UserError) as error:
            value_of(**given)
        assert str(error.value).startswith(words)


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(UserError) as error:
        value_of(whole=1000 * "x")
    assert len(str(error.value)) < 150


def test_types_that_cannot_be_read_are_said() -> None:
    @dataclass
    class Odd:
        a: "NowhereToBeFound" = 1  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UserError, match="parameters of odd have no readable types"):
        checked(Odd, "odd", {"a": 1})


def kinds_of(name: str) -> dict[str, Any]:
    cls = registry.find("methods", name)
    known = get_type_hints(cls, include_extras=True)
    return {field.name: known[field.name] for field in fields(cls)}


def alternatives(kind: Any) -> Iterator[Any]:
    """What a field may be, None left out; of a tuple what its entries may be."""
    if get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            if part is not type(None):
                yield from alternatives(part)
    elif get_origin(kind) is Annotated and get_origin(get_args(kind)[0]) is tuple:
        yield from alternatives(get_args(get_args(kind)[0])[0])
    else:
        yield kind


@pytest.mark.parametrize("name", METHODS)
def test_every_number_of_a_method_has_a_lower_bound(name: str) -> None:
    for key, kind in kinds_of(name).items():
        for one_kind in alternatives(kind):
            bounds = get_args(one_kind)[1:] if get_origin(one_kind) is Annotated else ()
            if get_origin(one_kind) is Literal or one_kind is bool:
                continue
            if one_kind is str:
                assert (name, key) in FREE_WORDS, f"{key} takes any word: list them as a Literal"
                continue
            assert any(isinstance(bound, Ge | Gt) for bound in bounds), f"{key}: {one_kind}"


def edges(kind: Any) -> Iterator[tuple[Any, Any]]:
    """(the last value that is allowed, the first that is not) of each bound; a wrong type of all"""
    base, *bounds = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if get_origin(base) is Literal:
        yield get_args(base)[-1], "no such word"
        return
    if base is bool:
        yield True, "yes"
        return
    if base is str:
        yield "a", 1
        return
    whole = base is int
    for bound in bounds:
        at = getattr(bound, {Ge: "ge", Gt: "gt", Le: "le", Lt: "lt"}[type(bound)])
        up = 1 if isinstance(bound, Ge | Gt) else -1  # where the allowed lies

        def beside(way: int, at: Any = at) -> Any:
            return at + way if whole else math.nextafter(at, way * math.inf)

        edge = type(bound) in (Ge, Le)
        yield (at, beside(-up)) if edge else (beside(up), at)
    yield (2 if whole else 0.5), ("2" if whole else "0.5")
    if not whole:
        yield 0.5, math.nan
        yield 0.5, math.inf


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_its_bounds_and_refuses_what_lies_past_them(name: str) -> None:
    cls = registry.find("methods", name)
    for key, kind in kinds_of(name).items():
        several = any(get_origin(part) is tuple for part in get_args(kind))
        for good, bad in (pair for part in alternatives(kind) for pair in edges(part)):
            held, refused = ([good], [bad]) if several else (good, bad)
            assert checked(cls, name, {key: held})[key] == (tuple(held) if several else held)
            with pytest.raises(UserError, match=f"{name}.{key} = "):
                from_params(cls, name, {key: refused})


@pytest.mark.parametrize("name", METHODS)
def test_defaults_presets_and_what_is_tuned_lie_within_the_bounds(name: str) -> None:
    cls = registry.find("methods", name)
    assert from_params(cls, name, cls().params()).params() == cls().params()
    for params in cls.presets.values():
        from_params(cls, name, params)
    for key, span in cls.space.items():
        for value in span:
            from_params(cls, name, {key: value})


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("maml", {"inner_steps": -1}),
        ("maml", {"clip": -1.0}),
        ("maml", {"meta_steps": -5}),
        ("adaptive-finetune", {"depths": ["lst"]}),
        ("adaptive-finetune", {"steps": [3, 3]}),
        ("adaptive-finetune", {"steps": [3, 1]}),
        ("in-context", {"width": 62}),
        ("policy-gradient", {"samples": 1}),
        ("prompt", {"precision": "int8"}),
    ],
)
def test_what_ran_in_silence_is_an_error_that_names_it(name: str, params: dict[str, Any]) -> None:
    (key,) = params
    with pytest.raises(UserError, match=f"^{name}.{key} = "):
        from_params(registry.find("methods", name), name, params)


def test_steps_that_rise_and_a_width_that_heads_share_are_taken() -> None:
    finetune = registry.find("methods", "adaptive-finetune")
    assert from_params(finetune, "it", {"steps": [3, 4]}).params()["steps"] == (3, 4)
    from_params(registry.find("methods", "in-context"), "it", {"width": 60})
