"""MovieLens 100K with the plot of each film as its text, as the Open Movie Database tells it.

The log is ml-100k's: Harper & Konstan (2015), doi:10.1145/2827872. The plots are OMDb's records
(https://www.omdbapi.com) by the film's number. 11 of 1,682 films have no plot and keep title and
genres; a handful have that of another film of the same name. The records hold the ratings of three
sites too: they are not read, since they would tell what others thought of a film.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from coldbench.dataset import Dataset, File
from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.delimited import content_of
from coldbench.files.locate import locate
from coldbench.interactions import Catalogue, Interactions

from ._movies import line
from .ml_100k import MovieLens100K

PLOTS = File(
    "ml-100k_omdb_metadata.json",
    "5fa2b08d7efb1e5ed6204d5d81b4eb4104dc1fc026949a2d2c1c284529517f24",
    size=1_877_723,
)
NO_PLOT = ("", "N/A")


@dataclass(frozen=True)
class MovieLens100KPlots(Dataset):
    domain = "video"
    licence = "plots: none stated, local only; log: research use, no redistribution"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872; OMDb, omdbapi.com"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "943 users, 1,682 items, 100,000 ratings"
    files = (PLOTS,)

    def load(self) -> tuple[Interactions, Catalogue]:
        plots = read_plots(locate("ml-100k-plots", PLOTS))
        log, films = MovieLens100K().load()
        text = (plots.get(film, line) for film, line in zip(films.ids, films.text, strict=True))
        return log, replace(films, text=tuple(text))


def read_plots(path: Path) -> dict[str, str]:
    """A film's number -> "title (year): plot", from a list of [[number, title, imdb], {record}]."""
    try:
        records = json.loads(content_of(path).decode("utf-8"))
        json.dumps(records, ensure_ascii=False).encode()  # JSON can spell letters that are none
    except json.JSONDecodeError as error:
        value = error.doc[error.pos : error.pos + 20]
        place = (str(path), error.lineno, error.colno, value)
        raise BadFile([Problem(*place, f"JSON ({error.msg})", "get the file again")]) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no sound JSON ({error}); fix: get the file again") from None
    if not isinstance(records, list):
        raise UserError(f"{path}: holds one {type(records).__name__}, expected a list of records")
    text = {}
    for number, record in enumerate(records, 1):
        match record:
            case [[int(film), str(title), _], {"Plot": str(plot)}]:
                if plot.strip() not in NO_PLOT:
                    text[str(film)] = f"{line(title)}: {' '.join(plot.split())}"
            case _:
                raise UserError(
                    f"{path}: record {number} is {str(record)[:60]!r}, expected [[number, title, "
                    'imdb], {..., "Plot": text}]; fix: get the file again'
                )
    return text
