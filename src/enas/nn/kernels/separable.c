/* Separable convolutions, forward and backward, one image after the other: what lies between a depthwise convolution, a 1x1
   convolution and the batch norms around them never leaves the second cache.

   Letters: x the map that the pair reads, itself or normalised and rectified; z result of the depthwise convolution; y result
   of the 1x1 convolution; g a gradient. Kernels are [channel][tap], weights [filter][channel]. */
#include <omp.h>

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

/* The line of a batch norm for padded pixels: scale and, behind it, offset. NULL where there is no norm. */
static float *lay_out_line(Norm norm, long channels) {
    if (!norm.weight) return NULL;
    long step = round_up(channels, LANES);
    float *line = zeros(2 * step);
    line_of(norm, channels, line, line + step);
    return line;
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

/* y, and the statistics of its channels. weight to inverse_std: of the batch norm of x, which is rectified then; or NULL. */
void enas_separable(const float *x, const float *weight, const float *bias, const float *x_mean, const float *x_inverse_std,
                    const float *kernels, const float *weights, double epsilon, long images, long height, long width,
                    long channels, long filters, long kernel, float *y, float *mean, float *variance, float *inverse_std,
                    long threads) {
    Shape s = shape_of(height, width, channels, kernel);
    long lanes = round_up(filters, LANES);
    float *taps = lay_out(kernels, s, 0), *matrix = lay_out_weights(weights, channels, filters, 0);
    float *line = lay_out_line((Norm){weight, bias, x_mean, x_inverse_std}, channels);
    double *totals = totals_of(2 * filters * threads);
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = zeros(framed_size(s)), *z = floats(s.pixels * s.padded), *out = floats(s.pixels * lanes);
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + 2 * filters * worker;
        share(images, worker, omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++) {
            frame(framed, x + image * s.pixels * channels, line, s);
            convolve(framed, taps, z, s);
            multiply(z, matrix, out, s.pixels, channels, lanes);
            add_moments(out, s.pixels, filters, mine, mine + filters);
            pack(y + image * s.pixels * filters, out, s.pixels, filters);
        }
        free(framed);
        free(z);
        free(out);
    }
    for (long f = 0; f < filters; f++) {
        double sum = 0, square = 0, n = (double)(images * s.pixels);
        for (long t = 0; t < threads; t++) {
            sum += totals[2 * filters * t + f];
            square += totals[2 * filters * t + filters + f];
        }
        sum /= n;
        square = square / n - sum * sum;
        mean[f] = (float)sum;
        variance[f] = (float)(square < 0 ? 0 : square);
    }
    invert(variance, epsilon, filters, inverse_std);
    free(taps);
    free(matrix);
    free(line);
    free(totals);
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

/* Padded pixels into a framed image whose margins are zero. */
static void frame_padded(float *framed, const float *padded, Shape s) {
    float *inside = inside_margin(framed, s);
    for (long h = 0; h < s.height; h++)
        memcpy(inside + h * s.stride, padded + h * s.width * s.padded, s.width * s.padded * sizeof(float));
}

/* Of an image: sums of the gradient of its rectified normalised map, the framed one, where that is positive; and of its
   products with the deviations of x from their means. */
static void add_gradient_sums(const float *g, float *framed, const float *x, const float *mean, Shape s, double *sums,
                              double *products) {
    const float *inside = inside_margin(framed, s);
    float copy[s.padded];
    for (long v = 0; v < s.padded; v += LANES) {
        vec sum = {0}, product = {0}, middle = load(mean + v);
        for (long p = 0; p < s.pixels; p++) {
            vec value = load(inside + p / s.width * s.stride + p % s.width * s.padded + v);
            vec here = choose(value == 0, splat(0), load(g + p * s.padded + v));
            sum += here;
            product += here * (load(readable(x, p, s.pixels, s.channels, copy) + v) - middle);
        }
        for (long c = v; c < smaller(v + LANES, s.channels); c++) {
            sums[c] += sum[c - v];
            products[c] += product[c - v];
        }
    }
}

/* Gradients of x, kernels and weights, and of the weight and bias of x's batch norm.

   g: gradient of the result of y's batch norm. y_weight to y_inverse_std: that norm; y_relu: whether it was rectified; d_weight
   and d_bias: the gradients of its weight and bias, known from enas_norm_sums or from the pair after this one.
   weight to inverse_std: the norm of x as in enas_separable, or NULL; its gradients go to x_d_weight and x_d_bias, and dx is
   that of the normalised and rectified map, not of x. */
void enas_separable_backward(const float *g, const float *y, const float *y_weight, const float *y_bias, const float *y_mean,
                             const float *y_inverse_std, long y_relu, const float *d_weight, const float *d_bias,
                             const float *x, const float *weight, const float *bias, const float *mean,
                             const float *inverse_std, const float *kernels, const float *weights, long images,
                             long height, long width, long channels, long filters, long kernel, float *dx,
                             float *d_kernels, float *d_weights, float *x_d_weight, float *x_d_bias, long threads) {
    Shape s = shape_of(height, width, channels, kernel);
    long lanes = round_up(filters, LANES), area = kernel * kernel;
    float *taps = lay_out(kernels, s, 0), *turned = lay_out(kernels, s, 1);
    float *matrix = lay_out_weights(weights, channels, filters, 1);
    float *line = lay_out_line((Norm){weight, bias, mean, inverse_std}, channels), *middle = zeros(s.padded);
    if (weight) memcpy(middle, mean, channels * sizeof(float));
    Norm norm = {y_weight, y_bias, y_mean, y_inverse_std};
    float *y_line = zeros(4 * lanes);
    line_of(norm, filters, y_line, y_line + lanes);
    line_back(norm, d_weight, d_bias, images * s.pixels, filters, y_line + 2 * lanes, y_line + 3 * lanes);
    long for_taps = area * s.padded, for_weights = round_up(channels, BLOCK) * lanes;
    long all = for_taps + for_weights + 2 * channels;
    double *totals = totals_of(all * threads);
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = zeros(framed_size(s)), *framed_g = zeros(framed_size(s)), *z = floats(s.pixels * s.padded);
        float *gy = floats(s.pixels * lanes), *piece = floats(for_taps + for_weights);
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + all * worker, *mine_sums = mine + for_taps + for_weights;
        share(images, worker, omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++) {
            long in = image * s.pixels * channels, out = image * s.pixels * filters;
            memset(piece, 0, (for_taps + for_weights) * sizeof(float));
            through_norm(g + out, y + out, y_line, y_relu, gy, s.pixels, filters);
            frame(framed, x + in, line, s);
            convolve(framed, taps, z, s);
            add_outer(z, gy, piece + for_taps, s.pixels, channels, lanes);
            multiply(gy, matrix, z, s.pixels, filters, s.padded);
            frame_padded(framed_g, z, s);
            correlate(framed, framed_g, piece, s);
            convolve(framed_g, turned, z, s);
            if (weight) add_gradient_sums(z, framed, x + in, middle, s, mine_sums, mine_sums + channels);
            pack(dx + in, z, s.pixels, channels);
            for (long k = 0; k < for_taps + for_weights; k++) mine[k] += piece[k];
        }
        free(framed);
        free(framed_g);
        free(z);
        free(gy);
        free(piece);
    }
    for (long t = 1; t < threads; t++)
        for (long k = 0; k < all; k++) totals[k] += totals[t * all + k];
    for (long c = 0; c < channels; c++) {
        for (long tap = 0; tap < area; tap++)
            d_kernels[c * area + tap] = (float)totals[c / LANES * LANES * area + tap * LANES + c % LANES];
        for (long f = 0; f < filters; f++) d_weights[f * channels + c] = (float)totals[for_taps + c * lanes + f];
        if (weight) {
            x_d_bias[c] = (float)totals[for_taps + for_weights + c];
            x_d_weight[c] = (float)totals[for_taps + for_weights + channels + c] * inverse_std[c];
        }
    }
    free(taps);
    free(turned);
    free(matrix);
    free(line);
    free(middle);
    free(y_line);
    free(totals);
}
