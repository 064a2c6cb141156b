"""What a request may say and what it is answered, and their limits. OpenAPI is made from these."""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from coldbench.errors import UserError, printable

BODY = 256 * 1024  # bytes of a request
RATINGS, ITEMS, BEST = 1000, 1000, 100  # of a request

Item = Annotated[str, Field(strict=True, min_length=1, max_length=512)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Row = Annotated[
    Annotated[tuple[Item, Number], Tag("pair")]
    | Annotated[tuple[Item, Number, Number], Tag("triple")],
    Discriminator(lambda row: "triple" if isinstance(row, list | tuple) and row[2:] else "pair"),
]
Ratings = Annotated[
    Annotated[dict[Item, Number], Field(max_length=RATINGS), Tag("object")]
    | Annotated[list[Row], Field(max_length=RATINGS), Tag("list")],
    Discriminator(lambda ratings: "list" if isinstance(ratings, list) else "object"),
    Field(
        description="What the user rated: {item: rating}, or in order [[item, rating], ...] or "
        "[[item, rating, Unix seconds], ...]. Empty: a user of whom nothing is known."
    ),
]
Items = Annotated[list[Item], Field(min_length=1, max_length=ITEMS)]
TAGS = ("object", "list", "pair", "triple")


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ToRecommend(Asked):
    ratings: Ratings
    n: Annotated[int, Field(strict=True, ge=1, le=BEST, description="How many items.")] = 10
    explain: Annotated[bool, Field(strict=True, description="Say why, where it can.")] = False


class ToScore(Asked):
    ratings: Ratings
    items: Items


class Contribution(BaseModel):
    item: str
    title: str
    adds: Annotated[float, Field(description="To the sum, beside the user's other ratings.")]


class Why(BaseModel):
    """base + all that is added = the sum; squashed into 0..1 it is the score, exactly."""

    base: Annotated[float, Field(description="Before any rating.")]
    unit: Literal["label", "log-odds"]
    contributions: Annotated[list[Contribution], Field(description="The most first.")]


class Scored(BaseModel):
    item: str
    title: str
    score: Annotated[float, Field(ge=0, le=1)]
    why: Why | None = None


class Answer(BaseModel):
    model: Annotated[str, Field(description="Which model said so: its folder and fingerprint.")]
    items: list[Scored]


class Title(BaseModel):
    item: str
    title: str


class Titles(BaseModel):
    items: list[Title]


class Health(BaseModel):
    status: Literal["ok"]
    model: str
    method: str
    dataset: str
    items: int
    scale: Annotated[
        list[float], Field(min_length=2, max_length=2, description="The worst and the best rating.")
    ]
    explains: bool
    problem: Annotated[str, Field(description="Why a newer model was not taken; else empty.")]


class Problem(BaseModel):
    error: Annotated[str, Field(description="One line: what is wrong and what would be right.")]


Model = TypeVar("Model", bound=Asked)


def parsed(body: bytes, model: type[Model]) -> Model:
    """A request from its bytes. Raises UserError; ValueError where they are no JSON."""
    try:
        value = json.loads(body, object_pairs_hook=once, parse_constant=no_number)
    except RecursionError:
        raise UserError("the JSON is nested too deeply") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(said(error.errors())) from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. A name that is there twice is an error: the last would win in silence."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{printable(twice[:60])!r} is there twice: leave one out")
    return value


def no_number(word: str) -> float:
    raise UserError(f"{word} is no number of JSON")


def said(errors: list[Any]) -> str:
    """The first thing that is wrong, and where: `ratings.50: Input should be a valid number`."""
    first = errors[0]
    if not first["loc"]:
        return 'the body is no JSON object, as {"ratings": {"ITEM": RATING}} is'
    where = ".".join(str(part)[:60] for part in first["loc"] if part not in TAGS)
    more = f" (and {len(errors) - 1:,} more)" if errors[1:] else ""
    return printable(f"{where}: {first['msg']}{more}")
