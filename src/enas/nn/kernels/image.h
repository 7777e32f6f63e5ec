/* One image in the second cache: pixels whose channels are filled up with zeros to whole vectors, and what is done with them.

   "Packed" is the layout of a map in memory, [pixel][channels]; "padded" is [pixel][round_up(channels, LANES)]; "framed" is
   padded with a margin of zero pixels around the image, so that windows need no care at its borders. */
#ifndef ENAS_IMAGE_H
#define ENAS_IMAGE_H

#include "vector.h"

typedef struct {
    long height, width, kernel, channels;
    long pixels, padded; /* numbers in a padded pixel */
    long stride;         /* numbers in a framed row */
} Shape;

static Shape shape_of(long height, long width, long channels, long kernel) {
    long padded = round_up(channels, LANES);
    return (Shape){height, width, kernel, channels, height * width, padded, (width + kernel - 1) * padded};
}

static long framed_size(Shape s) { return (s.height + s.kernel - 1) * s.stride; }

static float *inside_margin(float *framed, Shape s) { return framed + s.kernel / 2 * (s.stride + s.padded); }

/* The lanes of the last vector of a pixel that hold channels. */
static ivec lanes_of(long channels) {
    ivec lanes;
    for (int k = 0; k < LANES; k++) lanes[k] = k < channels - (round_up(channels, LANES) - LANES) ? -1 : 0;
    return lanes;
}

/* Whether whole vectors of a packed pixel end within its image. */
static inline int is_roomy(long pixel, long pixels, long channels) {
    return pixel * channels + round_up(channels, LANES) <= pixels * channels;
}

/* A packed pixel from where whole vectors can be read: itself, or a copy at the end of an image. */
static inline const float *readable(const float *x, long pixel, long pixels, long channels, float *copy) {
    const float *at = x + pixel * channels;
    return is_roomy(pixel, pixels, channels) ? at : memcpy(copy, at, channels * sizeof(float));
}

/* Packed rows into a framed image whose margins are zero, rectified or not. line: scale and offset of a batch norm, which is
   applied before; or NULL. */
static inline void frame(float *framed, const float *x, const float *line, int relu, Shape s) {
    float *inside = inside_margin(framed, s), copy[s.padded];
    ivec lanes = lanes_of(s.channels);
    for (long h = 0; h < s.height; h++) {
        float *to = inside + h * s.stride;
        if (!line && !relu && s.channels == s.padded) {
            memcpy(to, x + h * s.width * s.channels, s.width * s.channels * sizeof(float));
            continue;
        }
        for (long w = 0; w < s.width; w++, to += s.padded) {
            long pixel = h * s.width + w;
            const float *from = readable(x, pixel, s.pixels, s.channels, copy);
            for (long v = 0; v < s.padded; v += LANES) {
                vec value = load(from + v);
                if (line) value = value * load(line + v) + load(line + s.padded + v);
                if (relu) value = rectify_vec(value);
                store(to + v, v + LANES == s.padded ? choose(lanes, value, splat(0)) : value);
            }
        }
    }
}

/* Padded pixels to packed ones. The last vector may write into the next pixels, which then are written over. */
static inline void pack(float *packed, const float *padded, long pixels, long channels) {
    long step = round_up(channels, LANES), p = 0;
    for (; p < pixels && is_roomy(p, pixels, channels); p++)
        for (long v = 0; v < step; v += LANES) store(packed + p * channels + v, load(padded + p * step + v));
    for (; p < pixels; p++) memcpy(packed + p * channels, padded + p * step, channels * sizeof(float));
}

/* taps[vector][tap][lane] of kernels[channel][tap], turned around by half a circle or not. */
static inline float *lay_out(const float *kernels, Shape s, long turned) {
    long area = s.kernel * s.kernel;
    float *taps = zeros(area * s.padded);
    for (long c = 0; c < s.channels; c++)
        for (long tap = 0; tap < area; tap++)
            taps[(c / LANES * area + tap) * LANES + c % LANES] = kernels[c * area + (turned ? area - 1 - tap : tap)];
    return taps;
}

/* One vector of `pixels` neighbours of the result. x: the corner of the first one's window. */
static inline __attribute__((always_inline)) void convolve_pixels(const float *x, const vec *tap, float *y, Shape s,
                                                                  const int K, const int pixels) {
    vec sum[4];
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) sum[p] = (vec){0};
#pragma GCC unroll 7
    for (int i = 0; i < K; i++)
#pragma GCC unroll 7
        for (int j = 0; j < K; j++)
#pragma GCC unroll 4
            for (int p = 0; p < pixels; p++) sum[p] += tap[i * K + j] * load(x + i * s.stride + (j + p) * s.padded);
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) store(y + p * s.padded, sum[p]);
}

static inline __attribute__((always_inline)) void convolve_lanes(const float *x, const float *taps, float *y, Shape s,
                                                                 const int K) {
    const int together = MANY_REGISTERS ? 2 : 4; /* where the taps are not in registers, each is used several times */
    vec tap[49];
#pragma GCC unroll 49
    for (int k = 0; k < K * K; k++) tap[k] = load(taps + k * LANES);
    for (long h = 0; h < s.height; h++) {
        const float *p = x + h * s.stride;
        float *to = y + h * s.width * s.padded;
        long w = 0;
        for (; w + together <= s.width; w += together)
            convolve_pixels(p + w * s.padded, tap, to + w * s.padded, s, K, together);
        for (; w < s.width; w++) convolve_pixels(p + w * s.padded, tap, to + w * s.padded, s, K, 1);
    }
}

/* Padded result of a framed image and laid out kernels. */
static inline void convolve(const float *framed, const float *taps, float *padded, Shape s) {
    for (long v = 0; v < s.padded; v += LANES, taps += s.kernel * s.kernel * LANES) {
        if (s.kernel == 3) convolve_lanes(framed + v, taps, padded + v, s, 3);
        else if (s.kernel == 5) convolve_lanes(framed + v, taps, padded + v, s, 5);
        else convolve_lanes(framed + v, taps, padded + v, s, 7);
    }
}

/* Add the products with some rows of the window, as many as there are registers for. */
static inline __attribute__((always_inline)) void correlate_lanes(const float *x, const float *g, float *sums, Shape s,
                                                                  const int K, const int first, const int rows) {
    vec sum[25];
#pragma GCC unroll 25
    for (int k = 0; k < rows * K; k++) sum[k] = load(sums + (first * K + k) * LANES);
    for (long h = 0; h < s.height; h++)
        for (long w = 0; w < s.width; w++) {
            const float *p = x + (h + first) * s.stride + w * s.padded;
            vec here = load(g + h * s.stride + w * s.padded);
#pragma GCC unroll 7
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 7
                for (int j = 0; j < K; j++) sum[i * K + j] += here * load(p + i * s.stride + j * s.padded);
        }
#pragma GCC unroll 25
    for (int k = 0; k < rows * K; k++) store(sums + (first * K + k) * LANES, sum[k]);
}

/* Add to sums[vector][tap][lane] the products of a framed image with a framed gradient. */
static inline void correlate(const float *framed, float *framed_g, float *sums, Shape s) {
    const float *g = inside_margin(framed_g, s);
    for (long v = 0; v < s.padded; v += LANES, sums += s.kernel * s.kernel * LANES) {
        const float *x = framed + v;
        if (s.kernel == 3) correlate_lanes(x, g + v, sums, s, 3, 0, 3);
        else if (s.kernel == 5 && MANY_REGISTERS) correlate_lanes(x, g + v, sums, s, 5, 0, 5);
        else if (s.kernel == 5) {
            correlate_lanes(x, g + v, sums, s, 5, 0, 2);
            correlate_lanes(x, g + v, sums, s, 5, 2, 2);
            correlate_lanes(x, g + v, sums, s, 5, 4, 1);
        } else
            for (int row = 0; row < 7; row++) correlate_lanes(x, g + v, sums, s, 7, row, 1);
    }
}

#endif
