"""Things are found by name, listing them imports nothing, and a wrong name says what is near it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldbench import registry
from coldbench.errors import UserError
from coldbench.registry import entries, entry, find, include, names, source

HOUSE = Path(__file__).resolve().parents[2]
ROOMS = ("methods", "datasets", "reports")
METHOD = '''"""Half: says one half of everything. For a test.

And more words, which no list shows.
"""

from dataclasses import dataclass

import torch

from coldbench.method import Method


@dataclass
class Half(Method[None]):
    family = "floor"
    adapts = False

    def meta_train(self, warm, valid, items, seeds):
        self.items, self.learned = items, {}

    def adapt(self, support):
        return None

    def score(self, state, items):
        return torch.full(items.shape, 0.5)
'''
SECOND = "\n\nclass Third(Half):\n    pass\n"


@pytest.fixture(autouse=True)
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.setattr(registry, "_included", {})
    registry._points.cache_clear()
    yield
    registry._points.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith(("coldbench_included", "halves")):
            del sys.modules[name]


@pytest.fixture
def half(tmp_path: Path) -> Path:
    path = tmp_path / "one_half.py"
    path.write_text(METHOD)
    return path


@pytest.mark.parametrize("room", ROOMS)
def test_a_file_of_a_room_is_found_by_its_own_name(room: str) -> None:
    stems = {p.stem for p in (HOUSE / room).glob("*.py") if not p.stem.startswith("_")}
    assert set(names(room)) == {stem.replace("_", "-") for stem in stems}
    assert names(room) == sorted(names(room))


def test_a_method_is_the_one_class_of_its_file() -> None:
    assert find("methods", "item-bias").__name__ == "ItemBias"
    assert find("methods", "item-bias") is find("methods", "item-bias")
    assert find("datasets", "ml-100k").__name__ == "MovieLens100K"


def test_an_entry_says_what_a_thing_is_before_it_is_imported() -> None:
    ridge = entry("methods", "ridge")
    assert ridge.summary.startswith("Ridge regression from an item's text")
    assert "\n" not in ridge.summary
    assert ridge.attributes["family"] == "simple"
    assert ridge.attributes["stochastic"] is False
    assert ridge.source == HOUSE / "methods" / "ridge.py"


def test_everything_says_what_it_is_in_one_line() -> None:
    for room in ROOMS:
        for thing in entries(room):
            assert thing.summary.strip(), f"{room}/{thing.name} has no docstring"


@pytest.mark.parametrize(
    ("room", "name", "message"),
    [
        ("methods", "protnet",
         "no method 'protnet'; did you mean 'protonet'? (coldbench list methods)"),
        ("datasets", "xyzzy", "no dataset 'xyzzy' (coldbench list datasets)"),
    ],
)  # fmt: skip
def test_a_wrong_name_says_what_is_near_it(room: str, name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        find(room, name)
    assert str(error.value) == message


@pytest.mark.slow
def test_listing_imports_neither_torch_nor_the_files_it_lists() -> None:
    code = (
        "import json, sys; from coldbench import registry\n"
        f"listed = [e.name for room in {ROOMS} for e in registry.entries(room)]\n"
        "print(json.dumps([listed, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    listed, loaded = json.loads(done.stdout)
    assert {"ridge", "ml-100k", "html"} <= set(listed)
    heavy = {"torch", "transformers", "polars", "matplotlib", "numpy"}
    rooms = {f"coldbench.{room}" for room in ROOMS}
    assert not heavy & set(loaded)
    assert not [name for name in loaded if ".".join(name.split(".")[:2]) in rooms]


def test_one_file_joins_by_include(half: Path) -> None:
    assert include(half) == include(half) == "one-half", "twice is no mistake"
    assert "one-half" in names("methods")
    assert find("methods", "one-half").__name__ == "Half"
    assert entry("methods", "one-half").summary == "Half: says one half of everything. For a test."
    assert source("methods", "one-half") == half


def test_a_dataset_or_a_report_joins_by_include_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    text = "'''Mine.'''\nfrom coldbench.dataset import Dataset\nclass Mine(Dataset):\n"
    path.write_text(text + "    def load(self):\n        raise NotImplementedError\n")
    include(path, "datasets")
    assert find("datasets", "mine").__name__ == "Mine"
    assert "mine" not in names("methods")


def test_a_file_whose_name_is_taken_is_refused(half: Path, tmp_path: Path) -> None:
    taken = half.rename(tmp_path / "item_bias.py")
    with pytest.raises(UserError, match=r"the methods have a 'item-bias' already; rename"):
        include(taken)
    assert find("methods", "item-bias").__name__ == "ItemBias"


def test_two_included_files_of_one_name_clash(half: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / half.name
    other.parent.mkdir()
    other.write_text(METHOD)
    include(half)
    with pytest.raises(UserError, match="have a 'one-half' already"):
        include(other)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*gone\.py to include"):
        include(tmp_path / "gone.py")


@pytest.mark.parametrize(("text", "count"), [("'''Nothing.'''\n", 0), (METHOD + SECOND, 2)])
def test_a_file_of_two_methods_or_none_is_a_clear_error(half: Path, text: str, count: int) -> None:
    half.write_text(text)
    include(half)
    with pytest.raises(UserError) as error:
        find("methods", "one-half")
    assert str(error.value) == f"{half}: a file of methods holds one Method, this one {count}"


def test_classes_that_are_imported_private_or_abstract_are_not_counted(half: Path) -> None:
    other = "from coldbench.method import Method as M"
    more = f"\n{other}\n\n\nclass _Part(Half):\n    pass\n"
    half.write_text(METHOD + more + "\n\nclass Base(Method[None]):\n    pass\n")
    include(half)
    assert find("methods", "one-half").__name__ == "Half"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package as pip leaves it, with a method and an entry point for it."""
    (tmp_path / "halves").mkdir()
    (tmp_path / "halves" / "__init__.py").write_text("")
    path = tmp_path / "halves" / "half.py"
    path.write_text(METHOD)
    facts = tmp_path / "halves-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[coldbench.methods]\nhalf = halves.half:Half\nridge = halves.half:Half\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return path


def test_a_method_of_another_package_is_found_by_its_entry_point(package: Path) -> None:
    assert "half" in names("methods")
    assert "half" not in names("datasets")
    assert find("methods", "half").__name__ == "Half"
    assert source("methods", "half") == package


def test_listing_another_packages_method_does_not_import_it(package: Path) -> None:
    listed = entry("methods", "half")
    assert (listed.summary, listed.source) == ("from the package halves", None)
    assert source("methods", "half") == package
    assert "halves" not in sys.modules


def test_an_entry_point_whose_package_is_gone_has_no_file(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.unlink()
    assert source("methods", "half") is None
    assert source("methods", "no-such-method") is None


def test_another_package_cannot_take_a_name_of_ours(package: Path) -> None:
    assert find("methods", "ridge").__module__ == "coldbench.methods.ridge"


@pytest.mark.parametrize("text", ["from . import _a", "from ._a import a", "from . import _a as b"])
def test_an_included_file_imports_those_beside_it(half: Path, text: str) -> None:
    half.write_text(METHOD + f"\n\n{text}\n")
    (half.parent / "_a.py").write_text("from ._b import b\n\na = b\n")
    (half.parent / "_b.py").write_text("b = 2\n")
    include(half)
    assert find("methods", "one-half").__name__ == "Half"


def test_an_import_of_a_file_beside_says_how_it_is_written(half: Path) -> None:
    half.write_text("import helper\n" + METHOD)
    (half.parent / "helper.py").write_text("")
    include(half)
    with pytest.raises(UserError, match=r"write `from \. import helper`"):
        find("methods", "one-half")
    half.write_text("from . import helper\n" + METHOD)
    assert find("methods", "one-half").__name__ == "Half"


def test_a_missing_package_is_an_error_at_every_try(half: Path) -> None:
    half.write_text("import no_such_package\n" + METHOD)
    include(half)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_package"):
            find("methods", "one-half")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x = 1\ndef f(:\n", ":2: invalid syntax"),
        ("'\udcff'".encode("latin1", "surrogateescape"), "utf-8"),
    ],
)
def test_a_file_that_is_no_python_is_listed_and_says_where_it_is_wrong(
    half: Path, content: str | bytes, says: str
) -> None:
    half.write_bytes(content if isinstance(content, bytes) else content.encode())
    include(half)
    assert entry("methods", "one-half").summary.startswith("cannot be read: ")
    with pytest.raises(UserError) as error:
        find("methods", "one-half")
    assert str(half) in str(error.value) and says in str(error.value)
