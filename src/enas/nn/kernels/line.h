/* Batch norm as a line: what it does with each number of a channel, and what its gradient does. */
#ifndef ENAS_LINE_H
#define ENAS_LINE_H

#include <math.h>

typedef struct {
    const float *weight, *bias, *mean, *inverse_std; /* of each channel */
} Norm;

/* Normalised, scaled and shifted: x * scale + offset. */
static void line_of(Norm norm, long channels, float *scale, float *offset) {
    for (long c = 0; c < channels; c++) {
        scale[c] = norm.weight[c] * norm.inverse_std[c];
        offset[c] = norm.bias[c] - norm.mean[c] * scale[c];
    }
}

/* The gradient of x besides g * scale, as a line of x: slope and constant of
   dx = scale * (g - mean(g) - normalised * mean(g * normalised)), with the statistics of x itself.
   d_weight: sum of g times normalised numbers; d_bias: sum of g; n: numbers in a channel. */
static void line_back(Norm norm, const float *d_weight, const float *d_bias, long n, long channels, float *slope,
                      float *constant) {
    for (long c = 0; c < channels; c++) {
        float scale = norm.weight[c] * norm.inverse_std[c];
        slope[c] = -scale * norm.inverse_std[c] * d_weight[c] / (float)n;
        constant[c] = -scale * d_bias[c] / (float)n - slope[c] * norm.mean[c];
    }
}

static void invert(const float *variance, double epsilon, long channels, float *inverse_std) {
    for (long c = 0; c < channels; c++) inverse_std[c] = (float)(1 / sqrt((double)variance[c] + epsilon));
}

#endif
