"""MovieLens 1M: 6,040 users of a film site in 2000 to 2003, whole stars, 20 films or more each.

Harper & Konstan, "The MovieLens Datasets: History and Context" (2015), doi:10.1145/2827872.
Fields are set apart by `::`, titles are in Latin-1; of 3,883 films 3,706 were rated. Ages, trades
and post codes of the users are not read. Written to the published description, and tested on
made-up files of that form: the original was not at hand.
"""

from dataclasses import dataclass

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._movies import STARS, items_of, read_log

ZIP = File.at(
    "https://files.grouplens.org/datasets/movielens/",
    "ml-1m.zip",
    "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
)
RATINGS = File("ratings.dat", archive=ZIP, inside="ml-1m/ratings.dat")
MOVIES = File("movies.dat", archive=ZIP, inside="ml-1m/movies.dat")


@dataclass(frozen=True)
class MovieLens1M(Dataset):
    domain = "video"
    licence = "research use, no redistribution"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872"
    scale = (1.0, 5.0)
    like_above = 3.5  # 4 and 5 stars
    size = "6,040 users, 3,706 items, 1,000,209 ratings"
    files = (RATINGS, MOVIES)

    def load(self) -> tuple[Interactions, Catalogue]:
        log = read_log(locate("ml-1m", RATINGS), "::", STARS)
        columns = (Column("item", "id"), Column("title"), Column("genres"))
        table = Table(columns, "::", header=False, encoding="latin-1")
        films = read(table, locate("ml-1m", MOVIES))
        genres = ([genre for genre in row.split("|") if genre] for row in films["genres"])
        return from_frames(log, items_of(films["item"], films["title"], genres))
