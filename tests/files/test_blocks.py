"""A table that is read in blocks is the same table, whatever the size of a block."""

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench import in_turn
from coldbench.errors import UserError
from coldbench.files.delimited import Table, problems, read
from coldbench.files.frames import from_frames
from coldbench.files.schema import Column, whole_numbers
from coldbench.interactions import Catalogue, Interactions
from tests.readings import same_reading

delimited: Any = import_module("coldbench.files.delimited")
IDS = [
    "0", "7", "007", "+7", "-7", "٧", "1_0", "12.0", " 7", "a", "9" * 19, "9223372036854775807",
    "9223372036854775808", "4294967295", "4294967296", "100", "99",
]  # fmt: skip
TABLE = Table((Column("user", "id", many=True), Column("item", "id"), Column("title")))
QUOTED = Table(TABLE.columns, quoted=True)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from(IDS)] * 2, st.sampled_from(["", "é", '"a b"', "\ufeff"]))),
    st.integers(1, 60),
    st.sampled_from([TABLE, QUOTED]),
)
def test_blocks_of_any_size_are_read_as_value_by_value(
    rows: list[tuple[str, ...]], size: int, table: Table
) -> None:
    content = "\n".join(["user,item,title", *map(",".join, rows)]).encode()
    if not same_reading(table, content, size):
        assert isinstance(read(table, Path("f"), content)["user"].dtype, pl.Enum)


@pytest.mark.parametrize("ids", [["0", "9", "10"], ["4294967296", "3"], ["9223372036854775807"]])
def test_numbers_as_programs_write_them_are_ids_without_a_look(ids: list[str]) -> None:
    numbers = whole_numbers(pl.Series(ids))
    assert numbers is not None
    assert [str(number) for number in numbers] == ids


@pytest.mark.parametrize("odd", ["007", "+7", "-7", "a", "", "1_0", "9223372036854775808", "7 "])
def test_what_is_written_otherwise_is_no_number(odd: str) -> None:
    assert whole_numbers(pl.Series(["7", odd])) is None


def test_a_line_at_a_blocks_end_is_named_as_in_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", "8")
    path = tmp_path / "log.csv"
    path.write_text("user,item,title\n1,1,a\n2,2,b\n3,3\n4,4,d\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"log\.csv:4:3: value '3', expected 3 fields, found 2"):
        read(TABLE, path)


RATED = Table((Column("user", "id", many=True), Column("rating", "number", 1, 5)), quoted=True)


def rated(rows: int, bad: dict[int, str]) -> bytes:
    """A file of equal lines, eight bytes each, but for some ratings by their lines."""
    lines = [f"{1000 + line},{bad.get(line, '3')}" for line in range(2, rows + 2)]
    return "\n".join(["user,rating", *lines, ""]).encode()


def test_a_bad_value_is_told_at_its_block_and_no_other_is_read_value_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", "70")  # ten lines
    read_closely, read_at_once = list[int](), list[bytes]()
    closely, block = delimited.closely, delimited._block

    def counted(columns: Any, names: Any, rows: Any, path: str, *, whole: bool) -> Any:
        rows = [*rows]
        read_closely.extend(row.line for row in rows)
        return closely(columns, names, iter(rows), path, whole=whole)

    def seen(table: Table, names: list[str], content: bytes) -> pl.DataFrame | None:
        read_at_once.append(content)
        return block(table, names, content)

    monkeypatch.setattr(delimited, "closely", counted)
    monkeypatch.setattr(delimited, "_block", seen)
    content = rated(1000, {345: "9", 347: "8", 352: "7"})
    with pytest.raises(UserError) as error:
        read(RATED, Path("f"), content)
    assert str(error.value) == (
        "f:345:6: value '9', expected a number from 1 to 5; fix: mend the value "
        "(and 1 more, unread from line 352 on: coldbench validate)"
    )
    assert read_closely == [*range(342, 352)]
    assert len(read_at_once) <= 35 + 1 + in_turn.AT_ONCE  # few ahead of the one that is bad


def test_all_that_is_wrong_is_told_and_sound_blocks_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", "70")
    content = rated(1000, {345: "9", 346: "8", 352: "7", 1001: "x"})
    assert [p.line for p in problems(RATED, Path("f"), content)] == [345, 346, 352, 1001]


def test_an_error_in_the_last_block_leaves_nothing_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", "70")
    with pytest.raises(UserError, match=r"fix: mend the value$"):
        read(RATED, Path("f"), rated(40, {41: "9"}))
    with pytest.raises(UserError, match=r"value \(unread from line 32 on: coldbench validate\)$"):
        read(RATED, Path("f"), rated(40, {31: "9"}))


def test_a_value_that_goes_on_in_the_next_block_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", "1")
    content = b'user,item,title\n1,1,"a\n\nb"\n2,2,"c\nd"\n3,3,e\n\n\n'
    assert read(QUOTED, Path("f"), content)["title"].to_list() == ["a\n\nb", "c\nd", "e"]


@pytest.mark.parametrize("size", ["0", "-1", "16MB", ""])
def test_a_size_of_block_that_is_no_number_is_an_error(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_BLOCK", size)
    with pytest.raises(UserError, match="COLDBENCH_BLOCK"):
        read(TABLE, Path("f"), b"user,item,title\n1,1,a\n")


def test_an_item_of_which_no_row_is_left_need_not_be_among_the_items(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\n1,7\n1,8\n2,7\n", encoding="utf-8")
    log = read(Table(tuple(Column(name, "id", many=True) for name in ("user", "item"))), path)
    log = log.filter(pl.col("item") == "7").with_columns(rating=pl.lit(1.0))
    found, catalogue = from_frames(log, pl.DataFrame({"item": ["7"], "text": ["a"]}))
    assert (found.n_users, found.items.tolist(), catalogue.ids) == (2, [0, 0], ("7",))


def test_a_log_of_numbers_of_text_and_of_both_is_the_same_log(tmp_path: Path) -> None:
    columns = tuple(Column(name, "id", many=True) for name in ("user", "item"))
    logs: list[tuple[Interactions, Catalogue]] = []
    for form in ("{}", "u{:03}", "{}", "u{:03}"):
        path = tmp_path / "log.csv"
        rows = [(form.format(n % 7), form.format(n % 5)) for n in range(30)]
        path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in rows), encoding="utf-8")
        plain = len(logs) > 1
        table = Table(tuple(Column(c.name, "id", many=not plain) for c in columns))
        log = read(table, path).with_columns(rating=pl.lit(1.0))
        ids = log["item"].unique().cast(pl.String).sort()
        logs.append(from_frames(log, pl.DataFrame({"item": ids, "text": ids})))
    assert len({log.hash() for log, _ in logs}) == 1
    assert logs[0][1].ids == logs[2][1].ids
