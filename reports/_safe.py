"""Words of others, made harmless: a title or an error message is never markup or a formula."""

import re

import polars as pl

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "≤": r"$\le$", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
}  # fmt: skip


def inert(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would take for a formula gets a ' in front; numbers stay numbers."""
    text = pl.col(pl.String)
    return frame.with_columns(
        pl.when(text.str.contains(r"^[=+\-@\t\r]")).then("'" + text).otherwise(text).name.keep()
    )


def latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def markdown(text: str) -> str:
    """Everything that could be markup or HTML is shown as it is written."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!$])", r"\\\1", one_line(text))
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("&amp", "&amp;amp")


def one_line(text: str) -> str:
    return " ".join(text.split())


def slug(text: str) -> str:
    """A name that is safe in a file name and an address, and still readable."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-") or "unnamed"
