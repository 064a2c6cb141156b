"""The house: who may import whom, and one package however it is installed."""

import ast
import json
import sys
from pathlib import Path

import pytest

from tests.console import asked, ran

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("benchmarks", "datasets", "methods", "reports")

# folder: the folders that its files may import from, beside itself; "words" are coldbench/*.py
ALLOWED = {
    "words": ("language",),
    "doors": ("words", "recommend", "results"),
    "language": ("words",),
    "files": ("words",),
    "splits": ("words",),
    "metrics": ("words",),
    "results": ("words", "metrics", "splits"),
    "testing": ("words", "metrics", "splits"),
    "augment": ("words",),
    "elicit": ("words",),
    "recommend": ("words",),
    "serving": ("words", "recommend"),
    "datasets": ("words", "files"),
    "methods": ("words", "language", "augment", "metrics"),
    "reports": ("words", "doors", "metrics", "results"),
    "benchmarks": ("words", "language", "elicit", "metrics", "results", "splits"),
    "benchmarks/tuning": ("words", "metrics", "results", "splits", "benchmarks"),
    "benchmarks/refit": (
        *("words", "files", "metrics", "recommend", "results", "splits", "benchmarks"),
    ),
    "benchmarks/commands": (
        *("words", "files", "language", "metrics", "recommend", "results", "serving", "splits"),
        *("testing", "benchmarks", "benchmarks/tuning", "benchmarks/anchors", "benchmarks/refit"),
    ),
    "benchmarks/executors": ("words", "benchmarks"),
    "benchmarks/anchors": ("words", "files", "metrics", "splits", "benchmarks"),
    "benchmarks/speed": ("words", "files", "metrics", "recommend", "serving", "splits"),
}
DOORS = ("coldbench/__init__.py", "coldbench/plot.py", "coldbench/report.py")  # short public paths
ENTRY = "benchmarks/cli.py"  # the console script: it opens every command


def folder_of(file: str) -> str:
    """The folder of the table above that a file belongs to."""
    top, *rest = Path(file).parent.parts
    if top == "coldbench":
        return rest[0] if rest else "doors" if file in DOORS else "words"
    return "/".join((top, *rest))


def imported(module: str, file: str, known: dict[str, str]) -> set[str]:
    """The modules of `known` that a file imports, at its top or inside a function."""
    package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
    sources = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            sources |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*above, node.module] if node.level else [node.module]
            source = ".".join(part for part in parts if part)
            names = {f"{source}.{name.name}" for name in node.names}
            sources |= {name if name in known else source for name in names}
    return (sources & known.keys()) - {module}


def test_the_table_names_every_folder_that_a_file_imports_from_and_no_other(
    modules: dict[str, str],
) -> None:
    wrong, unused = [], {(mine, theirs) for mine, others in ALLOWED.items() for theirs in others}
    for module, file in modules.items():
        if file == ENTRY:
            continue
        folder = folder_of(file)
        for other in imported(module, file, modules):
            theirs = folder_of(modules[other])
            unused.discard((folder, theirs))
            bare = other == "coldbench"  # its version, its RUNS: no door is gone through
            if theirs not in (folder, *ALLOWED[folder]) and not bare:
                wrong.append(f"{file} imports {modules[other]}: {folder} may not import {theirs}")
    assert not wrong, "\n".join(wrong)
    assert not unused, f"edges that no file needs: {sorted(unused)}"


def test_no_imports_go_in_a_circle(modules: dict[str, str]) -> None:
    waiting = {
        module: imported(module, file, modules)
        for module, file in modules.items()
        if file != DOORS[0]  # `coldbench.load` reads results when it is called
    }
    while free := [m for m, others in waiting.items() if not others & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting, f"in a circle, or above one: {sorted(waiting)}"


def python(*words: str, cwd: Path, **env: str) -> str:
    return ran(sys.executable, *words, cwd=cwd, code=0, HF_HUB_OFFLINE="1", **env).stdout


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_no_room_is_a_package_of_its_own(room: str) -> None:
    assert not list((ROOT / room).rglob("__init__.py"))
    assert not list((ROOT / room).rglob("__main__.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a source archive of the checkout's files, as `build` does; without a network."""
    out, copy = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("checkout")
    wanted = [ROOT / "coldbench", *(ROOT / room for room in ROOMS)]
    for path in [p for top in wanted for p in top.rglob("*") if p.is_file()]:
        if "__pycache__" not in path.parts:
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    python("-m", "build", "--no-isolation", "--outdir", str(out), str(copy), cwd=out)
    assert len(list(out.glob("*.tar.gz"))) == 1
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_an_installed_copy_lists_and_runs_the_same_as_the_checkout(
    tmp_path: Path, wheel: Path
) -> None:
    python("-m", "venv", "--without-pip", str(tmp_path / "venv"), cwd=tmp_path)
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    needed = next(Path(p) for p in sys.path if (Path(p) / "torch").is_dir())
    (site / "dependencies.pth").write_text(f"{needed}\n", encoding="utf-8")
    pip = ["-m", "pip", "--python", str(tmp_path / "venv/bin/python"), "install", "-q"]
    python(*pip, "--no-deps", "--no-index", str(wheel), cwd=tmp_path)

    def theirs(*words: str, binary: str = "coldbench") -> str:
        return ran(tmp_path / "venv/bin" / binary, *words, cwd=tmp_path).stdout

    def ours(*words: str) -> str:
        return asked(tmp_path, *words).stdout

    where = theirs("-c", "import coldbench; print(coldbench.__file__)", binary="python")
    assert where.startswith(str(site)), "the wheel is not what was imported"
    for room in ("methods", "datasets", "reports"):
        words = ("list", room, "--json")
        assert json.loads(theirs(*words)) == json.loads(ours(*words))
    run = (
        "run -d synthetic -m item-bias,ridge,maml --set encoder=vectors --no-timing --name".split()
    )
    theirs(*run, "theirs")
    ours(*run, "ours")
    scores = {
        name: {
            path.parent.name: path.read_bytes()
            for path in (tmp_path / "runs" / name).rglob("scores.parquet")
        }
        for name in ("theirs", "ours")
    }
    assert scores["theirs"] == scores["ours"] and len(scores["ours"]) == 3
    assert "0 at most" in theirs("export", "ours", "ridge 0", "model")
    (tmp_path / "mine.csv").write_text("item,rating\n3,5\n", encoding="utf-8")
    assert "you, 1 rating: ridge on synthetic" in theirs("recommend", "model", "mine.csv")


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_the_room_named_datasets_does_not_shadow_hugging_faces(
    tmp_path: Path, installed: bool
) -> None:
    if installed:
        package = tmp_path / "datasets"
        package.mkdir()
        (package / "__init__.py").write_text("__version__ = '3.0.0'\nREAL = True\n")
        facts = tmp_path / "datasets-3.0.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: datasets\nVersion: 3.0.0\n")
    code = """
import coldbench, transformers
from transformers.utils import is_datasets_available
from transformers import AutoModel, AutoTokenizer, BertConfig
AutoModel.from_config(BertConfig(num_hidden_layers=1, hidden_size=8, num_attention_heads=1))
from coldbench import registry
registry.find("datasets", "synthetic")
if is_datasets_available():
    import datasets
    assert datasets.REAL
print(is_datasets_available())
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    env = {"PYTHONPATH": str(tmp_path)} if installed else {}
    assert python(str(script), cwd=ROOT, **env) == f"{installed}\n"
