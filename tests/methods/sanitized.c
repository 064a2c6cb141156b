/* Every function of methods/*.c on problems of many sizes, for a compiler's checks of memory: ends with "done" and nothing else. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "_inner_loop.c"
#include "_head.c"
#include "_kernel.c"

static real *lot(size_t n) /* its own block, so that a step beside it is seen */
{
    real *x = malloc(n * sizeof(real));
    for (size_t i = 0; i < n; i++) x[i] = (real)rand() / RAND_MAX - (real).5;
    return x;
}

static void once(int B, int R, int T, int H, int pull, int own, int begun)
{
    const int moves[] = {own, 1, 0, 0, 1}, Q = R + 1, n = 7, wide = 2 * H + LANES;
    struct problem p = {
        B, R, H, T, own, moves, pull * .3,
        lot(B * R * H), lot(B * R * R), lot(B * R), lot(B * R), lot(B * R),
        begun ? lot(B * R * H) : NULL, lot(B * H), lot(B), lot(B * H), lot(B), lot(T * (own ? B : 1) * wide),
        {lot(T * R * H), lot((pull ? T + 1 : 1) * R * H), lot((T + 1) * H), lot(T * R), lot(T * R), lot(T + 1),
         lot(R * H), lot(R * H), lot(H), lot(R)},
    };
    real *first = lot(B * R * H), *last = lot(B * H), *bias = lot(B);
    struct slopes to = {
        first, last, bias, lot(B * R * H), begun ? lot(B * R * H) : NULL, lot(B * H), lot(B), lot(B * H), lot(B),
        own ? lot(T * B * wide) : NULL,
    };
    int64_t *items = malloc(B * Q * sizeof(int64_t));
    for (int i = 0; i < B * Q; i++) items[i] = rand() % n;
    struct asked q = {B, Q, R, H, n, lot(n * H), items, lot(B * Q * R), first, last, bias, lot(Q * H), lot(Q * H)};
    inner_loop(&p, first, last, bias);
    inner_loop_back(&p, &to);
    if (!logits(&q, lot(B * Q)) || !looked_up(B, Q, Q, n, lot(n * n), items, items, 1, lot(B * Q * Q))) abort();
    logits_back(&q, lot(B * Q), lot(n * H), lot(B * R * H), lot(B * H));
    for (int wrong = -1; wrong <= n; wrong += n + 1) {
        items[B * Q - 1] = wrong;
        if (logits(&q, lot(B * Q)) || looked_up(B, Q, Q, n, lot(n * n), items, items, 1, lot(B * Q * Q))) abort();
    }
}

static void powers_of_e(void)
{
    for (real x = -LARGE; x <= LARGE; x += (real).01)
        if (!(fabs(exponential(x) / exp((double)x) - 1) < 2 * FLT_EPSILON)) abort();
    if (exponential(0) != 1 || exponential(INFINITY) != exponential(LARGE) || exponential(-INFINITY) > FLT_MIN * 2) abort();
    if (!isnan(exponential(NAN)) || 1 + exponential(-INFINITY) != 1) abort();
}

int main(void)
{
    powers_of_e();
    for (int R = 0; R < 19; R++)
        for (int T = 0; T <= 5; T++)
            for (int flags = 0; flags < 8; flags++) once(3, R, T, 32, flags & 1, flags >> 1 & 1, flags >> 2);
    puts("done");
}
