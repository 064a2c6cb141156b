"""MovieTweetings: ratings from 0 to 10 of films, as users of IMDb posted them on Twitter from 2013.

Dooms, De Pessemier & Martens, "MovieTweetings: a Movie Rating Dataset Collected From Twitter"
(2013), CrowdRec workshop. The latest edition, which has grown since; its hash is written down at
the first download. Written to the published README, and tested on made-up files of that form: the
original was not at hand.
"""

from dataclasses import dataclass

from coldbench.dataset import Dataset, File
from coldbench.files.delimited import Table, read
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column
from coldbench.interactions import Catalogue, Interactions

from ._movies import items_of, read_log

LATEST = "https://raw.githubusercontent.com/sidooms/MovieTweetings/master/latest/"
RATINGS = File("ratings.dat", urls=(LATEST + "ratings.dat",))
MOVIES = File("movies.dat", urls=(LATEST + "movies.dat",))


@dataclass(frozen=True)
class MovieTweetings(Dataset):
    domain = "video"
    licence = "MIT, with the citation"
    citation = "Dooms, De Pessemier & Martens 2013, github.com/sidooms/MovieTweetings"
    scale = (0.0, 10.0)
    like_above = 7.5  # 8 and more
    size = "some 900,000 ratings"
    files = (RATINGS, MOVIES)

    def load(self) -> tuple[Interactions, Catalogue]:
        points = Column("rating", "whole", *self.scale)
        log = read_log(locate("movietweetings", RATINGS), "::", points)
        columns = (Column("item", "id"), Column("title"), Column("genres"))
        films = read(Table(columns, "::", header=False), locate("movietweetings", MOVIES))
        genres = ([genre for genre in row.split("|") if genre] for row in films["genres"])
        return from_frames(log, items_of(films["item"], films["title"], genres))
