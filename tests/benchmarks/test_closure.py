"""A cell's code is all that its numbers come from, by whatever form of import, and no more."""

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import coldbench
from coldbench import registry
from coldbench.cell import code_hash
from tests.console import ran

closures: Any = import_module("coldbench.benchmarks.import_closure")
closure = closures.closure
imports = import_module("coldbench.benchmarks.import_syntax").imports
plan: Any = import_module("coldbench.benchmarks.plan")
HOUSE = Path(coldbench.__file__).resolve().parent.parent
METHODS = registry.names("methods")
LOADER = "ml-100k"


@pytest.fixture(autouse=True)
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_included", {})
    registry._points.cache_clear()
    yield
    registry._points.cache_clear()


def write(folder: Path, **texts: str) -> Path:
    """Files by their path, `__` for a slash; returns the folder."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def named(paths: list[Path], folder: Path) -> set[str]:
    """The paths below a folder, without their endings."""
    return {str(p.relative_to(folder).with_suffix("")) for p in paths if folder in p.parents}


def changes(mine: Path, other: Path) -> tuple[bool, bool]:
    """Whether another number in `other`, and another comment there, change the hash of `mine`."""
    other.write_text("x = 1\n")
    before = code_hash(closure([mine]))
    other.write_text('"""Says."""\nx = 1  # why\n')
    comment = code_hash(closure([mine])) != before
    other.write_text("x = 2\n")
    return code_hash(closure([mine])) != before, comment


BESIDE = [
    "import helper",
    "import helper as h",
    "import json, helper",
    "from helper import x",
    "from helper import x as y",
    "from helper import *",
    "from . import helper",
    "from . import helper as h",
    "from . import *",
    "from .helper import x",
    "from .helper import *",
    "def f():\n    import helper",
    "def f():\n    def g():\n        from .helper import x\n    return g",
    "class A:\n    import helper",
    "async def f():\n    import helper",
    "try:\n    import torch_x\nexcept ImportError:\n    import helper",
    "while f():\n    match x:\n        case 1:\n            import helper",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import helper",
    "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import helper",
    "from importlib import import_module\nimport_module('helper')",
    "from importlib import import_module as load\nx = [load(name='helper')]",
    "import importlib\nimportlib.import_module('helper').x",
    "import importlib as i\ni.import_module('.helper', __package__)",
    "from importlib import *\nimport_module('helper')",
    "__import__('helper')",
    "import builtins\nbuiltins.__import__('helper')",
    "__import__('', globals(), locals(), ['helper'], 1)",
    "from importlib import import_module\nimport_module(name)",
    "from importlib import import_module\nimport_module(f'{name}')",
    "from importlib import import_module\nimport_module('hel' + name)",
    "from importlib import import_module\nimport_module('.hel%s' % name, __package__)",
    "from importlib import import_module\nimport_module('.helper', anchor())",
    "from importlib import import_module\nlist(map(import_module, names))",
    "from importlib.util import spec_from_file_location as by\nby('x', path)",
    "import runpy\nrunpy.run_path('helper.py')",
    "import runpy\nrunpy.run_module('helper')",
]


@pytest.mark.parametrize("text", BESIDE)
def test_a_file_beside_ones_own_counts_however_it_is_imported(tmp_path: Path, text: str) -> None:
    mine = write(tmp_path, mine=f"{text}\n") / "mine.py"
    assert changes(mine, tmp_path / "helper.py") == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import json",
        "helper = 1",
        "'import helper'",
        "# import helper",
        "from . import other",
        "from .other import helper",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helper",
        "import typing\nif typing.TYPE_CHECKING:\n    from . import helper",
        "import typing as t\nif t.TYPE_CHECKING:\n    if 1:\n        from .helper import x",
        "text.find('helper', name)\nmodel.import_module('helper')",
    ],
)
def test_a_file_that_is_never_imported_does_not_count(tmp_path: Path, text: str) -> None:
    mine = write(tmp_path, mine=f"{text}\n", other="") / "mine.py"
    assert changes(mine, tmp_path / "helper.py") == (False, False)


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import pack.part", "part"),
        ("import pack.part as p", "part"),
        ("from pack import part", "part"),
        ("from pack.part import x", "part"),
        ("from .pack.part import x", "part"),
        ("import pack\npack.part.x", "part"),
        ("from pack import x", ""),
        ("from pack import *", "part deep/low"),
        ("from pack.deep import low", "deep/low"),
        ("import importlib\nimportlib.import_module('pack.part')", "part"),
        ("import importlib\nimportlib.import_module(f'pack.{x}')", "part deep/low"),
        ("import importlib\nimportlib.import_module(f'pack.deep.{x}')", "deep/low"),
        ("import importlib\nimportlib.import_module('.part', 'pack')", "part"),
    ],
)
def test_a_package_beside_counts_with_its_init(tmp_path: Path, text: str, modules: str) -> None:
    write(tmp_path, mine=f"{text}\n", pack__part="x = 1", pack__deep__low="x = 1")
    (tmp_path / "pack" / "__init__.py").write_text("x = 1")
    files = {f"pack/{name}" for name in ("__init__", *modules.split())}
    assert files | {"mine"} >= named(closure([tmp_path / "mine.py"]), tmp_path) >= files


@pytest.mark.parametrize(
    "text",
    [
        "from .. import z",
        "from ..z import x",
        "from .. import (a,\n z)",
        "import top.z",
        "from top import z",
        "from top.z import x",
        "from top.low import again",
    ],
)
def test_relative_imports_climb_packages(tmp_path: Path, text: str) -> None:
    write(tmp_path, top__low__mine=f"{text}\n", top__low__again="from ..z import x\n", z="")
    for package in ("top", "top/low"):
        (tmp_path / package / "__init__.py").write_text("")
    mine = tmp_path / "top/low/mine.py"
    assert changes(mine, tmp_path / "top/z.py") == (True, False)
    files = named(closure([mine]), tmp_path)
    own = {f"top/{name}" for name in ("__init__", "low/__init__", "low/mine", "z")}
    assert files - {"top/low/again"} == own


def test_imports_of_imports_count_and_circles_end(tmp_path: Path) -> None:
    write(
        tmp_path, mine="from . import a", a="from .b import b", b="import c", c="from .a import a"
    )
    assert named(closure([tmp_path / "mine.py"]), tmp_path) == {"mine", "a", "b", "c"}
    assert changes(tmp_path / "mine.py", tmp_path / "c.py") == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "from coldbench import compiled",
        "import coldbench.compiled",
        "from coldbench.compiled import library",
    ],
)
def test_c_files_beside_who_compiles_them_count(tmp_path: Path, text: str) -> None:
    mine = write(tmp_path, mine=f"{text}\n", other="x = 1\n") / "mine.py"
    for name in ("mine.c", "lanes.h"):
        (tmp_path / name).write_text("int x = 1;\n")
        before = code_hash(closure([mine]))
        (tmp_path / name).write_text("int x = 2;\n")
        assert code_hash(closure([mine])) != before
    assert closure([tmp_path / "other.py"]) == [tmp_path / "other.py"]


FROM_THE_HOUSE = [
    "from coldbench.methods._item_prior import x",
    "from coldbench.methods import _item_prior",
    "import coldbench.methods._item_prior",
    "import coldbench\ncoldbench.methods._item_prior.x",
    "import importlib\nimportlib.import_module('coldbench.methods._item_prior')",
    "import importlib\nimportlib.import_module(f'coldbench.methods.{x}')",
    "import importlib\nimportlib.import_module(x)",
    "from coldbench import registry\nregistry.find('methods', 'item-bias')",
    "from coldbench import registry as r\nr.find(name='item-bias', room='methods')",
    "from coldbench.registry import find as get\nget('methods', 'item-bias')",
    "import coldbench.registry\ncoldbench.registry.find('methods', name)",
    "from coldbench.registry import *\nfind(room, 'item-bias')",
    "from coldbench import registry\nfind = registry.find",
]


@pytest.mark.parametrize("text", FROM_THE_HOUSE)
def test_a_file_of_ones_own_may_import_another_methods_part(tmp_path: Path, text: str) -> None:
    mine = write(tmp_path, mine=f"{text}\n") / "mine.py"
    assert "methods/_item_prior" in named(closure([mine]), HOUSE)


def test_a_method_found_by_name_may_be_an_included_one(tmp_path: Path) -> None:
    write(tmp_path, one="import helper", two="from coldbench import registry\n")
    two = tmp_path / "two.py"
    for name in ("'one'", "x"):
        two.write_text(f"from coldbench import registry\nregistry.find('methods', {name})\n")
        assert named(closure([two]), tmp_path) == {"two"}
    registry.include(tmp_path / "one.py")
    for name in ("'one'", "x"):
        two.write_text(f"from coldbench import registry\nregistry.find('methods', {name})\n")
        assert changes(two, tmp_path / "helper.py") == (True, False)


@pytest.mark.parametrize(
    "text", ["import coldbench\ncoldbench.load('r')", "from coldbench import load"]
)
def test_the_functions_of_the_package_itself_count_where_they_are_used(
    tmp_path: Path, text: str
) -> None:
    mine = write(tmp_path, mine=f"{text}\n") / "mine.py"
    assert "coldbench/results/results" in named(closure([mine]), HOUSE)
    mine.write_text("import coldbench\nfrom coldbench import __version__\ncoldbench.__path__\n")
    assert named(closure([mine]), HOUSE) == set()
    mine.write_text("from coldbench.errors import UserError\n")
    assert named(closure([mine]), HOUSE) == {"coldbench/__init__", "coldbench/errors"}


def test_a_plug_in_counts_with_its_package_and_not_with_libraries_installed_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = write(
        tmp_path / "site-packages",
        halves__half="import library\nimport halves_core\nfrom . import part\n",
        halves__part="from halves.more import x\n",
        halves__more="",
        halves_core="",
        library="",
    )
    (site / "halves/__init__.py").write_text("raise SystemExit('it was imported')")
    facts = site / "halves-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[coldbench.methods]\nhalf = halves.half:Half\n")
    (facts / "top_level.txt").write_text("halves\nhalves_core\n")
    monkeypatch.syspath_prepend(site)
    closures._brought.cache_clear()
    source = registry.source("methods", "half")
    assert source == site / "halves/half.py" and "halves" not in sys.modules
    files = {"halves/__init__", "halves/half", "halves/part", "halves/more", "halves_core"}
    assert named(closure([source]), site) == files
    closures._brought.cache_clear()


@pytest.mark.parametrize("content", [b"def f(:\n", b"\x00\x01", b"\xff\xfe", b"(" * 10_000])
def test_a_file_that_is_no_python_counts_by_its_bytes(tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "mine.py"
    mine.write_bytes(content)
    assert closure([mine]) == [mine]
    before = code_hash([mine])
    mine.write_bytes(content + b" ")
    assert code_hash([mine]) != before


def test_where_the_files_lie_and_their_order_do_not_count(tmp_path: Path) -> None:
    first = write(tmp_path / "z", mine="import a\nimport b\n", a="x = 1\n", b="x = 2\n")
    other = write(tmp_path / "a", mine="import a\nimport b\n", a="x = 1\n", b="x = 2\n")
    files = closure([first / "mine.py"])
    assert code_hash(files) == code_hash(closure([other / "mine.py"])) == code_hash(files[::-1])
    write(other, a="x = 2\n", b="x = 1\n")
    assert code_hash(files) != code_hash(closure([other / "mine.py"]))


@pytest.mark.parametrize("method", METHODS)
def test_the_code_of_a_cell_is_its_method_its_dataset_and_the_loop(method: str) -> None:
    files = named(plan.code(method, LOADER), HOUSE)
    own = f"methods/{method.replace('-', '_')}"
    assert {own, f"datasets/{LOADER.replace('-', '_')}"} <= files
    assert {"benchmarks/loop", "benchmarks/splits", "benchmarks/worker"} <= files
    assert {"coldbench/protocol", "coldbench/encoder", "coldbench/splits/negatives"} <= files


PRIOR = "_item_prior _later_items"
KERNEL = f"{PRIOR} _kernel _graph"
MAML = (
    "maml _inner_loop _compiled _lanes _head _early_stopping _gradient_head "
    "_training_options _meta_learner _query_loss _pairs"
)


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("constant", f"constant _one_number {PRIOR}"),
        ("ridge", f"ridge _grid_search {KERNEL}"),
        ("item-bias", f"item_bias {PRIOR}"),
        ("fomaml", f"fomaml {MAML} {KERNEL} _same_items"),
    ],
)
def test_a_method_counts_what_it_is_made_of_and_no_other_method(method: str, parts: str) -> None:
    files = plan.code(method, LOADER)
    assert {p.stem for p in files if p.parent.name == "methods"} == set(parts.split())


def test_what_shows_numbers_is_in_no_cells_code() -> None:
    files = set().union(*(named(plan.code(method, LOADER), HOUSE) for method in METHODS))
    shown = {f"benchmarks/{name}" for name in ("cli", "grid", "plan", "run", "tracking")}
    shown |= {"coldbench/plot", "coldbench/report"}
    rooms = (
        *("reports/", "benchmarks/commands/", "benchmarks/refit/", "benchmarks/tuning/"),
        *("coldbench/results/", "coldbench/testing/"),
    )
    assert not {name for name in files if name in shown or name.startswith(rooms)}


def test_the_package_itself_imports_nothing_of_ours_nor_what_is_heavy() -> None:
    done = ran(sys.executable, "-c", "import coldbench, sys; print(*sys.modules)")
    modules = set(done.stdout.split())
    assert [name for name in modules if name.startswith("coldbench")] == ["coldbench"]
    assert not {"torch", "polars", "typer"} & modules


LOADED = """
import json, os, sys
import coldbench.benchmarks.worker
from coldbench import registry
said = {}
for name in registry.names("methods"):
    there, here = os.pipe()
    if not os.fork():
        registry.find("methods", name)
        registry.find("datasets", "ml-100k")
        ours = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "coldbench"]
        os.write(here, json.dumps([path for path in ours if path]).encode())
        os._exit(0)
    os.close(here)
    said[name] = json.loads(os.fdopen(there).read())
    os.wait()
print(json.dumps(said))
"""


@pytest.mark.slow
def test_every_file_that_a_cell_really_loads_is_in_its_code() -> None:
    """Against Python's own answer: what sys.modules holds once the method is imported."""
    loaded = json.loads(ran(sys.executable, "-c", LOADED, cwd=Path("/")).stdout)
    assert sorted(loaded) == METHODS
    for method, files in loaded.items():
        assert len(files) > 20
        assert {Path(path).resolve() for path in files} <= set(plan.code(method, LOADER)), method


def test_all_methods_are_read_in_a_moment() -> None:
    imports.cache_clear()
    begun = time.process_time()
    assert len({code_hash(plan.code(method, LOADER)) for method in METHODS}) == len(METHODS)
    assert time.process_time() - begun < 3, ".7 s where it was written"
