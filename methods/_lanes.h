/* Rows of hidden units, LANES at a time, and the one matrix product that small batches ask for. */
#pragma once
#include <stddef.h>
#include <string.h>

#define LANES 16
#ifdef __AVX512F__
#define ROWS 8 /* of a product at once: as many as registers hold */
#else
#define ROWS 4
#endif
typedef REAL real; /* float, or double where a rounding would decide */
typedef real lanes __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef __typeof__((lanes){0} > 0) mask;

#define EACH(j) (int j = 0; j < H; j += LANES)
#define AT(row, j) (*(lanes *)((row) + (j)))

static inline real sum(lanes x)
{
    real part[LANES];
    memcpy(part, &x, sizeof x);
    for (int n = LANES / 2; n; n /= 2)
        for (int l = 0; l < n; l++) part[l] += part[l + n];
    return part[0];
}

/* x where a unit is on, else 0; a unit that is no number stays none. */
static inline lanes where_on(lanes x, lanes unit) { return (lanes)((mask)x & ~(unit <= 0)); }

/* N rows of out = from + g a: N sums side by side, or each would wait for the one before. */
static inline __attribute__((always_inline)) void add_rows(int N, real *out, const real *from, const real *g,
                                                           const real *a, int S, int H, int down, int along)
{
    for EACH(j) {
        lanes x[ROWS];
        for (int n = 0; n < N; n++) x[n] = AT(from + n * H, j);
        for (int s = 0; s < S; s++) {
            lanes row = AT(a + (size_t)s * H, j);
            for (int n = 0; n < N; n++) x[n] += g[(size_t)n * down + (size_t)s * along] * row;
        }
        for (int n = 0; n < N; n++) AT(out + n * H, j) = x[n];
    }
}

/* out (R, H) = from + g a, with a (S, H) and g (R, S), whose numbers lie `down` and `along` apart. */
static inline void add_product(real *out, const real *from, const real *g, const real *a,
                               int R, int S, int H, int down, int along)
{
    int r = 0;
    for (; r + ROWS <= R; r += ROWS)
        add_rows(ROWS, out + r * H, from + r * H, g + (size_t)r * down, a, S, H, down, along);
    for (; r + 2 <= R; r += 2) add_rows(2, out + r * H, from + r * H, g + (size_t)r * down, a, S, H, down, along);
    if (r < R) add_rows(1, out + r * H, from + r * H, g + (size_t)r * down, a, S, H, down, along);
}
