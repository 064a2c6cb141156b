"""C code is built once, whoever asks; where it cannot be, torch's operations are there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import compiled

provenance: Any = import_module("coldbench.benchmarks.provenance")
HOUSE = Path(__file__).resolve().parents[2]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler here")


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a C file; the cache is an empty folder beside it."""
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLDBENCH_COMPILED", raising=False)
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "_twice.c").write_text("int twice(int x) { return (int)((REAL)2 * x); }\n")
    compiled.library.cache_clear()
    yield folder
    compiled.library.cache_clear()


def built(code: Path) -> list[Path]:
    return sorted((code.parent / "cache" / "compiled").iterdir())


def twice(code: Path, real: str = "float") -> int:
    compiled.library.cache_clear()
    library = compiled.library(code, real)
    assert library is not None
    return int(library.twice(21))


@needs_compiler
def test_it_is_built_once_and_again_only_when_its_code_changes(code: Path) -> None:
    assert twice(code) == 42
    (first,) = built(code)
    before = first.stat().st_mtime_ns
    assert twice(code) == 42 and built(code) == [first] and first.stat().st_mtime_ns == before
    assert twice(code, "double") == 42 and len(built(code)) == 2
    (code / "_twice.c").write_text('#include "_n.h"\nint twice(int x) { return N * x; }\n')
    (code / "_n.h").write_text("#define N 3\n")
    assert twice(code) == 63
    (code / "_n.h").write_text("#define N 4\n")
    assert twice(code) == 84 and len(built(code)) == 4


@needs_compiler
@pytest.mark.parametrize("left", [b"", b"no library"])
def test_what_is_broken_is_built_again(code: Path, left: bytes) -> None:
    twice(code)
    (path,) = built(code)
    path.unlink()  # not written over: this process has it open
    path.write_bytes(left)
    assert twice(code) == 42


@needs_compiler
def test_processes_that_build_it_at_once_all_get_it_whole(code: Path) -> None:
    lines = (
        "from pathlib import Path",
        "from coldbench.compiled import library",
        f"print(library(Path({str(code)!r})).twice(4))",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    asked = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0].strip() for process in asked] == [b"8"] * 4
    assert len(built(code)) == 1


def test_without_a_compiler_there_is_none(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(code))
    assert compiled.library(code) is None
    assert provenance.versions()["inner loop"] == "torch"


def test_it_can_be_turned_off(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_COMPILED", "0")
    assert compiled.library(code) is None
    assert provenance.versions()["inner loop"] == "torch"


def test_code_that_does_not_build_leaves_nothing(code: Path) -> None:
    (code / "_twice.c").write_text("int twice(\n")
    assert compiled.library(code) is None
    assert COMPILER is None or built(code) == []


def test_a_cache_that_is_a_file_is_no_reason_to_stop(code: Path) -> None:
    (code.parent / "cache").write_text("")
    assert compiled.library(code) is None


@needs_compiler
@pytest.mark.usefixtures("code")
def test_which_loop_computes_is_part_of_a_cell() -> None:
    assert provenance.versions()["inner loop"] == "compiled"


@needs_compiler
def test_no_function_reads_or_writes_beside_its_arrays(tmp_path: Path) -> None:
    """Under the compiler's own checks, of addresses and of what C leaves undefined."""
    here, program = Path(__file__).parent, tmp_path / "sanitized"
    checks = ["-fsanitize=address,undefined", "-fno-sanitize=alignment", "-fno-sanitize-recover"]
    command = [str(COMPILER), "-O1", "-march=native", *checks, "-DREAL=float", "-o", str(program)]
    where = [f"-I{HOUSE / 'methods'}", str(here / "sanitized.c"), "-lm"]
    made = subprocess.run([*command, *where], check=False, capture_output=True, text=True)
    if made.returncode and "asan" in made.stderr:
        pytest.skip("this compiler has no sanitizer")
    assert made.returncode == 0, made.stderr
    env = {"ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run([str(program)], check=False, capture_output=True, text=True, env=env)
    assert (ran.stdout, ran.stderr) == ("done\n", "")
