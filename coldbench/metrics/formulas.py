"""The formula of each metric, with its source.

Ties are scored in expectation over random tie-breaking, exactly, so a constant measures as chance
and the order in which items are stored cannot help: McSherry & Najork, "Computing information
retrieval performance measures efficiently in the presence of tied scores" (2008).
A ranking metric reads three counts, `above`, `tied` and `candidates`: ranking the query's items and
ranking the whole catalogue are one path.

Shapes: B users, Q query items, R resamples; padding is where `mask` is False. All values are
float64. One that has no meaning for a user is NaN, not 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from coldbench.metrics.predictions import Predictions

MEMORY = 25_000_000  # float64 numbers held at a time by the pooled AUC: 200 MB
NEAR = 0.025  # of labels from 0 to 1, a tenth of a star: priors this near count as equal
NO_CUT = 1 << 62  # the k of a metric that looks at the whole list


def user_mean(values: Tensor, pred: Predictions) -> Tensor:
    """(B, Q) -> (B,) the mean over a user's items."""
    return (values * pred.mask).sum(1, dtype=torch.float64) / pred.mask.sum(1)


def ndcg(pred: Predictions, gains: Tensor, k: int) -> Tensor:
    """(B,) DCG@k / ideal DCG@k, with DCG@k = sum over ranks r <= k of gain_r / log2(1 + r).

    Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002).
    gains: (B, Q); those of the ideal order are the same, sorted.
    """
    k = min(k, int(pred.candidates.max()))
    places = torch.arange(1, k + 1, dtype=torch.float64, device=gains.device)
    discounts = 1 / torch.log2(places + 1)  # (k,)
    cumulated = torch.nn.functional.pad(discounts.cumsum(0), (1, 0))  # (k + 1,)
    first, last = pred.above.clamp(max=k), (pred.above + pred.tied).clamp(max=k)
    expected = (cumulated.take(last) - cumulated.take(first)) / pred.tied  # (B, Q)
    ideal = gains.sort(1, descending=True).values[:, :k]
    best = (ideal * discounts[: ideal.shape[1]]).sum(1)
    return (gains * expected).sum(1) / best


def auc(pred: Predictions) -> Tensor:
    """(B,) P(score of a relevant item > score of another) + P(equal) / 2, over pairs of one user.

    The Mann-Whitney U over its largest value: Hanley & McNeil, "The meaning and use of the area
    under a receiver operating characteristic (ROC) curve" (1982).
    """
    n, r = pred.candidates.double(), pred.relevant.sum(1).double()
    beaten = n[:, None] - pred.above - 0.5 * (pred.tied + 1.0).double()  # half for a tie
    wins = (beaten * pred.relevant).sum(1) - r * (r - 1) / 2  # the relevant beat one another
    return wins / (r * (n - r))


def auc_matched(pred: Predictions) -> Tensor:
    """(B,) `auc` over the pairs of a user whose items all people rate equally well: priors that are
    no further apart than NEAR. Who ranks by the priors alone has .5 where they tie; what is above
    it is what those ratings do not tell: of the user, or of the text, so read it beside the
    method's own K = 0. NaN where no pair is so near, or a whole catalogue is ranked.

    Matched pairs take a confounder out by design: Rosenbaum, "Observational Studies" (2002).
    """
    wins, pairs = (pred.scores.new_zeros(len(pred.mask)) for _ in range(2))
    if pred.prior is not None:
        others = pred.mask & ~pred.relevant & (pred.candidates == pred.mask.sum(1))[:, None]
        for like in range(pred.mask.shape[1]):  # column by column: all pairs are Q times as much
            score, prior = pred.scores[:, like, None], pred.prior[:, like, None]
            near = others & pred.relevant[:, like, None] & ((pred.prior - prior).abs() <= NEAR)
            beaten = (score > pred.scores).double() + 0.5 * (score == pred.scores)
            wins += (beaten * near).sum(1)
            pairs += near.sum(1)
    return wins / pairs


def reciprocal_rank(pred: Predictions, k: int) -> Tensor:
    """(B,) 1 / rank of the first relevant item, 0 beyond k.

    Voorhees, "The TREC-8 Question Answering Track Report" (1999).
    """
    return _first_relevant_rank(pred, k, torch.reciprocal)


def hit(pred: Predictions, k: int) -> Tensor:
    """(B,) 1 if a relevant item has rank <= k, else 0.

    Deshpande & Karypis, "Item-based top-N recommendation algorithms" (2004).
    """
    return _first_relevant_rank(pred, k, torch.ones_like)


def recall(pred: Predictions, k: int) -> Tensor:
    """(B,) |relevant with rank <= k| / |relevant|. Herlocker et al., "Evaluating collaborative
    filtering recommender systems" (2004)."""
    return _relevant_in_top(pred, k) / pred.relevant.sum(1)


def precision(pred: Predictions, k: int) -> Tensor:
    """(B,) |relevant with rank <= k| / k; 0 where nothing is relevant. Source: as recall."""
    share = _relevant_in_top(pred, k) / k
    return share.masked_fill(pred.candidates == 0, torch.nan)


def accuracy(pred: Predictions) -> Tensor:
    """(B,) the share of items with (score > like_at) = (label > like_at)."""
    return user_mean(pred.predicted_positive == pred.relevant, pred)


def accuracy_of_uniform(pred: Predictions) -> Tensor:
    """(B,) its expectation for scores uniform in 0..1: P(score > t) = 1 - t, with t = like_at."""
    return user_mean((pred.relevant.double() - pred.like_at).abs(), pred)


def mae(pred: Predictions) -> Tensor:
    """(B,) mean of |score - label|, times the width of the rating scale. Source: as recall."""
    return user_mean((pred.scores - pred.labels).abs(), pred) * pred.span


def mae_of_uniform(pred: Predictions) -> Tensor:
    """(B,) its expectation for scores uniform in 0..1: E|u - y| = (y^2 + (1 - y)^2) / 2."""
    return user_mean(pred.labels**2 + (1 - pred.labels) ** 2, pred) / 2 * pred.span


def rmse(pred: Predictions) -> Tensor:
    """(B,) root of the mean (score - label)^2, times the width of the scale. Source: as recall."""
    return user_mean((pred.scores - pred.labels) ** 2, pred).sqrt() * pred.span


def log_loss(pred: Predictions) -> Tensor:
    """(B,) mean of -y ln p - (1 - y) ln(1 - p), p the score kept 1e-7 off 0 and 1, y the label.

    Good, "Rational decisions" (1952).
    """
    p, y = pred.scores.clamp(1e-7, 1 - 1e-7), pred.labels
    return user_mean(-y * p.log() - (1 - y) * torch.log1p(-p), pred)


def log_loss_of_uniform(pred: Predictions) -> Tensor:
    """(B,) its expectation for scores uniform in 0..1: E[-ln u] = 1."""
    return user_mean(torch.ones_like(pred.labels), pred)


def auc_pooled(pred: Predictions, weights: Tensor) -> Tensor:
    """(R,) `auc` over all pairs of predictions, of whichever users; a pair of users counts by the
    product of their weights (R, B)."""
    scores, order = pred.scores[pred.mask].sort()  # (N,)
    like = pred.relevant[pred.mask][order]
    user = pred.mask.nonzero()[:, 0][order]
    first = torch.searchsorted(scores, scores[like])
    last = torch.searchsorted(scores, scores[like], right=True)
    users = weights.shape[1]
    if len(weights) > users and 4 * len(scores) * users <= MEMORY:
        return _by_pairs_of_users((like, user, first, last), weights)
    result = []
    for part in weights.split(max(1, MEMORY // max(1, 4 * len(scores)))):
        each = part[:, user]  # (r, N)
        dislikes = torch.nn.functional.pad((each * ~like).cumsum(1), (1, 0))  # (r, N + 1)
        beaten = (dislikes[:, first] + dislikes[:, last]) / 2  # half for a tie
        likes = each[:, like]
        result.append((likes * beaten).sum(1) / (likes.sum(1) * dislikes[:, -1]))
    return torch.cat(result)


def _by_pairs_of_users(ordered: tuple[Tensor, Tensor, Tensor, Tensor], weights: Tensor) -> Tensor:
    """(R,) the same where resamples are more than users: w'Mw / (w'l w'd), with M (B, B) how many
    dislikes of one user the likes of another beat. ordered: predictions by score, (N,) each, and
    for each like how many predictions are below it, and not above."""
    like, user, first, last = ordered
    users = torch.arange(weights.shape[1], device=user.device)
    own = user[:, None] == users  # (N, B)
    dislikes = torch.nn.functional.pad((own & ~like[:, None]).double().cumsum(0), (0, 0, 1, 0))
    beaten = (dislikes[first] + dislikes[last]) / 2  # (likes, B)
    wins = weights.new_zeros(len(users), len(users)).index_add_(0, user[like], beaten)
    pairs = (weights @ own[like].sum(0).double()) * (weights @ dislikes[-1])
    return ((weights @ wins) * weights).sum(1) / pairs


def f_measure(pred: Predictions, weights: Tensor, alpha: float) -> Tensor:
    """(R,) TP / (alpha |predicted positive| + (1 - alpha) |relevant|), pooled with weights (R, B).

    van Rijsbergen, "Information Retrieval" (1979), chapter 7: alpha = 1 is precision, 0 is recall,
    one half is F1.
    """
    true_positive = (pred.predicted_positive & pred.relevant).sum(1).double()
    size = alpha * pred.predicted_positive.sum(1).double() + (1 - alpha) * pred.relevant.sum(1)
    return (weights @ true_positive) / (weights @ size)


def ece(pred: Predictions, weights: Tensor) -> Tensor:
    """(R,) sum over ten equal bins b of n_b / n |mean score_b - mean label_b|, weights (R, B).

    Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning"
    (2015).
    """
    bins = (pred.scores * 10).long().clamp(0, 9)
    excess = pred.scores.new_zeros(len(bins), 10)
    excess.scatter_add_(1, bins, pred.scores - pred.labels)  # padding adds 0 - 0
    return (weights @ excess).abs().sum(1) / (weights @ pred.mask.sum(1).double())


def _first_relevant_rank(pred: Predictions, k: int, worth: Callable[[Tensor], Tensor]) -> Tensor:
    """(B,) expected worth of the rank of the first relevant item, 0 beyond k.

    The first tie group that holds relevant items has m of them among t; the chance that its first
    p places hold none is hypergeometric, (t-m)/t * (t-m-1)/(t-1) * ..., and multiplied up here.
    """
    above = pred.above.masked_fill(~pred.relevant, NO_CUT).amin(1)
    group = pred.relevant & (pred.above == above[:, None])
    m, t = group.sum(1), (pred.tied * group).amax(1)
    none = torch.ones(len(m), dtype=torch.float64, device=m.device)
    value = torch.zeros_like(none)
    for p in range(1, min(k, int(t.max())) + 1):
        still = none * (t - m - p + 1).clamp(min=0) / (t - p + 1).clamp(min=1)
        value += (none - still) * worth((above + p).double()) * (above + p <= k)
        none = still
    return value.masked_fill(m == 0, torch.nan)


def _relevant_in_top(pred: Predictions, k: int) -> Tensor:
    """(B,) expected number of relevant items with rank <= k."""
    inside = torch.minimum((k - pred.above).clamp(min=0), pred.tied).double() / pred.tied
    return (inside * pred.relevant).sum(1)
