"""A file that needs more memory than a shell allows is one line and exit code 2."""

import resource
import sys
from pathlib import Path

import pytest

from coldbench.errors import NotEnoughMemory
from coldbench.files import memory
from tests.console import ran

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS bounds mappings there")
ALLOWED = 1 << 30
CODE = f"""
import resource
from pathlib import Path
import polars
from coldbench.errors import NotEnoughMemory
from coldbench.files.delimited import Table, read
from coldbench.files.schema import Column
resource.setrlimit(resource.RLIMIT_AS, ({ALLOWED}, {ALLOWED}))
try:
    read(Table((Column("user", "id"),)), Path("log.csv"))
except NotEnoughMemory as error:
    print(error)
"""


@pytest.mark.slow
def test_a_table_under_ulimit_is_refused_before_polars_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user\n" + 1_000_000 * "u\n", encoding="utf-8")
    done = ran(sys.executable, "-P", "-c", CODE, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("log.csv: there is not enough memory to read it, of which this")
    assert f"{ALLOWED:,} bytes; fix: use a shell without `ulimit -v`" in done.stdout


def test_what_a_shell_without_a_limit_asks_for_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    monkeypatch.setattr(memory, "PER_BYTE", 1 << 60)
    memory.reserve_for("log.csv", b"user\n")


def test_what_cannot_be_mapped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 40, 1 << 40))
    monkeypatch.setattr(memory, "PER_BYTE", 1 << 50)
    with pytest.raises(NotEnoughMemory, match=r"log\.csv: there is not enough memory"):
        memory.reserve_for("log.csv", b"user\n")
