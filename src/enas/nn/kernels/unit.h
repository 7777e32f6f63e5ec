/* What a unit of convolutions and a batch norm is made of: its weights laid out, the moments of its result, the way back through
   its norm. Padded pixels are those of image.h. */
#ifndef ENAS_UNIT_H
#define ENAS_UNIT_H

#include "image.h"
#include "line.h"
#include "product.h"

enum { PIECE = 128, SAMPLES = 16 };

/* matrix[channel][filter], with filters filled up to whole vectors, or matrix[filter][channel] filled up likewise. */
static float *lay_out_weights(const float *weights, long channels, long filters, int by_filter) {
    long rows = by_filter ? filters : channels, columns = by_filter ? channels : filters;
    long step = round_up(columns, LANES);
    float *matrix = zeros(rows * step);
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            matrix[r * step + c] = by_filter ? weights[r * channels + c] : weights[c * channels + r];
    return matrix;
}

/* Add the sums of an image's padded pixels and of their squares. In float32 only deviations from the mean of a few pixels are
   summed, and only over short pieces. */
static void add_moments(const float *y, long pixels, long channels, double *sums, double *squares) {
    long step = round_up(channels, LANES), n = smaller(pixels, SAMPLES);
    for (long v = 0; v < step; v += LANES) {
        vec middle = {0};
        for (long k = 0; k < n; k++) middle += load(y + k * pixels / n * step + v);
        middle /= (float)n;
        for (long begin = 0; begin < pixels; begin += PIECE) {
            long end = smaller(begin + PIECE, pixels);
            vec s = {0}, q = {0};
            for (long p = begin; p < end; p++) {
                vec d = load(y + p * step + v) - middle;
                s += d;
                q += d * d;
            }
            for (long c = v; c < smaller(v + LANES, channels); c++) {
                double shift = middle[c - v], sum = s[c - v];
                sums[c] += sum + (double)(end - begin) * shift;
                squares[c] += q[c - v] + 2 * shift * sum + (double)(end - begin) * shift * shift;
            }
        }
    }
}

/* Mean, variance and inverse standard deviation of `n` numbers a channel, from the sums and sums of squares of all workers. */
static void finish_moments(const double *totals, long workers, long channels, long n, double epsilon, float *mean,
                           float *variance, float *inverse_std) {
    for (long c = 0; c < channels; c++) {
        double sum = 0, square = 0;
        for (long t = 0; t < workers; t++) {
            sum += totals[2 * channels * t + c];
            square += totals[2 * channels * t + channels + c];
        }
        sum /= (double)n;
        square = square / (double)n - sum * sum;
        mean[c] = (float)sum;
        variance[c] = (float)(square < 0 ? 0 : square);
    }
    invert(variance, epsilon, channels, inverse_std);
}

/* What `through_norm` wants: scale, offset, slope and constant of a batch norm's line (line.h) for padded pixels. */
static float *lay_out_lines_back(Norm norm, const float *d_weight, const float *d_bias, long n, long channels) {
    long step = round_up(channels, LANES);
    float *line = zeros(4 * step);
    line_of(norm, channels, line, line + step);
    line_back(norm, d_weight, d_bias, n, channels, line + 2 * step, line + 3 * step);
    return line;
}

/* Padded gradient of y from that of the result of its batch norm. line: scale, offset, slope and constant (line.h). */
static void through_norm(const float *g, const float *y, const float *line, long relu, float *gradient, long pixels,
                         long filters) {
    long step = round_up(filters, LANES);
    ivec lanes = lanes_of(filters);
    float g_copy[step], y_copy[step];
    for (long p = 0; p < pixels; p++) {
        const float *from = readable(g, p, pixels, filters, g_copy);
        const float *at = readable(y, p, pixels, filters, y_copy);
        for (long v = 0; v < step; v += LANES) {
            vec here = load(from + v), value = load(at + v), scale = load(line + v);
            if (relu) here = choose(value * scale + load(line + step + v) <= 0, splat(0), here);
            here = here * scale + (value * load(line + 2 * step + v) + load(line + 3 * step + v));
            store(gradient + p * step + v, v + LANES == step ? choose(lanes, here, splat(0)) : here);
        }
    }
}

/* Zeros in a gradient of padded pixels where the framed image was rectified. */
static void drop_rectified(float *g, float *framed, Shape s) {
    const float *inside = inside_margin(framed, s);
    long row = s.width * s.padded;
    for (long h = 0; h < s.height; h++)
        for (long j = 0; j < row; j += LANES)
            store(g + h * row + j, choose(load(inside + h * s.stride + j) == 0, splat(0), load(g + h * row + j)));
}

#endif
