"""The strict reader: reading at once and value by value are one reading, and nothing bends."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench.errors import BadFile
from coldbench.files import delimited
from coldbench.files.delimited import Table, problems, read
from coldbench.files.rows import BOM
from coldbench.files.schema import Column
from coldbench.interactions import SECOND
from tests.readings import same_reading

COLUMNS = (
    Column("user", "id"),
    Column("item", "whole", 0),
    Column("rating", "number", 1, 5),
    Column("time", "time"),
    Column("title", "text"),
)
TABLES = {
    "comma": Table(COLUMNS),
    "quoted": Table(COLUMNS, quoted=True),
    "colons": Table(COLUMNS, "::", header=False),
    "tabs, latin-1, dates": Table(
        (
            Column("user", "id"),
            Column("time", "time", unit="%m/%d/%Y"),
            Column("year", "number", empty=True),
        ),
        "\t",
        encoding="latin-1",
    ),
}  # fmt: skip
ODD = [
    "", "nan", "inf", "1e400", "-1", " 3", "3 ", "\t2", "+2", ".5", "5.", "1_0", "0x1", "007",
    "99999999999999999999", "1260759144000", "1/2/2020", "02/30/2020", "é", "\n", "\r\n", "\r",
    "\0", "1.0", ",", "::", "\x1f", "１", "\xa01", '"', '"a,b"', '"a""b"', '"a\nb"', 'a"b',
]  # fmt: skip
LETTERS = st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])


@st.composite
def files(draw: st.DrawFn) -> tuple[Table, bytes]:
    """Files that are nearly right: some rows have a value, a field or a line bent."""
    table = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    sound = {"user": "u7", "item": "12", "rating": "4.5", "time": "1260759144", "title": "A film"}
    dated = {"user": "u7", "time": "01/31/2020", "year": ""}
    row = [(dated if len(table.columns) == 3 else sound)[column.name] for column in table.columns]
    lines = [table.separator.join(column.name for column in table.columns)] * table.header
    for _ in range(draw(st.integers(0, 4))):
        fields = list(row)
        match draw(st.integers(0, 5)):
            case 0:
                fields[draw(st.integers(0, len(row) - 1))] = draw(st.sampled_from(ODD))
            case 1:
                fields[draw(st.integers(0, len(row) - 1))] = draw(st.text(max_size=5))
            case 2:
                fields = fields[: draw(st.integers(1, len(row)))]
                fields += draw(st.lists(st.sampled_from(ODD), max_size=2))
        lines.append(table.separator.join(fields))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join(lines) + draw(st.sampled_from(["", end, end + end]))
    content = draw(st.sampled_from([b"", BOM])) + text.encode("utf-8", "surrogatepass")
    return table, content + draw(st.sampled_from([b"", b"", b"", b"\xff"]))


@settings(max_examples=500, deadline=None)
@given(files(), st.sampled_from([1, 20, 60, 10_000]))
def test_blocks_in_whole_columns_and_a_file_value_by_value_are_the_same_reading(
    given: tuple[Table, bytes], size: int
) -> None:
    same_reading(*given, size)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z_][\w-]{0,8}", fullmatch=True),
            st.integers(0, 2**40),
            st.floats(1, 5),
            st.integers(0, 4 * 10**9),
            st.text(LETTERS, max_size=12),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_what_is_read(rows: list[tuple[object, ...]], end: str) -> None:
    def quoted(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    rows = [(u, i, r, t, str(x).strip("\n")) for u, i, r, t, x in rows]
    rows = [r for r in rows if str(r[0]).lower() not in ("nan", "null", "none", "inf")] or [
        ("u", 1, 2.0, 3, "x")
    ]
    lines = [",".join(c.name for c in COLUMNS), *(",".join(map(quoted, row)) for row in rows)]
    frame = read(TABLES["quoted"], Path("f"), (end.join(lines) + end).encode())
    expected = [
        (*row[:3], row[3] * SECOND, str(row[4]).replace("\r\n", "\n"))  # type: ignore[operator]
        for row in rows
    ]
    assert frame.rows() == expected


def test_a_separator_inside_quotes_is_a_part_of_the_value() -> None:
    content = b'user,item,rating,time,title\nu1,1,5,0,"Up, up ""and"" away"\n'
    assert read(TABLES["quoted"], Path("f"), content)["title"].to_list() == ['Up, up "and" away']


def test_a_file_with_every_value_in_quotes_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "closely", None)
    content = b'"user","item","rating","time","title"\n"u1","1","5","0",""\n"u2",2,"1",0,"a b"\n'
    expected = [("u1", 1, 5.0, 0, ""), ("u2", 2, 1.0, 0, "a b")]
    assert read(TABLES["quoted"], Path("f"), content).rows() == expected


def test_without_quoting_a_quote_is_a_letter() -> None:
    content = b'user,item,rating,time,title\nu1,1,5,0,"Up\n'
    assert read(TABLES["comma"], Path("f"), content)["title"].to_list() == ['"Up']


def test_columns_may_stand_in_any_order_with_others_between() -> None:
    content = b"title,x,time,rating,item,user\nUp,,0,5,1,u1\n"
    assert read(TABLES["comma"], Path("f"), content).rows() == [("u1", 1, 5.0, 0, "Up")]


def test_large_files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "closely", None)
    rows = pl.DataFrame({"user": range(9), "item": range(9), "rating": 5, "time": 0, "title": "é"})
    assert read(TABLES["comma"], Path("f"), rows.write_csv().encode()).height == 9


def test_a_date_is_read_in_utc() -> None:
    table = TABLES["tabs, latin-1, dates"]
    content = "user\ttime\tyear\né\t01/31/2020\t\n".encode("latin-1")
    assert read(table, Path("f"), content).rows() == [("é", 1580428800 * SECOND, None)]


def test_every_problem_is_told_in_order_and_the_error_says_how_many_more() -> None:
    content = b"user,item,rating,time,title\nu1,1,9,0,a\nu1,x,5,-1,a\nu1,1,5\n"
    all_problems = problems(TABLES["comma"], Path("f.csv"), content)
    assert [(p.line, p.column) for p in all_problems] == [(2, 6), (3, 4), (3, 8), (4, 6)]
    with pytest.raises(BadFile) as error:
        read(TABLES["comma"], Path("f.csv"), content)
    assert str(error.value) == (
        "f.csv:2:6: value '9', expected a number from 1 to 5; fix: mend the value "
        "(and 3 more: coldbench validate)"
    )


def test_the_place_in_a_row_of_several_lines_is_that_of_the_value() -> None:
    content = b'title,user,item,rating,time\n"two\nlines, here",u1,1,0,0\n'
    all_problems = problems(TABLES["quoted"], Path("f"), content)
    assert [(p.line, p.column, p.value) for p in all_problems] == [(3, 19, "0")]


def test_an_unclosed_quote_is_told_where_it_opens_and_later_lines_are_still_checked() -> None:
    content = b'user,item,rating,time,title\nu1,1,5,0,"open\nu1,1,7,0,b\n'
    all_problems = problems(TABLES["quoted"], Path("f"), content)
    assert [(p.line, p.column) for p in all_problems] == [(2, 10), (3, 6)]
