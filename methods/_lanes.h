/* Rows of hidden units, LANES at a time, and the one matrix product that small batches ask for. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#ifdef __AVX512F__
#define ROWS 8 /* of a product at once: as many as registers hold */
#else
#define ROWS 4
#endif
typedef REAL real; /* float, or double where a rounding would decide */
#define FLOAT (sizeof(real) == 4)
typedef __typeof__(__builtin_choose_expr(FLOAT, (uint32_t)0, (uint64_t)0)) bits;
#define DIGITS (FLOAT ? 23 : 52)     /* of a number, behind its exponent */
#define EXPONENT (FLOAT ? 127 : 1023) /* as it is written where it is 0 */
#define LARGE (FLOAT ? 87 : 708)      /* e^x is still a number there */
#define TERMS (FLOAT ? 7 : 13)
#define ROUNDS ((real)(FLOAT ? 0x1.8p23 : 0x1.8p52)) /* what is added to it has no fraction left */
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

/* Whether all of these are rows of a table of n. */
static inline int all_within(const int64_t *items, size_t many, int n)
{
    int within = 1;
    for (size_t i = 0; i < many; i++) within &= items[i] >= 0 && items[i] < n;
    return within;
}

/* x where a unit is on, else 0; a unit that is no number stays none. */
static inline lanes where_on(lanes x, lanes unit) { return (lanes)((mask)x & ~(unit <= 0)); }

/* e^x to its last digit or two, of as many numbers at once as a loop holds, where exp is called for each: 2^n e^r with n
   whole, and of e^r's series what is not below the last digit. Beyond +-LARGE it stays; no number stays none. */
static inline real exponential(real x)
{
    real beyond = x > LARGE ? LARGE : x < -LARGE ? -LARGE : x;
    real raised = beyond * (real)1.4426950408889634 + ROUNDS, n = raised - ROUNDS, scale, e = 1;
    real r = beyond - n * (real)0.693145751953125 - n * (real)1.4286068203094172e-6; /* ln 2 in two parts */
    for (int k = TERMS; k; k--) e = 1 + r * e * (real)(1.0 / k);
    bits power;
    memcpy(&power, &raised, sizeof power);
    power = (power + EXPONENT) << DIGITS;
    memcpy(&scale, &power, sizeof scale);
    return e * scale;
}

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
