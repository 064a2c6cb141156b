"""C code of ours, built by the C compiler that is there, once, into the cache: an option.

What is built has torch's operations beside it that do the same, so a machine without a compiler
lacks nothing but speed. Which of the two computed is part of a cell's identity, since last digits
differ. `COLDBENCH_COMPILED=0` asks for torch's.
"""

import ctypes
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from . import store
from .cache import home

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
COMPILERS = ("cc", "gcc", "clang")


@cache
def library(folder: Path, real: str = "float") -> ctypes.CDLL | None:
    """The C files of a folder, for one type of numbers; None where nothing can build them."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None or os.environ.get("COLDBENCH_COMPILED") == "0":
        return None
    built = home() / "compiled" / f"{folder.name}-{real}-{_key(folder, compiler)}.so"
    sources = map(str, sorted(folder.glob("*.c")))
    command = [compiler, *FLAGS, f"-DREAL={real}", *sources, "-lm", "-o"]

    def build(partial: Path) -> None:
        subprocess.run([*command, str(partial)], check=True, capture_output=True, timeout=60)

    for _ in range(2):
        try:
            if not built.is_file():
                built.parent.mkdir(parents=True, exist_ok=True)
                store.write_by(built, build)
            return ctypes.CDLL(str(built))
        except subprocess.SubprocessError:  # no header files, no linker
            return None
        except OSError:  # a broken file, no room, no right to run
            with suppress(OSError):
                built.unlink(missing_ok=True)
    return None


def _key(folder: Path, compiler: str) -> str:
    """Of the code, the compiler and the processor: a cache may be shared by many machines."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.is_file() else ""
    kinds = {line for line in text.splitlines() if line.startswith(("model name", "flags", "Feat"))}
    stat = Path(compiler).resolve().stat()
    words = [path.read_text() for path in sorted(folder.glob("*.[ch]"))]
    words += [*FLAGS, platform.machine(), *sorted(kinds)]
    words += [compiler, str(stat.st_size), str(stat.st_mtime_ns)]
    return blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
