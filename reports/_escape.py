"""Words of others, made harmless: a title or an error message is never markup or a formula."""

import re
import unicodedata
from hashlib import blake2b

import polars as pl

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"$\mathdollar$", "&": r"\&",
    "#": r"\#", "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",  # a row that begins with one would be an option of the row before
    '"': r"\texttt{\symbol{34}}", "`": r"\`{}",  # as typed, not as a closing or opening quote
    "−": "$-$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$", "≤": r"$\le$",
    "≥": r"$\ge$", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$", "°": r"$^\circ$",
    "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$",
    "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}", "\u00a0": "~",
    "Æ": r"\AE{}", "æ": r"\ae{}", "Œ": r"\OE{}", "œ": r"\oe{}", "Ø": r"\O{}", "ø": r"\o{}",
    "Ł": r"\L{}", "ł": r"\l{}", "ß": r"\ss{}", "ı": r"\i{}", "¡": "!`", "¿": "?`",
    "§": r"$\mathsection$", "£": r"$\mathsterling$",
}  # fmt: skip
_ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327\u0331",
        "` ' ^ ~ = u . \" r H v d c b".split(),
        strict=True,
    )
)
_LONG, _STEP = 30, 10  # letters of a word that may be broken, and how often


def inert(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would take for a formula gets a ' in front; numbers stay numbers."""
    text = pl.col(pl.String)
    formula = text.str.contains(r"^[=+\-@\t\r\n＝＋－＠]")  # the wide ones count in some countries
    return frame.with_columns(pl.when(formula).then("'" + text).otherwise(text).name.keep())


def latex(text: str) -> str:
    """ASCII that any LaTeX sets: what it has no sign for stands as its number, [U+1F3AC]."""
    words = one_line(unicodedata.normalize("NFC", text)).split(" ")
    return " ".join(map(_latex_word, words))


def _latex_word(word: str) -> str:
    letters = [_latex_letter(letter) for letter in word]
    for at in range(1, len(letters)):
        if word[at - 1] == word[at] and word[at] in "-',":
            letters[at] = "{}" + letters[at]  # two would become one: a dash, a closing quote
    places = [8 if letter.startswith("{[}U+") else 1 for letter in letters]
    if sum(places) <= _LONG:
        return "".join(letters)
    broken, since = "", 0
    for letter, width in zip(letters, places, strict=True):
        broken, since = broken + letter, since + width
        if since >= _STEP:
            broken, since = broken + r"\allowbreak{}", 0
    return broken


def _latex_letter(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if " " < letter <= "~":
        return letter
    base, *marks = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and len(marks) == 1 and marks[0] in _ACCENTS:
        dotless = rf"\{base}" if base in "ij" and marks[0] not in "\u0323\u0327\u0331" else base
        return rf"\{_ACCENTS[marks[0]]}{{{dotless}}}"
    return f"{{[}}U+{ord(letter):04X}]"


def markdown(text: str) -> str:
    """Everything that could be markup or HTML is shown as it is written, and what a terminal would
    obey or a file cannot hold (escapes, half a letter) is a �."""
    whole = re.sub(r"&(?=#?\w+;)", "&amp;", xml(one_line(text)))  # else &lt; would be read as <
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!$])", r"\\\1", whole)
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;")


def xml(text: str) -> str:
    """Of what neither XML nor HTML can hold (control characters, half a letter) a � is left."""
    return re.sub(r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def one_line(text: str) -> str:
    return " ".join(text.split())


def slug(text: str) -> str:
    """A name that is safe in a file name and an address, still readable, and not another's.

    What has signs other than those of a plain name, or is long, is told apart by six digits.
    """
    name = re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")
    if name and len(name) <= 60 and re.fullmatch(r"[\w.,:+=()@ -]+", text, re.ASCII):
        return name
    digits = blake2b(text.encode(errors="backslashreplace"), digest_size=3).hexdigest()
    return f"{name[:60].strip('-')}-{digits}".lstrip("-")
