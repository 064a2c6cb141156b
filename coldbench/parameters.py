"""The allowed values of a hyper-parameter: stated in its annotation, checked where it enters.

A method writes `inner_steps: Whole = 5` or `tau: Annotated[float, Gt(0)] | None = None`. Whatever
pydantic checks is an annotation here; a type without bounds is checked for its type alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Annotated, Any, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen

from coldbench.errors import UserError

__all__ = ["Cosine", "Count", "Ge", "Gt", "Le", "Lt", "MinLen", "NotNegative", "Part", "Positive",
           "Share", "Whole", "checked"]  # fmt: skip

Whole = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1)]
NotNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
Part = Annotated[float, Ge(0), Lt(1)]  # a share that leaves something over
Cosine = Annotated[float, Ge(-1), Le(1)]


def checked(cls: type[Any], name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values for these fields of a dataclass, each of its annotated type: [1, 2] for a tuple
    comes back as one, 1 for a float as 1.0. Nothing else is converted.

    name: what the dataclass is called in messages. Raises UserError for the first value that is of
    another type, out of bounds or not finite.
    """
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    strict = ConfigDict(strict=True, allow_inf_nan=False)
    kinds = _annotations(cls, name)
    values = {}
    for key, value in params.items():
        try:
            values[key] = TypeAdapter(kinds[key], config=strict).validate_json(json.dumps(value))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise UserError(f"{name}.{key} = {_shown(value)}: {_said(problem)}") from error
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}.{key} = {_shown(value)}: this is no JSON value") from error
        except PydanticUserError as error:
            raise UserError(f"{name}.{key} has a type that cannot be checked: {error}") from error
    return values


def _annotations(cls: type[Any], name: str) -> dict[str, Any]:
    try:
        known = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError) as error:
        raise UserError(f"the parameters of {name} have no readable types: {error}") from error
    return {field.name: known[field.name] for field in fields(cls)}


def _said(problem: Any) -> str:
    """pydantic's words: 'input should be greater than or equal to 0'."""
    where: Sequence[Any] = problem["loc"]
    place = "".join(f"entry {at} of it, " for at in where if isinstance(at, int))
    words = str(problem["msg"])
    if problem["type"] == "literal_error":
        known = re.findall("'([^']*)'", problem["ctx"]["expected"])
        near = get_close_matches(str(problem["input"]), known, n=1, cutoff=0.5)
        words += f"; did you mean {near[0]!r}?" if near else ""
    return f"{place}{words[:1].lower()}{words[1:]}"


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
