"""A grid: which datasets, protocols, methods and seeds a run is made of, as a TOML file says it.

datasets = ["ml-100k"]
methods  = ["item-bias", "maml"]     # or "all", less those of `without`; "melu:paper": a preset
protocol = "user-cold"               # or {preset = "user-cold", query = 20}, or a list of these
seeds    = [0, 1, 2]
encoder  = "minilm"                  # or {name = "hub/name", pooling = "last"}
[seeds_for]                          # other seeds for a costly method
lora = [0]
[params.maml]
inner_steps = 5
[params."maml:long"]                 # a preset of the grid's own, where methods name "maml:long"
inner_steps = 20
"""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from coldbench import registry
from coldbench.errors import UserError, printable, unknown
from coldbench.protocol import Protocol

from .dataset_names import Source
from .grid_settings import NAME_OF, apply_changes, no_key, shape
from .resources import checked

READY = Path(__file__).with_name("grids")  # those that come with coldbench
LARGEST = 20_000  # bytes of a file: tomllib takes for ever over keys of many dots


@dataclass(frozen=True)
class Grid:
    """Defaults, then what a file states, then what `--set` says."""

    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # methods that "all" leaves out
    protocol: tuple[dict[str, Any], ...] = ({"preset": "user-cold"},)
    seeds: tuple[int, ...] = (0,)
    encoder: dict[str, Any] = field(default_factory=lambda: {"name": "minilm"})
    limit: int | None = None  # so many evaluated users only
    timeout: int = 900  # seconds that a cell may take, and a dataset, a split, an encoder
    threads: int = 1  # of torch in each cell; cells run side by side by -j
    seeds_for: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by method
    params: dict[str, dict[str, Any]] = field(default_factory=dict)  # by method
    dataset_params: dict[str, dict[str, Any]] = field(default_factory=dict)  # by dataset
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)  # by method, or "default"
    shards: dict[str, int] = field(default_factory=dict)  # by method, or "default"

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """What a file states. Raises UserError where it is absent or no TOML."""
        if not path.is_file():
            raise UserError(f"no grid file {path}{_meant(str(path))}")
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: has more than {LARGEST:,} bytes; a grid is a page of TOML")
        try:
            stated = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # TOML, UTF-8, numbers of 4,300 digits
            fix = "a grid is TOML, like benchmarks/grids/quick.toml"
            raise UserError(f"{path}: {error}; fix: {fix}") from None
        reader = stated.get("encoder")
        if isinstance(reader, dict) and reader.get("trust_remote_code"):
            raise UserError(  # a file from elsewhere must not be able to run code
                f"{path}: a grid cannot trust a model's own code; if you do, say so yourself: "
                "--set encoder.trust_remote_code=true"
            )
        return stated

    @classmethod
    def of(cls, stated: Mapping[str, Any], changes: list[str] | None = None) -> Self:
        """A grid from what is stated, with changes such as "params.maml.inner_steps=3"."""
        try:
            settings = json.loads(json.dumps(stated))  # the caller's is left alone
        except (TypeError, RecursionError) as error:  # dates, or tables in tables
            raise UserError(f"a grid holds words, numbers, lists and tables ({error})") from None
        for key, name in NAME_OF.items():  # a name alone is short for a table
            if isinstance(settings.get(key), str):
                settings[key] = {name: settings[key]}
        apply_changes(settings, changes or [])
        keys = cls.__dataclass_fields__
        for key in settings:
            if key not in keys:
                named = settings.get("methods")
                raise no_key(key, keys, named if isinstance(named, list) else ())
        shape(settings, keys)
        try:
            json.dumps(settings, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:  # a file name of other bytes, which no grid file holds
            wrong = repr(error.object[max(0, error.start - 20) : error.end])
            raise UserError(f"text that is no UTF-8: ...{wrong}; rename the file") from None
        grid = cls(**settings)
        if not grid.datasets or not grid.methods:
            raise UserError("a grid needs datasets and methods: name them in the file or by -d, -m")
        if grid.methods == ("all",):
            kept = (name for name in registry.names("methods") if name not in grid.without)
            for name in grid.without:
                grid.resolve_row(name)
            grid = replace(grid, methods=tuple(kept), without=())
        if grid.without:
            raise UserError('without goes with methods = "all"; here leave the method out')
        _datasets(grid)
        checked(grid.resources)
        placed = [name for name in (*grid.resources, *grid.shards) if name != "default"]
        for name in (*grid.methods, *grid.seeds_for, *grid.params, *placed):
            grid.resolve_row(name)
        return grid

    def resolve_row(self, row: str) -> tuple[str, dict[str, Any]]:
        """The method of a row, "melu" or with a preset "melu:paper", and its parameters. A preset
        is the method's, or the grid's own: a table of params under the row's name."""
        name, is_preset, preset = row.partition(":")
        known = registry.names("methods")
        if name not in known:
            raise unknown("method", name, known, "coldbench list methods")
        changed = self.params.get(row, {})
        if not is_preset:
            return name, changed
        presets = registry.find("methods", name).presets
        if preset not in presets and not changed:
            which = f"{name} has {', '.join(presets) or 'no presets'}"
            raise unknown("preset", row, [f"{name}:{p}" for p in presets], which)
        return name, presets.get(preset, {}) | changed

    def sources(self) -> list[Source]:
        return [Source.of(name, self.dataset_params.get(name)) for name in self.datasets]

    def protocols(self) -> Iterator[tuple[str, Protocol]]:
        """Each with its name in reports: the preset's, and whatever is changed of it."""
        for table in self.protocol:
            changes = {key: value for key, value in table.items() if key != "preset"}
            name = table.get("preset", "user-cold")
            stated = ", ".join(f"{key} = {_toml(value)}" for key, value in changes.items())
            yield f"{name} ({stated})" if stated else name, Protocol.of(name, changes)

    def toml(self) -> str:
        """The grid as resolved, as a file that `read` takes."""
        top = {f.name: getattr(self, f.name) for f in fields(self)}
        return "".join(
            f"{key} = {_toml(value)}\n" for key, value in top.items() if value not in (None, {}, ())
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _meant(name: str) -> str:
    """What was meant by the name of a grid that is none."""
    if name in registry.names("datasets"):
        return f": it is a dataset, coldbench run -d {name} -m item-bias,ridge"
    if name in registry.names("methods"):
        return f": it is a method, coldbench run -d ml-100k -m {name},item-bias"
    ready = sorted(path.stem for path in READY.glob("*.toml"))
    near = get_close_matches(name, ready, 1, 0.6)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return f"{hint}; ready ones: {', '.join(ready)}"


def _datasets(grid: Grid) -> None:
    names = [source.display_name for source in grid.sources()]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two datasets would be called {name!r} in a report: rename a file")
    for name in grid.dataset_params:
        if name not in grid.datasets:
            raise unknown("dataset of this grid", name, grid.datasets, "dataset_params")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # nan, inf
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if printable(c) == c else f"\\u{ord(c):04x}" for c in text)
