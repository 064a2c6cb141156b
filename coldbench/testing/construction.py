"""Checks of how a method is made and what it says of itself. See `coldbench.testing.checks`."""

import json
import sys
from functools import partial
from inspect import get_annotations, getdoc
from typing import Any

from coldbench.errors import UserError
from coldbench.method import from_params
from coldbench.testing.side_effects import changed, global_state, watched
from coldbench.testing.subject import MethodUnderTest


def constructs_without_side_effects(subject: MethodUnderTest) -> None:
    """Making one, twice, changes no global state and writes nothing; the two are alike."""
    before = global_state()
    with watched() as seen:
        first, second = subject.method(), subject.method()
    assert first.params() == second.params(), "two fresh ones differ"
    harm = changed(before)
    assert not harm, f"constructing it changed global state: {harm}"
    assert not seen, f"constructing it did {seen[:3]}"


def parameters_survive_JSON(subject: MethodUnderTest) -> None:
    """Parameters are dataclass fields, and come back from JSON as they were."""
    for cls in subject.method.__mro__:
        stated = [a for a in get_annotations(cls).values() if "ClassVar" not in str(a)]
        bare = stated and "__dataclass_fields__" not in vars(cls)
        assert not bare, f"{cls.__name__} lacks @dataclass: nobody can set its parameters"
    words = json.dumps(subject.method().params())
    back = json.dumps(from_params(subject.method, "it", json.loads(words)).params())
    assert back == words, f"{words} came back as {back}"


def an_unknown_parameter_is_a_named_error(subject: MethodUnderTest) -> None:
    """A misspelt parameter is refused by its name, never taken without a word."""
    given: dict[str, Any] = {"no_such_parameter": 1}
    for make in (
        partial(subject.method, **given),
        partial(from_params, subject.method, "it", given),
    ):
        try:
            make()
        except (TypeError, UserError) as error:
            assert "no_such_parameter" in str(error), f"the message names nothing: {error}"
        else:
            raise AssertionError("it was taken without a word")


def every_preset_constructs(subject: MethodUnderTest) -> None:
    """Each named set of parameters in `presets` makes a method and survives JSON."""
    for name, params in subject.method.presets.items():
        stated = json.loads(json.dumps(params))
        held = json.loads(json.dumps(from_params(subject.method, name, stated).params()))
        wrong = [key for key, value in stated.items() if held[key] != value]
        assert not wrong, f"the preset {name} does not hold: {', '.join(wrong)}"


def what_may_be_tuned_is_its_own(subject: MethodUnderTest) -> None:
    """`space` names parameters of its own; both ends of a range, and every choice, make a method;
    a whole-number parameter has a whole-number range."""
    default = subject.method().params()
    for name, span in subject.method.space.items():
        assert name in default, f"space names {name}, which is no parameter"
        if isinstance(span, tuple):
            assert len(span) == 2, f"the range of {name} is (low, high), not {span}"
            low, high = span
            assert low < high, f"the range of {name} is empty: {span}"
            kinds, kind = {type(low), type(high)}, type(default[name])
            if kind is int:
                assert kinds == {int}, f"{name} is a whole number, its range {span} is not"
            elif default[name] is not None:
                assert kind is float, f"{name} is {default[name]!r}, no number: list its choices"
        else:
            assert isinstance(span, list) and span, f"{name} has neither a range nor choices"
        for value in span:
            given = {**default, name: value}
            rebuilt = from_params(subject.method, "it", json.loads(json.dumps(given)))
            assert rebuilt.params()[name] == value, f"{name} = {value!r} does not hold"


def says_what_it_is(subject: MethodUnderTest) -> None:
    """Its file or class opens in plain words; its family is named, its facts are true or false,
    and `steps_param`, where given, is a whole-number parameter of its own."""
    method = subject.method
    module = sys.modules.get(method.__module__)
    docstring = getdoc(method) or ""
    words = docstring if docstring and not docstring.startswith(f"{method.__name__}(") else ""
    opening = (getattr(module, "__doc__", "") or words).strip().partition("\n")[0]
    assert len(opening.split()) > 2, "neither its file nor its class says what it is"
    assert method.family.strip(), "its family has no name"
    for fact in ("adapts", "can_rank", "stochastic", "is_chance", "explains", "fine_tunes_encoder"):
        value = getattr(method, fact)
        assert isinstance(value, bool), f"{fact} is {value!r}, neither True nor False"
    if method.steps_param:
        steps = method().params().get(method.steps_param)
        assert type(steps) is int, (
            f"steps_param = {method.steps_param!r} is no whole-number parameter"
        )


def can_be_found_by_import(subject: MethodUnderTest) -> None:
    """Its class stands in its module under its own name: runs and checks work in processes that
    look it up again."""
    method = subject.method
    module = sys.modules.get(method.__module__)
    imported = getattr(module, method.__qualname__, None)
    where = f"{method.__module__}.{method.__qualname__}"
    assert imported is method, f"{where} is not where it says it is"


def adapting_before_training_is_a_clear_error(subject: MethodUnderTest) -> None:
    """A method that has learnt nothing says what to do first."""
    method, batch = subject.new(), subject.batch()
    try:
        method.score(method.adapt(batch.support), batch.query.items)
    except UserError as error:
        assert "meta_train" in str(error), f"the message does not say what to do: {error}"
        return
    raise AssertionError("it scored without having learnt")
