/* 1x1 convolutions of one or several maps, rectified or not, that are added up and normalised: a few pixels at a time, which
   meet all of these in the first or second cache.

   Letters: x a map, y the sum of the convolutions' results, g a gradient. Weights are [filter][channel]. */
#include <omp.h>

#include "unit.h"

enum { TOGETHER = 8 }; /* pieces of pixels whose gradients are summed in float32 */

/* Contiguous numbers, rectified or as they are. */
static void take(const float *x, long n, long relu, float *to) {
    if (!relu) memcpy(to, x, (size_t)n * sizeof(float));
    else {
#pragma omp simd
        for (long j = 0; j < n; j++) to[j] = rectify(x[j]);
    }
}

/* y, and the statistics of its channels. */
void enas_pointwise(const float *const *maps, const float *const *weights, long count, long relu, double epsilon, long pixels,
                    long channels, long filters, float *y, float *mean, float *variance, float *inverse_std, long threads) {
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
                Ahead ahead = {maps[m] + (at + PIECE) * channels, y + (at + PIECE) * filters};
                take(maps[m] + at * channels, n * channels, relu, x);
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

/* Padded pixels to packed ones, with zeros where x was rectified. */
static void pack_kept(float *packed, const float *padded, const float *x, long pixels, long channels) {
    long step = round_up(channels, LANES);
    float copy[step];
    for (long p = 0; p < pixels; p++) {
        float *to = is_roomy(p, pixels, channels) ? packed + p * channels : copy;
        for (long v = 0; v < step; v += LANES)
            store(to + v, choose(load(x + p * channels + v) == 0, splat(0), load(padded + p * step + v)));
        if (to == copy) memcpy(packed + p * channels, copy, channels * sizeof(float));
    }
}

/* Gradients of the maps and weights. g: gradient of the result of y's batch norm. weight to inverse_std: that norm; y_relu:
   whether it was rectified; d_weight and d_bias: the gradients of its weight and bias, known from enas_norm_sums. */
void enas_pointwise_backward(const float *g, const float *y, const float *weight, const float *bias, const float *mean,
                             const float *inverse_std, long y_relu, const float *d_weight, const float *d_bias,
                             const float *const *maps, const float *const *weights, long count, long relu, long pixels,
                             long channels, long filters, float *const *dx, float *const *d_weights, long threads) {
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
                take(maps[m] + at * channels, n * channels, relu, x);
                Ahead ahead = {g + (at + PIECE) * filters, y + (at + PIECE) * filters};
                add_outer(x, channels, gy, sums + m * size, n, channels, lanes, &ahead);
                ahead = (Ahead){maps[m] + (at + PIECE) * channels, dx[m] + (at + PIECE) * channels};
                multiply(gy, lanes, matrices[m], gx, n, filters, padded, 0, &ahead);
                if (relu) pack_kept(dx[m] + at * channels, gx, x, n, channels);
                else pack(dx[m] + at * channels, gx, n, channels);
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
