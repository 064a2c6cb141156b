/* Gradient steps of a two-layer head, one user after the other, and the exact way back through them:
   what _inner_loop.py says in torch's operations, with a user's numbers kept in the core's first cache.

   z(x) = v' relu(W'x + b) + c. A user's own first layer is W + X'A. B users, R rows each, H units (a
   multiple of LANES: others are padded with units that are off), T steps. Arrays are in C's order. */
#include "_lanes.h"

struct problem {
    int B, R, H, T;
    int own_rates;    /* rates are (T, B, 2 H + LANES), else (T, 1, ...): first, last, bias */
    const int *moves; /* (T,) whether the first layer moves */
    double pull;
    const real *base, *gram, *offset, *labels, *weight; /* (B, R, H), (B, R, R), (B, R) three times */
    const real *first, *last, *bias;                    /* (B, R, H) or NULL: none yet, (B, H), (B, 1) */
    const real *anchor_last, *anchor_bias, *rates;
    /* Room for one user's way, before each step and at the end: (T, R, H), (T + 1, R, H) where there is
       a pull, else A where it is now, (T + 1, H), (T, R) twice, (T + 1); and for what his way back is in. */
    struct trail {
        real *hidden, *first, *last, *chance, *error, *bias;
        real *to_first, *to_hidden, *by_last, *to_logit; /* (R, H) twice, (H), (R) */
    } trail;
};

/* The step that computed the hidden units of step t: they stay while the first layer does. */
static int computed(const struct problem *p, int t)
{
    while (t && !p->moves[t - 1]) t--;
    return t;
}

/* Whether the first layer is a user's own before step t. */
static int changed(const struct problem *p, int t)
{
    int own = p->first != NULL;
    while (t--) own |= p->moves[t];
    return own;
}

static const real *rates_of(const struct problem *p, int t, int u)
{
    return p->rates + (size_t)(p->own_rates ? t * p->B + u : t) * (2 * p->H + LANES);
}

static void descend(const struct problem *p, int u)
{
    const struct trail k = p->trail;
    const int R = p->R, H = p->H;
    const size_t layer = (size_t)R * H, apart = p->pull ? layer : 0;
    const real *labels = p->labels + (size_t)u * R, *weight = p->weight + (size_t)u * R;
    const real *offset = p->offset + (size_t)u * R, *base = p->base + u * layer;
    const real *anchor_last = p->anchor_last + (size_t)u * H, pull = p->pull;
    if (p->first) memcpy(k.first, p->first + u * layer, layer * sizeof(real));
    else memset(k.first, 0, layer * sizeof(real));
    memcpy(k.last, p->last + (size_t)u * H, H * sizeof(real));
    k.bias[0] = p->bias[u];
    for (int t = 0; t < p->T; t++) {
        const real *first_rate = rates_of(p, t, u), *last_rate = first_rate + H, *bias_rate = last_rate + H;
        const real *A = k.first + t * apart, *v = k.last + t * H, c = k.bias[t];
        real *next_A = k.first + (t + 1) * apart, *hidden = k.hidden + computed(p, t) * layer;
        real *chance = k.chance + t * R, *error = k.error + t * R, to_bias = pull * (c - p->anchor_bias[u]);
        if (computed(p, t) == t) {
            int S = changed(p, t) ? R : 0;
            add_product(hidden, base, p->gram + (size_t)u * R * R, A, R, S, H, R, 1);
        }
        for (int r = 0; r < R; r++) {
            lanes z = {0};
            for EACH(j) {
                lanes unit = AT(hidden + r * H, j);
                AT(hidden + r * H, j) = unit = where_on(unit, unit);
                z += unit * AT(v, j);
            }
            chance[r] = sum(z) + offset[r] + c;
        }
        for (int r = 0; r < R; r++) chance[r] = 1 / (1 + exponential(-chance[r]));
        for (int r = 0; r < R; r++) {
            error[r] = (chance[r] - labels[r]) * weight[r];
            to_bias += error[r];
        }
        for EACH(j) {
            lanes to_last = pull * (AT(v, j) - AT(anchor_last, j)), step = AT(first_rate, j) * AT(v, j);
            for (int r = 0; r < R; r++) {
                lanes unit = AT(hidden + r * H, j), own = AT(A + r * H, j);
                to_last += error[r] * unit;
                if (p->moves[t] && pull) own *= 1 - pull * AT(first_rate, j);
                if (p->moves[t]) own -= where_on(error[r] * step, unit);
                AT(next_A + r * H, j) = own;
            }
            AT(k.last + (t + 1) * H, j) = AT(v, j) - AT(last_rate, j) * to_last;
        }
        k.bias[t + 1] = c - bias_rate[0] * to_bias;
    }
}

/* A, v and c after the steps. */
void inner_loop(const struct problem *p, real *first, real *last, real *bias)
{
    const size_t layer = (size_t)p->R * p->H;
    for (int u = 0; u < p->B; u++) {
        descend(p, u);
        memcpy(first + u * layer, p->trail.first + (p->pull ? p->T * layer : 0), layer * sizeof(real));
        memcpy(last + (size_t)u * p->H, p->trail.last + p->T * p->H, p->H * sizeof(real));
        bias[u] = p->trail.bias[p->T];
    }
}

/* The slopes of a loss in A, v and c at the end, and where those in what was given go. */
struct slopes {
    const real *from_first, *from_last, *from_bias;
    real *base, *first, *last, *bias; /* first: NULL where none was given */
    real *anchor_last, *anchor_bias, *rates; /* rates: (T, B, 2 H + LANES), or NULL */
};

static void to_rates_of_head(const struct problem *p, int u, int t, const struct slopes *to, real to_bias)
{
    const struct trail k = p->trail;
    const int R = p->R, H = p->H;
    const real *error = k.error + t * R, *hidden = k.hidden + computed(p, t) * (size_t)R * H, pull = p->pull;
    real *to_rates = to->rates + ((size_t)t * p->B + u) * (2 * H + LANES);
    real errors = pull * (k.bias[t] - p->anchor_bias[u]);
    for (int r = 0; r < R; r++) errors += error[r];
    for EACH(j) {
        lanes summed = pull * (AT(k.last + t * H, j) - AT(p->anchor_last + (size_t)u * H, j));
        for (int r = 0; r < R; r++) summed += error[r] * AT(hidden + r * H, j);
        AT(to_rates + H, j) = -AT(to->last + (size_t)u * H, j) * summed;
    }
    to_rates[2 * H] = -to_bias * errors;
}

static void ascend(const struct problem *p, int u, const struct slopes *to)
{
    const struct trail k = p->trail;
    const int R = p->R, H = p->H;
    const size_t layer = (size_t)R * H, apart = p->pull ? layer : 0;
    const real *weight = p->weight + (size_t)u * R, *gram = p->gram + (size_t)u * R * R, pull = p->pull;
    real *to_base = to->base + u * layer, *to_last = to->last + (size_t)u * H, to_bias = to->from_bias[u];
    real *to_anchor = to->anchor_last + (size_t)u * H, to_anchor_bias = 0;
    real *to_first = k.to_first, *to_hidden = k.to_hidden, *by_last = k.by_last, *to_logit = k.to_logit;
    memcpy(to_first, to->from_first + u * layer, layer * sizeof(real));
    memcpy(to_last, to->from_last + (size_t)u * H, H * sizeof(real));
    memset(to_anchor, 0, H * sizeof(real));
    memset(to_hidden, 0, layer * sizeof(real));
    memset(to_base, 0, layer * sizeof(real));
    for (int t = p->T - 1; t >= 0; t--) {
        const real *first_rate = rates_of(p, t, u), *last_rate = first_rate + H, *v = k.last + t * H;
        const real *A = k.first + t * apart, *hidden = k.hidden + computed(p, t) * layer;
        const real *error = k.error + t * R, *chance = k.chance + t * R, by_bias = last_rate[H] * to_bias;
        const int moves = p->moves[t];
        if (to->rates) to_rates_of_head(p, u, t, to, to_bias);
        for EACH(j) {
            AT(by_last, j) = AT(last_rate, j) * AT(to_last, j);
            AT(to_anchor, j) += pull * AT(by_last, j);
            AT(to_last, j) -= pull * AT(by_last, j);
        }
        to_anchor_bias += pull * by_bias;
        to_bias -= pull * by_bias;
        for (int r = 0; r < R; r++) {
            lanes z = {0};
            for EACH(j) {
                lanes unit = AT(hidden + r * H, j);
                z += unit * AT(by_last, j);
                if (moves) z += where_on(AT(to_first + r * H, j), unit) * AT(first_rate, j) * AT(v, j);
            }
            to_logit[r] = -(sum(z) + by_bias) * weight[r] * chance[r] * (1 - chance[r]);
            to_bias += to_logit[r];
        }
        for EACH(j) {
            lanes across = {0}, shrunk = {0}, last = AT(to_last, j);
            for (int r = 0; r < R; r++) {
                lanes unit = AT(hidden + r * H, j), *slope = &AT(to_first + r * H, j);
                AT(to_hidden + r * H, j) += where_on(to_logit[r] * AT(v, j) - error[r] * AT(by_last, j), unit);
                last += to_logit[r] * unit;
                if (!moves) continue;
                across += error[r] * where_on(*slope, unit);
                if (!pull) continue;
                shrunk += pull * AT(A + r * H, j) * *slope;
                *slope *= 1 - pull * AT(first_rate, j);
            }
            AT(to_last, j) = last - AT(first_rate, j) * across;
            if (to->rates) AT(to->rates + ((size_t)t * p->B + u) * (2 * H + LANES), j) = -AT(v, j) * across - shrunk;
        }
        if (computed(p, t) < t) continue; /* these units are those of the step before: one slope for both */
        for (size_t i = 0; i < layer; i += LANES) AT(to_base, i) += AT(to_hidden, i);
        if (changed(p, t)) add_product(to_first, to_first, gram, to_hidden, R, R, H, R, 1);
        memset(to_hidden, 0, layer * sizeof(real));
    }
    if (to->first) memcpy(to->first + u * layer, to_first, layer * sizeof(real));
    to->bias[u] = to_bias, to->anchor_bias[u] = to_anchor_bias;
}

/* Each user's way there is gone again: it costs less than to write it down and read it. */
void inner_loop_back(const struct problem *p, const struct slopes *to)
{
    for (int u = 0; u < p->B; u++) descend(p, u), ascend(p, u, to);
}
