"""MovieLens 32M: 200,948 users of a film site in 1995 to 2023, half stars, 20 films or more each.

Harper & Konstan, "The MovieLens Datasets: History and Context" (2015), doi:10.1145/2827872. Only
rated films count. Written to the published description, and tested on made-up files of that form:
the original was not at hand.
"""

from dataclasses import dataclass

from coldbench.dataset import Dataset, File
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.interactions import Catalogue, Interactions

from ._movies import half_stars

ZIP = File(
    "ml-32m.zip",
    md5="d472be332d4daa821edc399621853b57",
    urls=("https://files.grouplens.org/datasets/movielens/ml-32m.zip",),
)
RATINGS = File("ratings.csv", archive=ZIP, inside="ml-32m/ratings.csv")
MOVIES = File("movies.csv", archive=ZIP, inside="ml-32m/movies.csv")


@dataclass(frozen=True)
class MovieLens32M(Dataset):
    domain = "video"
    licence = "research use, no redistribution"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872"
    scale = (0.5, 5.0)
    like_above = 3.5  # 4 stars and more
    size = "200,948 users, 84,432 items, 32,000,204 ratings"
    files = (RATINGS, MOVIES)

    def load(self) -> tuple[Interactions, Catalogue]:
        return from_frames(*half_stars(locate("ml-32m", RATINGS), locate("ml-32m", MOVIES)))
