/* Products of items, looked up: what _kernel.py keeps of a small catalogue. */
#include "_lanes.h"

/* out (B, N, M): `plus` and what a table (n, n) has in rows `left` (B, N) and columns `right` (B, M). Returns 0, and
   does nothing, where an item is not in the table. */
int looked_up(int B, int N, int M, int n, const real *table, const int64_t *left, const int64_t *right, double plus,
              real *out)
{
    const real more = plus;
    if (!all_within(left, (size_t)B * N, n) || !all_within(right, (size_t)B * M, n)) return 0;
    for (int u = 0; u < B; u++, right += M)
        for (int i = 0; i < N; i++, out += M) {
            const real *row = table + *left++ * n;
            for (int j = 0; j < M; j++) out[j] = more + row[right[j]];
        }
    return 1;
}
