/* Separable convolutions, forward and backward, one image after the other: what lies between a depthwise convolution, a 1x1
   convolution and the batch norms around them never leaves the second cache.

   Letters: x the map that the pair reads, which is rectified, and before that normalised or not; z result of the depthwise
   convolution; y result of the 1x1 convolution; g a gradient. Kernels are [channel][tap], weights [filter][channel]. */
#include <omp.h>

#include "unit.h"

/* The line of a batch norm for padded pixels: scale and, behind it, offset. NULL where there is no norm. */
static float *lay_out_line(Norm norm, long channels) {
    if (!norm.weight) return NULL;
    long step = round_up(channels, LANES);
    float *line = zeros(2 * step);
    line_of(norm, channels, line, line + step);
    return line;
}

/* y, and the statistics of its channels. x is rectified; before that normalised, unless weight to inverse_std of its batch norm
   are NULL. */
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
            long in = image * s.pixels * channels, next = (image + 1) * s.pixels;
            Ahead ahead = {x + next * channels, y + next * filters};
            frame(framed, x + in, line, 1, s);
            convolve(framed, taps, z, s);
            multiply(z, s.padded, matrix, out, s.pixels, channels, lanes, 0, &ahead);
            add_moments(out, s.pixels, filters, mine, mine + filters);
            pack(y + image * s.pixels * filters, out, s.pixels, filters);
        }
        free(framed);
        free(z);
        free(out);
    }
    finish_moments(totals, threads, filters, images * s.pixels, epsilon, mean, variance, inverse_std);
    free(taps);
    free(matrix);
    free(line);
    free(totals);
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
   that of the normalised and rectified map, not of x. Without a norm dx is that of x. */
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
    float *y_line = lay_out_lines_back(norm, d_weight, d_bias, images * s.pixels, filters);
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
            Ahead ahead = {g + out + s.pixels * filters, y + out + s.pixels * filters};
            memset(piece, 0, (for_taps + for_weights) * sizeof(float));
            through_norm(g + out, y + out, y_line, y_relu, gy, s.pixels, filters);
            frame(framed, x + in, line, 1, s);
            convolve(framed, taps, z, s);
            add_outer(z, s.padded, gy, piece + for_taps, s.pixels, channels, lanes, &ahead);
            ahead = (Ahead){x + in + s.pixels * channels, dx + in + s.pixels * channels};
            multiply(gy, lanes, matrix, z, s.pixels, filters, s.padded, 0, &ahead);
            frame_padded(framed_g, z, s);
            correlate(framed, framed_g, piece, s);
            convolve(framed_g, turned, z, s);
            if (weight) add_gradient_sums(z, framed, x + in, middle, s, mine_sums, mine_sums + channels);
            else drop_rectified(z, framed, s);
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
