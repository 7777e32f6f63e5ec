/* 1x1 convolutions of one or several maps, rectified or not, that are added up and normalised: a few pixels at a time, which
   meet all of these in the first or second cache. Or of two picks of one map that halve its resolution: of the pixels of even
   row and column, and of those of odd row and column.

   Letters: x a map, y the sum of the convolutions' results, g a gradient. Weights are [filter][channel]. */
#include <omp.h>

#include "unit.h"

enum { TOGETHER = 8 }; /* pieces of pixels whose gradients are summed in float32 */

/* Where the pixels of a result are in a map. width: of the result, where its pixels are picked from a map with twice the rows and
   columns, those of even or of odd row and column; 0: they are the map's. */
typedef struct {
    const float *map;
    long width, odd, channels;
} Source;

/* The number in its map at which a picked pixel begins. */
static inline long picked(Source s, long pixel) {
    return (4 * (pixel / s.width) * s.width + 2 * (pixel % s.width) + s.odd * (2 * s.width + 1)) * s.channels;
}

/* n pixels from `at` on side by side, rectified or as they are. */
static void take(Source s, long at, long n, long relu, float *to) {
    const float *x = s.map + at * s.channels;
    if (s.width) {
        for (long p = 0; p < n; p++) memcpy(to + p * s.channels, s.map + picked(s, at + p), s.channels * sizeof(float));
        x = to;
    }
    if (relu) {
#pragma omp simd
        for (long j = 0; j < n * s.channels; j++) to[j] = rectify(x[j]);
    } else if (!s.width) memcpy(to, x, (size_t)(n * s.channels) * sizeof(float));
}

static inline Source source_of(const float *const *maps, long m, long width, long channels) {
    return width ? (Source){maps[0], width, m, channels} : (Source){maps[m], 0, 0, channels};
}

/* What is needed next of a map is fetched while others are multiplied. */
static inline const float *after(Source s, long at) { return s.map + (s.width ? picked(s, at) : at * s.channels); }

/* y, and the statistics of its channels. count: of weights, and of maps unless there is a width: that of y, if it is made of two
   picks of one map. pixels: of y. */
void enas_pointwise(const float *const *maps, const float *const *weights, long count, long width, long relu, double epsilon,
                    long pixels, long channels, long filters, float *y, float *mean, float *variance, float *inverse_std,
                    long threads) {
    long lanes = round_up(filters, LANES), pieces = round_up(pixels, PIECE) / PIECE;
    float **matrices = found(malloc(count * sizeof(float *)));
    for (long m = 0; m < count; m++) matrices[m] = lay_out_weights(weights[m], channels, filters, 0);
    double *totals = totals_of(2 * filters * threads);
#pragma omp parallel num_threads((int)threads)
    {
        float *x = floats(PIECE * channels), *out = floats(PIECE * lanes);
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + 2 * filters * worker;
        share(pieces, worker, omp_get_num_threads(), &begin, &end);
        for (long piece = begin; piece < end; piece++) {
            long at = piece * PIECE, n = smaller(PIECE, pixels - at);
            for (long m = 0; m < count; m++) {
                Source source = source_of(maps, m, width, channels);
                Ahead ahead = {after(source, at + PIECE), y + (at + PIECE) * filters};
                take(source, at, n, relu, x);
                multiply(x, channels, matrices[m], out, n, channels, lanes, m > 0, &ahead);
            }
            add_moments(out, n, filters, mine, mine + filters);
            pack(y + at * filters, out, n, filters);
        }
        free(x);
        free(out);
    }
    finish_moments(totals, threads, filters, pixels, epsilon, mean, variance, inverse_std);
    for (long m = 0; m < count; m++) free(matrices[m]);
    free(matrices);
    free(totals);
}

/* Padded gradients of n pixels from `at` on to where these pixels are in dx, with zeros where they were rectified, and where
   nothing was picked. x: the pixels as they were taken. */
static void put(Source s, float *dx, const float *padded, const float *x, long at, long n, long relu) {
    long step = round_up(s.channels, LANES);
    float copy[step];
    for (long p = 0; p < n; p++) {
        float *to = dx + (s.width ? picked(s, at + p) : (at + p) * s.channels);
        float *whole = !s.width && is_roomy(p, n, s.channels) ? to : copy;
        for (long v = 0; v < step; v += LANES) {
            vec here = load(padded + p * step + v);
            store(whole + v, relu ? choose(load(x + p * s.channels + v) == 0, splat(0), here) : here);
        }
        if (whole == copy) memcpy(to, copy, s.channels * sizeof(float));
        if (s.width) memset(s.odd ? to - s.channels : to + s.channels, 0, s.channels * sizeof(float));
    }
}

/* Gradients of the maps and weights. g: gradient of the result of y's batch norm. weight to inverse_std: that norm; y_relu:
   whether it was rectified; d_weight and d_bias: the gradients of its weight and bias, known from enas_norm_sums. */
void enas_pointwise_backward(const float *g, const float *y, const float *weight, const float *bias, const float *mean,
                             const float *inverse_std, long y_relu, const float *d_weight, const float *d_bias,
                             const float *const *maps, const float *const *weights, long count, long width, long relu,
                             long pixels, long channels, long filters, float *const *dx, float *const *d_weights,
                             long threads) {
    long lanes = round_up(filters, LANES), padded = round_up(channels, LANES), pieces = round_up(pixels, PIECE) / PIECE;
    long size = round_up(channels, BLOCK) * lanes;
    float *line = lay_out_lines_back((Norm){weight, bias, mean, inverse_std}, d_weight, d_bias, pixels, filters);
    float **matrices = found(malloc(count * sizeof(float *)));
    for (long m = 0; m < count; m++) matrices[m] = lay_out_weights(weights[m], channels, filters, 1);
    double *totals = totals_of(count * size * threads);
#pragma omp parallel num_threads((int)threads)
    {
        float *x = floats(PIECE * channels), *gy = floats(PIECE * lanes), *gx = floats(PIECE * padded);
        float *sums = zeros(count * size);
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + count * size * worker;
        share(pieces, worker, omp_get_num_threads(), &begin, &end);
        for (long piece = begin; piece < end; piece++) {
            long at = piece * PIECE, n = smaller(PIECE, pixels - at);
            through_norm(g + at * filters, y + at * filters, line, y_relu, gy, n, filters);
            for (long m = 0; m < count; m++) {
                Source source = source_of(maps, m, width, channels);
                float *to = dx[width ? 0 : m];
                take(source, at, n, relu, x);
                Ahead ahead = {g + (at + PIECE) * filters, y + (at + PIECE) * filters};
                add_outer(x, channels, gy, sums + m * size, n, channels, lanes, &ahead);
                const float *next = after(source, at + PIECE);
                ahead = (Ahead){next, to + (next - source.map)};
                multiply(gy, lanes, matrices[m], gx, n, filters, padded, 0, &ahead);
                put(source, to, gx, x, at, n, relu);
            }
            if ((piece - begin) % TOGETHER == TOGETHER - 1 || piece == end - 1) {
                for (long k = 0; k < count * size; k++) mine[k] += sums[k];
                memset(sums, 0, count * size * sizeof(float));
            }
        }
        free(x);
        free(gy);
        free(gx);
        free(sums);
    }
    for (long t = 1; t < threads; t++)
        for (long k = 0; k < count * size; k++) totals[k] += totals[count * size * t + k];
    for (long m = 0; m < count; m++) {
        for (long f = 0; f < filters; f++)
            for (long c = 0; c < channels; c++)
                d_weights[m][f * channels + c] = (float)totals[m * size + c * lanes + f];
        free(matrices[m]);
    }
    free(matrices);
    free(line);
    free(totals);
}
