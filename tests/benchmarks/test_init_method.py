"""`coldbench init-method NAME`: a file that is right from the start."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from coldbench.cell import code_hash
from tests import console

ROOT = Path(__file__).resolve().parents[2]


def test_the_file_does_what_the_method_of_the_page_does_which_passes_every_check(
    tmp_path: Path,
) -> None:
    written = json.loads(console.coldbench(tmp_path, "init-method", "taste", "--json").stdout)
    page = (ROOT / "docs/add-a-method.md").read_text(encoding="utf-8")
    (tmp_path / "page").mkdir()
    on_page = tmp_path / "page" / written["file"]
    on_page.write_text(page.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    assert code_hash([tmp_path / written["file"]]) == code_hash([on_page])


def test_the_name_is_the_file_the_class_and_a_key_of_set(tmp_path: Path) -> None:
    assert console.coldbench(tmp_path, "init-method", "my-own").returncode == 0
    text = (tmp_path / "my_own.py").read_text(encoding="utf-8")
    assert "class MyOwn(" in text and "params.my-own.damping" in text and "NAME" not in text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("My_Own.py", "such as 'my-own'"),
        ("../x", "such as 'x'"),
        ("1", "such as 'my-method'"),
        ("ridge", "there is a method 'ridge' already"),
        ("there", "there.py is there already"),
    ],
)
def test_a_name_that_cannot_be_is_one_line_and_writes_nothing(
    tmp_path: Path, name: str, line: str, refused: Callable[..., None]
) -> None:
    (tmp_path / "there.py").write_text("mine")
    refused(tmp_path, ["init-method", name], line)
    assert [path.name for path in tmp_path.iterdir()] == ["there.py"]
    assert (tmp_path / "there.py").read_text() == "mine"
