"""The classification report where a class was never seen, or never predicted."""

import torch

from coldbench.metrics.compute import classification
from coldbench.metrics.predictions import rank_predictions

EXPECTED = """\
              precision    recall  f1-score   support

     dislike       0.00      0.00      0.00         0
        like       1.00      0.50      0.67         2

    accuracy                           0.50         2
   macro avg       0.50      0.25      0.33         2
weighted avg       1.00      0.50      0.67         2
"""  # of scikit-learn 1.9


def test_a_class_that_nothing_is_of_scores_nothing_as_scikit_learn_has_it() -> None:
    scores, labels = torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([[1.0, 1.0, 0.0]])
    mask = torch.tensor([[True, True, False]])
    assert classification(rank_predictions(scores, labels, mask, like_at=0.5)) == EXPECTED
