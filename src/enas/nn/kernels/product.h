/* Products of pixels with a small matrix: 1x1 convolutions of numbers that are in the first or second cache. */
#ifndef ENAS_PRODUCT_H
#define ENAS_PRODUCT_H

#include "vector.h"

/* Pixels or channels at a time: with two vectors for each they leave registers for what is multiplied. */
enum { BLOCK = MANY_REGISTERS ? 8 : 6, MOST = MANY_REGISTERS ? 3 : 2 };

/* Two places from which numbers are needed soon: they are fetched, a line of 16 at a time and from both in turns, while others are
   multiplied, which is when memory has nothing to do. */
typedef struct {
    const float *one, *other;
} Ahead;

static inline const float *fetch_next(Ahead *ahead, long lines) {
    const float *now = ahead->one;
    *ahead = (Ahead){ahead->other, now + 16 * lines};
    return now;
}

/* y[pixel][lanes] = or += sum over c of x[pixel][c] * w[c][lanes], for `n` pixels and `m` vectors. */
static inline __attribute__((always_inline)) void multiply_block(const float *x, long x_step, const float *w, long w_step,
                                                                 long channels, int add, float *y, const float *ahead,
                                                                 const int n, const int m) {
    vec sum[24];
#pragma GCC unroll 24
    for (int k = 0; k < n * m; k++) sum[k] = add ? load(y + k / m * w_step + k % m * LANES) : (vec){0};
    for (long c = 0; c < channels; c++) {
        __builtin_prefetch(ahead + 16 * c, 0, 2);
        vec row[3];
#pragma GCC unroll 3
        for (int v = 0; v < m; v++) row[v] = load(w + c * w_step + v * LANES);
#pragma GCC unroll 8
        for (int p = 0; p < n; p++)
#pragma GCC unroll 3
            for (int v = 0; v < m; v++) sum[p * m + v] += x[p * x_step + c] * row[v];
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
#pragma GCC unroll 3
        for (int v = 0; v < m; v++) store(y + p * w_step + v * LANES, sum[p * m + v]);
}

/* y = or += x w: pixels x of `step` numbers, of which `channels` count, w[channels][lanes] and padded pixels y of `lanes`, a
   multiple of LANES. */
static void multiply(const float *x, long step, const float *w, float *y, long pixels, long channels, long lanes, int add,
                     Ahead *ahead) {
    long p = 0;
    for (; p + BLOCK <= pixels; p += BLOCK) {
        const float *from = x + p * step;
        float *to = y + p * lanes;
        long v = 0;
        for (long left; (left = (lanes - v) / LANES) >= MOST && left != 4; v += MOST * LANES)
            multiply_block(from, step, w + v, lanes, channels, add, to + v, fetch_next(ahead, channels), BLOCK, MOST);
        for (; v + 2 * LANES <= lanes; v += 2 * LANES)
            multiply_block(from, step, w + v, lanes, channels, add, to + v, fetch_next(ahead, channels), BLOCK, 2);
        if (v < lanes) multiply_block(from, step, w + v, lanes, channels, add, to + v, fetch_next(ahead, channels), BLOCK, 1);
    }
    for (; p < pixels; p++)
        for (long v = 0; v < lanes; v += LANES)
            multiply_block(x + p * step, step, w + v, lanes, channels, add, y + p * lanes + v, x + p * step, 1, 1);
}

/* w[c][lanes] += sum over pixels of x[pixel][c] * g[pixel][lanes], for `n` channels and `m` vectors. */
static inline __attribute__((always_inline)) void outer_block(const float *x, long x_step, const float *g, long g_step,
                                                              long pixels, float *w, const float *ahead, const int n,
                                                              const int m) {
    vec sum[24];
#pragma GCC unroll 24
    for (int k = 0; k < n * m; k++) sum[k] = load(w + k / m * g_step + k % m * LANES);
    for (long p = 0; p < pixels; p++) {
        __builtin_prefetch(ahead + 16 * p, 0, 2);
        vec row[3];
#pragma GCC unroll 3
        for (int v = 0; v < m; v++) row[v] = load(g + p * g_step + v * LANES);
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
#pragma GCC unroll 3
            for (int v = 0; v < m; v++) sum[c * m + v] += x[p * x_step + c] * row[v];
    }
#pragma GCC unroll 24
    for (int k = 0; k < n * m; k++) store(w + k / m * g_step + k % m * LANES, sum[k]);
}

/* w += transposed x times g: pixels x of `step` numbers, of which `channels` count, and padded pixels g of `lanes` like w, which
   has round_up(channels, BLOCK) rows, of which those beyond the channels mean nothing. Of the last pixel numbers beyond the
   channels are read, up to BLOCK in all. */
static void add_outer(const float *x, long step, const float *g, float *w, long pixels, long channels, long lanes,
                      Ahead *ahead) {
    for (long c = 0; c < channels; c += BLOCK) {
        long v = 0;
        for (long left; (left = (lanes - v) / LANES) >= MOST && left != 4; v += MOST * LANES)
            outer_block(x + c, step, g + v, lanes, pixels, w + c * lanes + v, fetch_next(ahead, pixels), BLOCK, MOST);
        for (; v + 2 * LANES <= lanes; v += 2 * LANES)
            outer_block(x + c, step, g + v, lanes, pixels, w + c * lanes + v, fetch_next(ahead, pixels), BLOCK, 2);
        if (v < lanes) outer_block(x + c, step, g + v, lanes, pixels, w + c * lanes + v, fetch_next(ahead, pixels), BLOCK, 1);
    }
}

#endif
