"""MovieLens, small, of October 2016: 671 users of a film site, half stars, 20 films or more each.

Harper & Konstan, "The MovieLens Datasets: History and Context" (2015), doi:10.1145/2827872.
GroupLens's address now serves the edition of 2018 (610 users) under the same name, and keeps none
of this one: the two files have to be at hand. The free-text tags are not read: those who rated a
film wrote them.
"""

from dataclasses import dataclass

from coldbench.dataset import Dataset, File
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.interactions import Catalogue, Interactions

from ._movies import half_stars

RATINGS = File(
    "ratings.csv",
    "b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73",
    size=2_338_261,
)
MOVIES = File(
    "movies.csv", "43d1736d3c688eb5b7856473c36d86a1c345676cab256c91720c1f6984d263b5", size=449_264
)


@dataclass(frozen=True)
class MovieLensSmall(Dataset):
    domain = "video"
    licence = "non-commercial; may be passed on under the same terms"
    citation = "Harper & Konstan 2015, doi:10.1145/2827872"
    scale = (0.5, 5.0)
    like_above = 3.5  # 4 stars and more
    size = "671 users, 9,066 items, 100,004 ratings"
    files = (RATINGS, MOVIES)

    def load(self) -> tuple[Interactions, Catalogue]:
        name = "ml-latest-small"
        return from_frames(*half_stars(locate(name, RATINGS), locate(name, MOVIES)))
