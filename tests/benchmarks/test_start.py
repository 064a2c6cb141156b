"""How a run begins: its parent does without torch, and what is known of the code is not found out
again."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.cache import home
from coldbench.errors import UserError
from tests import console

known: Any = import_module("coldbench.benchmarks.known")
devices: Any = import_module("coldbench.benchmarks.devices")
WORDS = console.small_run("item-bias", *"--no-timing -j 1 --device cpu".split())
SCRIPT = """
import json, sys
sys.argv = ["coldbench", *json.loads(sys.argv[1])]
from coldbench.benchmarks.cli import main
try:
    main()
except SystemExit as ended:
    print(json.dumps([ended.code, sorted({"torch", "transformers", "scipy"} & sys.modules.keys())]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("more", "cells"), [([], 1), (["--dry-run"], 0)], ids=["run", "dry run"])
def test_the_parent_of_a_run_imports_no_torch(tmp_path: Path, more: list[str], cells: int) -> None:
    words = json.dumps([*WORDS, *more])
    done = console.ran(sys.executable, "-c", SCRIPT, words, cwd=tmp_path)
    code, imported = json.loads(done.stdout.splitlines()[-1])
    assert code == 0 and imported == []
    assert len(list(tmp_path.glob("runs/r/cells/*/scores.parquet"))) == cells


def test_an_answer_is_found_out_once_and_by_whoever_comes_later() -> None:
    calls: list[int] = []

    def find() -> int:
        calls.append(1)
        return len(calls)

    first = known.Known.here({})
    assert [first.answer(["q", 1], find), first.answer(["q", 1], find)] == [1, 1]
    first.save()
    later = known.Known.here({})
    assert [later.answer(["q", 1], find), later.answer(["q", 2], find)] == [1, 2]


def test_an_encoder_without_a_name_is_no_folder() -> None:
    assert known.of_encoder({}) is None, "all files of the working directory are hashed"


def test_what_raises_is_asked_again() -> None:
    kept = known.Known.here({})

    def fails() -> int:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        kept.answer(["fails"], fails)
    assert kept.answer(["fails"], lambda: 5) == 5


def test_a_refused_run_has_found_out_what_the_next_one_asks(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\n", encoding="utf-8")
    stated = {"name": "vectors", "max_tokens": 77}
    words = ["--set", "encoder=vectors", "--set", "encoder.max_tokens=77"]
    ask("run", "-d", "log.csv", "-m", "constant", *words, code=2)
    kept = known.Known.here(stated)
    assert kept.answer(kept.encoder, dict)["encoder"]["max_tokens"] == 77


def test_a_torn_file_of_answers_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"a": ', encoding="utf-8")
    assert known.Known(path).answer(["a"], lambda: 3) == 3


def test_beside_somebody_elses_file_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("", encoding="utf-8")

    def answers() -> list[int]:
        kept = known.Known.here({})
        return [kept.answer(["q"], lambda n=n: n) for n in (1, 2)]

    assert answers() == [1, 1]
    registry.include(tmp_path / "mine.py")
    assert answers() == [1, 2]


def test_an_encoder_is_another_with_each_byte_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    inner = tmp_path / "1_Pooling/config.json"
    inner.write_text("{}", encoding="utf-8")
    before = known.of_encoder({"name": str(tmp_path)})
    assert before == known.of_encoder({"name": str(tmp_path)})
    inner.write_text("[]", encoding="utf-8")
    assert before is not None and before != known.of_encoder({"name": str(tmp_path)})


def test_of_a_hubs_model_and_of_foreign_code_nothing_is_kept(tmp_path: Path) -> None:
    assert known.of_encoder({"name": "some/model"}) is None
    assert known.of_encoder({"name": str(tmp_path), "trust_remote_code": True}) is None


def test_answers_of_other_code_are_in_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = known._house()
    monkeypatch.setattr(known.provenance, "versions", lambda: {"torch": "0"})
    assert known._house() != before
    assert not (home() / "plans" / f"{known._house()}.json").exists()


def test_a_cpu_needs_no_library_to_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it raises
    monkeypatch.setattr(devices, "may_have_gpu", lambda: False)
    assert [devices.device_type(name) for name in ("cpu", "auto")] == ["cpu", "cpu"]
