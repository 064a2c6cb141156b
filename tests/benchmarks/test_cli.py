"""The command line: quick help, clear errors with code 2, JSON and nothing else on demand."""

import json
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.errors import UserError
from tests.console import asked, ran

grids: Any = import_module("coldbench.benchmarks.grid")
plans: Any = import_module("coldbench.benchmarks.plan")


def test_help_imports_neither_torch_nor_polars(tmp_path: Path) -> None:
    code = """
import sys
from coldbench.benchmarks import cli
sys.argv = ["coldbench", "--help"]
try:
    cli.main()
except SystemExit:
    pass
print([name for name in ("torch", "polars", "numpy", "transformers") if name in sys.modules])
"""
    done = ran(sys.executable, "-c", code, cwd=tmp_path)
    assert "Usage: coldbench" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "room", ["methods", "datasets", "protocols", "metrics", "encoders", "reports"]
)
def test_every_list_is_one_json_document_of_named_objects(
    tmp_path: Path, room: str, told: Any
) -> None:
    rows = json.loads(told(tmp_path, "list", room, "--json").stdout)
    assert rows and all(row["name"] for row in rows)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    plain = told(tmp_path, "list", room).stdout
    assert all(name in plain for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["list", "method"], "did you mean 'methods'?"),
        (["run"], "name a grid"),
        (
            ["run", "nope.toml"],
            "no grid file nope.toml; ready ones: cold-items, domains, ecommerce, elicit",
        ),
        (["run", "-d", "ml-100k", "-m", "item-bais"], "did you mean 'item-bias'?"),
        (["run", "-d", "ml-100", "-m", "ridge"], "did you mean 'ml-100k'?"),
        (["run", "quick", "--set", "seed=[0]"], "no grid key 'seed'; did you mean 'seeds'?"),
        (["run", "quick", "--set", "seeds=x"], "seeds must be whole numbers"),
        (["run", "quick", "--set", "seeds"], "--set takes key=value"),
        (["run", "quick", "--set", "protocol=user-cld"], "did you mean 'user-cold'?"),
        (["run", "quick", "--set", "protocol.shot=[0]"], "did you mean 'protocol.shots'?"),
        (["run", "quick", "--set", "shots=[0]"], "did you mean 'protocol.shots'?"),
        (["run", "quick", "--name", "../../x"], "--name '../../x' begins with '.'"),
        (["run", "quick", "--name", "a/b"], "holds a path separator"),
        (["run", "quick", "--name", 300 * "x"], "has more than 100 bytes"),
        (["tune", "ridge", "-d", "synthetic", "--name", "a/b"], "holds a path separator"),
        (["run", "quick", "--name", "a", "--name", "b"], "--name is given twice"),
        (["run", "quick", "--quiet", "--verbose"], "--quiet and --verbose: leave one out"),
        (["run", "quick", "--seeds", "0"], "one number is how many, from 1 to 1,000"),
        (["run", "quick", "--seeds", "3,x"], "--seeds takes whole numbers, like 3, which is"),
        (["run", "quick", "--shots", "0;4"], "--shots takes whole numbers, like 0,4,16, not '0;4'"),
        (["run", "quick", "--shots", "4", "--set", "protocol.shots=[4]"], "is given twice"),
        (["list", "methods", "mml"], "did you mean 'maml'?"),
        (["report", 300 * "x"], "File name too long"),
        (["report", "nowhere", "--metrics", "ndgc@5"], "nowhere is no run"),
        (["run", "quick", "--set", "params.mml.inner_steps=3"], "did you mean 'maml'?"),
        (["run", "quick", "--set", "params.maml.inner_step=3"], "did you mean"),
        (["run", "quick", "--set", "encoder.pool=last"], "did you mean 'pooling'?"),
        (["run", "quick", "--set", "encoder.pooling=first"], "pooling"),
        (["run", "quick", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["run", "quick", "--device", "gpu"], "no device 'gpu'"),
        (["run", "quick", "--include", "mine.py"], "no file mine.py"),
        (["run", "quick", "--limit", "0"], "limit must be"),
        (["run", "quick", "-j", "-1"], "-j must be 0 or more"),
        (["report", "nowhere"], "nowhere is no run"),
        (["report", "nowhere", "--format", "pdf"], "no format 'pdf'"),
        (["check"], "name methods"),
        (["fetch", "ml-100m"], "did you mean 'ml-100k'?"),
        (["tune", "popularity", "-d", "synthetic"], "popularity has nothing to tune"),
        (["tune", "ridge", "-d", "synthetc"], "did you mean 'synthetic'"),
        (["tune", "rige", "-d", "synthetic"], "did you mean 'ridge'"),
        (["tune", "ridge", "-d", "synthetic", "--metric", "ece"], "ece is pooled"),
        (["tune", "ridge", "-d", "synthetic", "--protocol", "user-cool"], "did you mean"),
        (["tune", "ridge", "-d", "synthetic", "--trials", "0"], "--trials must be 1"),
        (["run", "--dataset", "coat", "-m", "ridge"], "no option --dataset; did you mean --data"),
        (["run", "quick", "--metrics", "auc"], "did you mean coldbench report RUN --metrics?"),
        (["run", "quick", "-k", "3"], "run has no option -k; did you mean --shots?"),
        (["run", "quick", "--jsn"], "did you mean --json?"),
        (["run", "quick", "-j", "two"], "Invalid value for '-j' / '--jobs'"),
        (["run", "coat"], "it is a dataset, coldbench run -d coat -m"),
        (["run", "ridge"], "it is a method, coldbench run -d ml-100k -m ridge"),
        (["run", "quik"], "no grid file quik, did you mean 'quick'?; ready ones: "),
        (["list"], "list needs ROOM: methods, datasets"),
        (["tune", "ridge"], "tune needs -d: The dataset"),
        (["run", "quick", "--output", "new", "--name", "new"], "leave one out"),
        (["serve", "nowhere", "--port", "0"], "nowhere is no exported model"),
        (["serve", ".", "--port", "70000"], "--port lies in 0..65535"),
        (["serve", ".", "--port", "0", "--batch", "0"], "--batch is 1 or more"),
        (["serve", ".", "--port", "0", "--host", "256.0.0.1"], "cannot listen on 256.0.0.1"),
        (["serve", ".", "--port", "0", "--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_would_be_right(
    tmp_path: Path, words: list[str], line: str, refused: Callable[..., None]
) -> None:
    refused(tmp_path, words, line)
    assert list(tmp_path.iterdir()) == [], "something was written all the same"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(grids.READY.glob("*.toml")), ids=lambda path: path.stem)
def test_every_ready_grid_names_what_there_is(path: Path) -> None:
    grid = grids.Grid.of(grids.Grid.read(path))
    assert all(params.shots[0] == 0 for _, params in grid.protocols()), "no gain without K = 0"
    for name in grid.datasets:
        assert all(part in registry.names("datasets") for part in name.split(">"))


def test_a_grid_that_is_no_toml_names_its_line(tmp_path: Path, told: Any) -> None:
    (tmp_path / "bad.toml").write_text("datasets = [\nmethods", encoding="utf-8")
    done = told(tmp_path, "run", "bad.toml")
    assert done.code == 2 and "bad.toml" in done.stderr and "line 2" in done.stderr


@pytest.mark.slow
def test_a_grid_file_cannot_trust_a_models_own_code_and_its_reader_can(tmp_path: Path) -> None:
    grid = 'datasets = ["synthetic"]\nmethods = ["ridge"]\n'
    trusting = '[encoder]\nname = "minilm"\ntrust_remote_code = true\n'
    (tmp_path / "theirs.toml").write_text(grid + trusting, encoding="utf-8")
    error = asked(tmp_path, "run", "theirs.toml", "--dry-run", code=2).stderr
    assert "--set encoder.trust_remote_code=true" in error
    (tmp_path / "mine.toml").write_text(grid, encoding="utf-8")
    words = ["run", "mine.toml", "--set", "encoder.trust_remote_code=true", "--dry-run"]
    assert '"trust_remote_code" = true' in asked(tmp_path, *words).stdout


@pytest.mark.slow
def test_an_encoder_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    words = ["run", "-d", "synthetic", "-m", "ridge", "--set", "encoder=no/such"]
    error = asked(tmp_path, *words, code=2).stderr
    assert error.startswith("coldbench: no model 'no/such' here")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_dry_run_shows_the_resolved_grid_and_its_cells_and_runs_nothing(tmp_path: Path) -> None:
    words = ["-d", "synthetic", "-m", "ridge,maml", "--set", "params.maml.inner_steps=3"]
    output = asked(tmp_path, "run", *words, "--set", "seeds=[0,1]", "--dry-run").stdout
    assert output.count("to run") == 4
    assert '"inner_steps" = 3' in output
    assert list(tmp_path.iterdir()) == []
    again = tmp_path / "again.toml"
    again.write_text(output, encoding="utf-8")
    assert asked(tmp_path, "run", "again.toml", "--dry-run").stdout == output


@pytest.mark.slow
def test_doctor_names_versions_device_and_cache(tmp_path: Path) -> None:
    output = asked(tmp_path, "doctor").stdout
    for word in ("torch", "device", "cache", "threads", "bfloat16", "ml-100k", "minilm"):
        assert word in output


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (1.0, "on the CPU 1 times as fast as float32"),
        (0.99, "on the CPU 0.99 times as fast as float32; language models: precision = 'float32'"),
    ],
)
def test_doctor_says_which_precision_is_fast_here(times: float, told: str) -> None:
    doctor: Any = import_module("coldbench.benchmarks.commands.doctor")
    assert doctor._bfloat16(times) == told


def test_a_grid_file_may_lie_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "grids").mkdir()
    grid = tmp_path / "grids" / "mine.toml"
    grid.write_text('datasets = ["synthetic"]\nmethods = ["constant"]\nencoder = "vectors"\n')
    for path in (str(grid), "grids/mine.toml"):
        assert "to run" in asked(tmp_path, "run", path, "--dry-run").stdout


def test_a_grid_is_written_as_it_was_read_whatever_its_values(tmp_path: Path) -> None:
    odd = 'datasets = ["synthetic"]\nmethods = ["ridge"]\nencoder = "\U0001f600\\u007f"\n'
    odd += "[params.ridge]\ntau = nan\n"
    (tmp_path / "odd.toml").write_text(odd, encoding="utf-8")
    grid = grids.Grid.of(grids.Grid.read(tmp_path / "odd.toml"))
    written = tomllib.loads(grid.toml())
    assert written["encoder"] == {"name": "\U0001f600\x7f"}
    assert str(written["params"]["ridge"]["tau"]) == "nan"


def test_all_methods_may_leave_some_out() -> None:
    stated = {"datasets": ["synthetic"], "methods": "all", "without": ["prompt"]}
    grid = grids.Grid.of(stated)
    assert set(registry.names("methods")) - set(grid.methods) == {"prompt"}
    assert "without" not in grid.toml()
    for change, says in (
        ({"without": ["prompts"]}, "did you mean 'prompt'"),
        ({"methods": ["maml"]}, "leave"),
    ):
        with pytest.raises(UserError, match=says):
            grids.Grid.of(stated | change)


def test_a_grid_may_have_presets_of_its_own_and_a_misspelt_one_is_an_error() -> None:
    stated = {"datasets": ["synthetic"], "methods": ["ridge", "ridge:soft"]}
    grid = grids.Grid.of(stated | {"params": {"ridge:soft": {"tau": 9.0}}, "encoder": "vectors"})
    specs = plans.resolve(grid, "cpu")
    assert [(spec.name, spec.method, spec.params["tau"]) for spec in specs] == [
        ("ridge", "ridge", None), ("ridge:soft", "ridge", 9.0),
    ]  # fmt: skip
    with pytest.raises(UserError, match="no preset 'ridge:soft'"):
        grids.Grid.of(stated)
