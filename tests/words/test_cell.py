"""What defines a cell: every field that can change a number is in its fingerprint, nothing else."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from coldbench.cell import Cell, Spec, code_hash, read_run, write_plan
from coldbench.errors import UserError

SPEC = Spec(
    dataset="synthetic",
    dataset_params={"n_users": 3},
    data="d",
    protocol="user-cold",
    protocol_fields={"query": 10},
    method="ridge",
    params={"tau": 1.0},
    encoder={"name": "minilm"},
    encoder_hash="e",
    seed=0,
    limit=None,
    device="cpu",
    threads=1,
    code="c",
    versions={"torch": "2"},
)
OTHER: dict[str, Any] = {
    "dataset_params": {"n_users": 4},
    "protocol_fields": {"query": 11},
    "params": {"tau": 2.0},
    "encoder": {"name": "other"},
    "seed": 1,
    "limit": 5,
    "threads": 2,
    "versions": {"torch": "3"},
}


@pytest.mark.parametrize("field", [f.name for f in fields(Spec) if f.name not in ("files", "row")])
def test_every_field_is_in_the_fingerprint(field: str) -> None:
    changed = replace(SPEC, **{field: OTHER.get(field, "another")})
    assert changed.fingerprint != SPEC.fingerprint
    assert replace(SPEC).fingerprint == SPEC.fingerprint


def test_where_a_file_lies_is_not_in_the_fingerprint() -> None:
    assert replace(SPEC, files={"path": "/home/me/a.csv"}).fingerprint == SPEC.fingerprint


def test_what_a_row_is_called_is_in_its_title_and_not_in_the_fingerprint() -> None:
    named = replace(SPEC, row="ridge:tuned")
    assert named.fingerprint == SPEC.fingerprint
    assert named.title == "synthetic user-cold ridge:tuned seed 0"


def test_the_order_of_parameters_is_not_in_the_fingerprint() -> None:
    first, other = replace(SPEC, params={"a": 1, "b": 2}), replace(SPEC, params={"b": 2, "a": 1})
    assert first.fingerprint == other.fingerprint


def test_a_comment_or_a_docstring_changes_no_code_hash_and_a_number_does(tmp_path: Path) -> None:
    path = tmp_path / "m.py"

    def hashed(text: str) -> str:
        path.write_text(text, encoding="utf-8")
        return code_hash([path])

    plain = hashed("def f(x):\n    return x + 1\n")
    assert (
        hashed('"""Says."""\n\n\ndef f(x):\n    """More."""\n    return (x + 1)  # why\n') == plain
    )
    assert hashed("def f(x):\n    return x + 2\n") != plain


def test_a_planned_cell_without_a_folder_is_missing(tmp_path: Path) -> None:
    write_plan(tmp_path, [SPEC])
    (cell,) = read_run(tmp_path)
    assert (cell.status, cell.spec, cell.timing(), cell.log()) == ("missing", SPEC, {}, "")
    assert isinstance(cell, Cell)


def test_a_folder_that_is_no_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run"):
        read_run(tmp_path)
