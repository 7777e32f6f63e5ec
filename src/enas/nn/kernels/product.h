/* Products of padded pixels with a small matrix: 1x1 convolutions of one image, whose numbers are in the second cache. */
#ifndef ENAS_PRODUCT_H
#define ENAS_PRODUCT_H

#include "vector.h"

/* Pixels or channels at a time: with two vectors for each they leave registers for what is multiplied. */
enum { BLOCK = MANY_REGISTERS ? 8 : 6 };

/* y[pixel][lanes] = sum over c of x[pixel][c] * w[c][lanes], for `n` pixels and `m` vectors. */
static inline __attribute__((always_inline)) void multiply_block(const float *x, long x_step, const float *w, long w_step,
                                                                 long channels, float *y, const int n, const int m) {
    vec sum[16];
#pragma GCC unroll 16
    for (int k = 0; k < n * m; k++) sum[k] = (vec){0};
    for (long c = 0; c < channels; c++) {
        vec row[2];
#pragma GCC unroll 2
        for (int v = 0; v < m; v++) row[v] = load(w + c * w_step + v * LANES);
#pragma GCC unroll 8
        for (int p = 0; p < n; p++)
#pragma GCC unroll 2
            for (int v = 0; v < m; v++) sum[p * m + v] += x[p * x_step + c] * row[v];
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
#pragma GCC unroll 2
        for (int v = 0; v < m; v++) store(y + p * w_step + v * LANES, sum[p * m + v]);
}

/* y = x w of padded pixels: x of `channels`, w[channels][lanes] and y of `lanes`, a multiple of LANES. */
static void multiply(const float *x, const float *w, float *y, long pixels, long channels, long lanes) {
    long step = round_up(channels, LANES), p = 0;
    for (; p + BLOCK <= pixels; p += BLOCK) {
        long v = 0;
        for (; v + 2 * LANES <= lanes; v += 2 * LANES)
            multiply_block(x + p * step, step, w + v, lanes, channels, y + p * lanes + v, BLOCK, 2);
        if (v < lanes) multiply_block(x + p * step, step, w + v, lanes, channels, y + p * lanes + v, BLOCK, 1);
    }
    for (; p < pixels; p++)
        for (long v = 0; v < lanes; v += LANES)
            multiply_block(x + p * step, step, w + v, lanes, channels, y + p * lanes + v, 1, 1);
}

/* w[c][lanes] += sum over pixels of x[pixel][c] * g[pixel][lanes], for `n` channels and `m` vectors. */
static inline __attribute__((always_inline)) void outer_block(const float *x, long x_step, const float *g, long g_step,
                                                              long pixels, float *w, const int n, const int m) {
    vec sum[16];
#pragma GCC unroll 16
    for (int k = 0; k < n * m; k++) sum[k] = load(w + k / m * g_step + k % m * LANES);
    for (long p = 0; p < pixels; p++) {
        vec row[2];
#pragma GCC unroll 2
        for (int v = 0; v < m; v++) row[v] = load(g + p * g_step + v * LANES);
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
#pragma GCC unroll 2
            for (int v = 0; v < m; v++) sum[c * m + v] += x[p * x_step + c] * row[v];
    }
#pragma GCC unroll 16
    for (int k = 0; k < n * m; k++) store(w + k / m * g_step + k % m * LANES, sum[k]);
}

/* w += transposed x times g, of padded pixels: x of `channels`, g and w of `lanes`. w has round_up(channels, BLOCK) rows, of
   which those beyond the channels mean nothing. */
static void add_outer(const float *x, const float *g, float *w, long pixels, long channels, long lanes) {
    long step = round_up(channels, LANES);
    for (long c = 0; c < channels; c += BLOCK) {
        long v = 0;
        for (; v + 2 * LANES <= lanes; v += 2 * LANES)
            outer_block(x + c, step, g + v, lanes, pixels, w + c * lanes + v, BLOCK, 2);
        if (v < lanes) outer_block(x + c, step, g + v, lanes, pixels, w + c * lanes + v, BLOCK, 1);
    }
}

#endif
