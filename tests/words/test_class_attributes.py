"""What `coldbench list` says of a class is what the class says, and no file is imported for it."""

from pathlib import Path
from typing import Any, get_origin

import pytest

from coldbench import registry
from coldbench.class_attributes import attributes
from coldbench.method import Method

FLAGS = [
    name
    for name, kind in Method.__annotations__.items()
    if str(get_origin(kind)) == "typing.ClassVar" and name not in ("exempt", "learnt_before")
]
BASE = """
class Base(Method):
    family = "mine"
    grows: ClassVar[bool] = True
    steps: int = 3
    space: ClassVar[Space] = {"a": (0, 1)}
"""
HEIR = """
from ._base import Base as Above

class Heir(Above[int]):
    adapts = False
    space = Above.space | {"b": (1, 2)}
"""


@pytest.mark.parametrize("name", registry.names("methods"))
def test_what_is_listed_of_a_method_is_what_its_class_says(name: str) -> None:
    listed, method = registry.entry("methods", name).attributes, registry.find("methods", name)
    wrong = [
        flag for flag in FLAGS if listed.get(flag, getattr(Method, flag)) != getattr(method, flag)
    ]
    assert not wrong


def heir(folder: Path, text: str = HEIR) -> dict[str, Any]:
    (folder / "_base.py").write_text(BASE, encoding="utf-8")
    (folder / "heir.py").write_text(text, encoding="utf-8")
    return attributes(folder / "heir.py")


def test_a_value_is_inherited_from_a_file_beside_and_a_field_is_none(tmp_path: Path) -> None:
    space = {"a": (0, 1), "b": (1, 2)}
    assert heir(tmp_path) == {"family": "mine", "grows": True, "adapts": False, "space": space}


def test_a_value_that_cannot_be_read_hides_the_inherited_one(tmp_path: Path) -> None:
    assert "family" not in heir(tmp_path, HEIR + "    family = named()\n")


def test_a_class_above_itself_is_an_entry_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_heir.py").write_text("class A(A):\n    family = 'x'\n", encoding="utf-8")
    monkeypatch.setattr(registry, "_included", {})
    name = registry.include(tmp_path / "own_heir.py")
    assert registry.entry("methods", name).summary.startswith("cannot be read")
