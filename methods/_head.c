/* What users' heads make of items: _head.py's logits, one user after the other. */
#include "_lanes.h"

/* Q items asked of each of B users: rows `items` (B, Q) of a table (n, H) of x'W + b, their products
   (B, Q, R) with what was learnt from, and the users' heads. */
struct asked {
    int B, Q, R, H, n;
    const real *table;
    const int64_t *items;
    const real *products, *first, *last, *bias;
    real *hidden, *to_hidden; /* (Q, H) room for one user */
};

static void units_of(const struct asked *q, int u)
{
    const int Q = q->Q, R = q->R, H = q->H;
    real *hidden = q->hidden;
    for (int i = 0; i < Q; i++) {
        const real *row = q->table + q->items[(size_t)u * Q + i] * H;
        memcpy(hidden + (size_t)i * H, row, H * sizeof(real));
    }
    add_product(hidden, hidden, q->products + (size_t)u * Q * R, q->first + (size_t)u * R * H, Q, R, H, R, 1);
    for (size_t i = 0; i < (size_t)Q * H; i += LANES) AT(hidden, i) = where_on(AT(hidden, i), AT(hidden, i));
}

/* (B, Q) log-odds. Returns 0, and does nothing, where an item is not in the table. */
int logits(const struct asked *q, real *out)
{
    const int Q = q->Q, H = q->H;
    if (!all_within(q->items, (size_t)q->B * Q, q->n)) return 0;
    for (int u = 0; u < q->B; u++) {
        const real *v = q->last + (size_t)u * H;
        units_of(q, u);
        for (int i = 0; i < Q; i++) {
            lanes z = {0};
            for EACH(j) z += AT(q->hidden + (size_t)i * H, j) * AT(v, j);
            out[(size_t)u * Q + i] = sum(z) + q->bias[u];
        }
    }
    return 1;
}

/* slope (B, Q) in the log-odds -> slopes in the table (n, H), the users' A and v; the table's zeros on entry. */
void logits_back(const struct asked *q, const real *slope, real *to_table, real *to_first, real *to_last)
{
    const int Q = q->Q, R = q->R, H = q->H;
    for (int u = 0; u < q->B; u++) {
        const real *v = q->last + (size_t)u * H;
        real *to_A = to_first + (size_t)u * R * H, *to_v = to_last + (size_t)u * H;
        memset(to_A, 0, (size_t)R * H * sizeof(real)), memset(to_v, 0, H * sizeof(real));
        units_of(q, u);
        for (int i = 0; i < Q; i++) {
            const real *h = q->hidden + (size_t)i * H;
            real *to_h = q->to_hidden + (size_t)i * H, *row = to_table + q->items[(size_t)u * Q + i] * H;
            real s = slope[(size_t)u * Q + i];
            for EACH(j) {
                AT(to_v, j) += s * AT(h, j);
                AT(to_h, j) = where_on(s * AT(v, j), AT(h, j));
                AT(row, j) += AT(to_h, j);
            }
        }
        add_product(to_A, to_A, q->products + (size_t)u * Q * R, q->to_hidden, R, Q, H, 1, R);
    }
}
