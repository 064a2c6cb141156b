"""What a run is called: one path component, said by `--name` or made from what is run."""

from collections.abc import Iterable
from hashlib import blake2b

from coldbench.errors import UserError, printable

LONGEST = 100  # bytes: a file system takes 255, and names are joined and carry endings
SHOWN = 60  # characters of a name that was made


def checked(name: str) -> str:
    """A name that a user gave, or a UserError that says what a name is."""
    wrong = _wrong(name)
    if wrong:
        shown = printable(name if len(name) <= SHOWN else f"{name[:SHOWN]}...")
        raise UserError(f"--name {shown!r} {wrong}; a name is one folder below runs/, like my-run")
    return name


def made(parts: Iterable[str], longest: int = SHOWN) -> str:
    """A name from the names of what is run: a+b. Where it would be too long its end is a hash of
    the whole, so that two different ones share no folder."""
    whole = "+".join(parts)
    name = "".join(c if printable(c) == c and c not in "/\\\n\t" else "-" for c in whole)
    name = name.replace(",", "+").replace(">", "-to-").replace(":", "-").lstrip(".- ").rstrip()
    if name and len(name) <= longest and not _wrong(name):
        return name
    digest = blake2b(whole.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    start = name.encode()[: longest - len(digest) - 1].decode(errors="ignore")
    return f"{start}-{digest}" if start else f"run-{digest}"


def _wrong(name: str) -> str:
    """What is wrong with a name; "": nothing."""
    if not name or name != name.strip():
        return "is empty, or begins or ends with a blank"
    if name.startswith((".", "-")):
        return f"begins with {name[0]!r}"
    if any(c in name for c in "/\\"):
        return "holds a path separator"
    if printable(name) != name or "\n" in name or "\t" in name:
        return "holds a character that cannot be shown"
    if len(name.encode()) > LONGEST:
        return f"has more than {LONGEST} bytes"
    return ""


def of_file(stem: str) -> str:
    """A run's name from its grid file's."""
    return made([stem], LONGEST) if _wrong(stem) else stem
