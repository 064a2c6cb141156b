"""A file that no loader reads: the command that makes one of it that can be read."""

import gzip
import json
import re
import shlex
import sys
from pathlib import Path

FIRST = 100_000  # bytes that are looked at


def rewritten(path: Path) -> str:
    """What to do, judged by what the file begins with and not by how it is called."""
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_packed else path.open("rb") as file:
            text = file.read(FIRST).decode("utf-8-sig", "replace")
    except (OSError, EOFError):
        text = "\0"
    if "\0" in text:
        return "write it as CSV or Parquet by the program that made it"
    source, stem = shlex.quote(str(path)), path.with_name(path.name.split(".")[0])
    while any(stem.with_suffix(ending).exists() for ending in (".csv", ".tsv", ".parquet")):
        stem = stem.with_name(f"{stem.name}-new")
    line = text.lstrip().split("\n")[0]
    reader = "read_json" if line.startswith("[") else "read_ndjson" if _is_object(line) else ""
    if reader:
        opened = f"gzip.open({str(path)!r})" if is_packed else repr(str(path))
        expression = f"polars.{reader}({opened}).write_parquet({f'{stem}.parquet'!r})"
        words = [sys.executable, "-c", f"import gzip, polars; {expression}"]
        return f"`{shlex.join(words)}` and read {stem}.parquet"
    shown = f"{'zcat' if is_packed else 'cat'} {source}"
    if "::" in line:  # as MovieLens has it
        return _to(_named(line.split("::"), f"{shown} | sed 's/::/,/g'"), f"{stem}.csv")
    if "\t" in line:
        return _to(_named(line.split("\t"), shown, "\\t"), f"{stem}.tsv")
    if "," not in line and all(map(_is_number, line.split())):
        return _to(_named(line.split(), f"{shown} | sed -E 's/ +/,/g'"), f"{stem}.csv")
    return _to(shown, f"{stem}.csv")


def _named(fields: list[str], command: str, mark: str = ",") -> str:
    """The command, with a first line of names before what it prints where there is none: names are
    no numbers."""
    names = ("user", "item", "rating", "time")[: len(fields)]
    if len(fields) not in (2, 3, 4) or not any(map(_is_number, fields)):
        return command
    said = f"echo {','.join(names)}" if mark == "," else f"printf '{mark.join(names)}\\n'"
    return f"({said}; {command})"


def _to(command: str, path: str) -> str:
    return f"`{command} > {shlex.quote(path)}` and read {path}"


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\s*-?[\d.]+\s*", value) is not None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
