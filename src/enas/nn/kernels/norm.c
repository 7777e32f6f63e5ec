/* Batch norm with or without ReLU of maps in channels-last memory format: x[pixel][channel].

   Several pixels side by side make one wide row, so that the inner loops are long whatever the number of channels. Sums are
   made in float32 over short pieces and put together in float64. */
#include <omp.h>

#include "line.h"
#include "vector.h"

enum { WIDE = 256, PIECE = 128, SAMPLES = 32 };

typedef struct {
    long channels, together, width;
} Rows;

static Rows rows_of(long channels) {
    long together = 1;
    while (channels * together < WIDE) together *= 2;
    return (Rows){channels, together, channels * together};
}

static void repeat(float *wide, const float *narrow, Rows rows) {
    for (long k = 0; k < rows.together; k++) memcpy(wide + k * rows.channels, narrow, rows.channels * sizeof(float));
}

/* Add what the columns of the wide rows have summed up to their channels, and begin them anew. */
static void gather(double *totals, float *sums, Rows rows) {
    for (long k = 0; k < rows.together; k++)
        for (long c = 0; c < rows.channels; c++) totals[c] += sums[k * rows.channels + c];
    memset(sums, 0, rows.width * sizeof(float));
}

/* totals[0] and totals[1]: of each channel the two sums of all workers, which have begun at zero. */
static void add_workers(double *totals, long channels, long workers) {
    for (long t = 1; t < workers; t++)
        for (long c = 0; c < 2 * channels; c++) totals[c] += totals[2 * channels * t + c];
}

/* Sums of deviations and of their squares over some rows. */
static inline __attribute__((always_inline)) void add_deviations(float *s, float *q, const float *x, const float *shift,
                                                                 long width, const int rows) {
#pragma omp simd
    for (long j = 0; j < width; j++) {
        float sum = 0, squares = 0;
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            float d = x[r * width + j] - shift[j];
            sum += d;
            squares += d * d;
        }
        s[j] += sum;
        q[j] += squares;
    }
}

/* Mean of a few pixels from everywhere of a sum of maps: what deviations are taken from, so that neither a mean far from zero
   nor one strange pixel costs precision. */
static void middle_of(const float *const *maps, long count, long pixels, long channels, float *middle) {
    long n = smaller(pixels, SAMPLES);
    for (long c = 0; c < channels; c++) {
        double sum = 0;
        for (long m = 0; m < count; m++)
            for (long k = 0; k < n; k++) sum += maps[m][k * pixels / n * channels + c];
        middle[c] = (float)(sum / (double)n);
    }
}

/* sum[0 to n] of `count` maps from `at` on. */
static inline void add_maps(const float *const *maps, long count, long at, long n, float *sum) {
    long j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        vec total[4] = {{0}};
        for (long m = 0; m < count; m++)
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) total[v] += load(maps[m] + at + j + v * LANES);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) store(sum + j + v * LANES, total[v]);
    }
    for (; j < n; j++) {
        sum[j] = 0;
        for (long m = 0; m < count; m++) sum[j] += maps[m][at + j];
    }
}

/* Of each channel of a sum of maps, which is written down unless it is one map: mean and variance (that of these numbers, not of
   what they are a sample of). */
static void moments(const float *const *maps, long count, long pixels, long channels, float *sum, float *mean, float *variance,
                    long threads) {
    Rows rows = rows_of(channels);
    double *totals = totals_of(2 * channels * threads);
    float *middle = floats(channels);
    middle_of(maps, count, pixels, channels, middle);
#pragma omp parallel num_threads((int)threads)
    {
        long worker = omp_get_thread_num(), begin, end;
        share(pixels, worker, omp_get_num_threads(), &begin, &end);
        double *mine = totals + 2 * channels * worker;
        float *s = zeros(3 * rows.width), *q = s + rows.width, *shift = q + rows.width;
        repeat(shift, middle, rows);
        long at = begin * channels, stop = end * channels;
        for (long done = 1; at < stop; done++) {
            long left = (stop - at) / rows.width, n = left >= 4 ? 4 * rows.width : smaller(rows.width, stop - at);
            const float *x = count == 1 ? maps[0] + at : sum + at;
            if (count > 1) add_maps(maps, count, at, n, sum + at);
            if (left >= 4) add_deviations(s, q, x, shift, rows.width, 4);
            else add_deviations(s, q, x, shift, n, 1);
            at += n;
            if (done % PIECE == 0 || at >= stop) {
                gather(mine, s, rows);
                gather(mine + channels, q, rows);
            }
        }
        free(s);
    }
    add_workers(totals, channels, threads);
    for (long c = 0; c < channels; c++) {
        double s = totals[c] / (double)pixels, q = totals[channels + c] / (double)pixels - s * s;
        mean[c] = (float)(s + middle[c]);
        variance[c] = (float)(q < 0 ? 0 : q);
    }
    free(totals);
    free(middle);
}

/* Whether whole rows of a map are written past the caches. */
static long is_much(const float *y, long size, Rows rows) {
    return size >= MUCH && rows.width % LANES == 0 && (uintptr_t)y % sizeof(vec) == 0;
}

/* n numbers of x times a plus b, rectified or not, with those of another map added or NULL. */
static void scale_row(const float *x, const float *a, const float *b, long relu, const float *plus, float *y, long n) {
    if (relu) {
#pragma omp simd
        for (long j = 0; j < n; j++) y[j] = rectify(multiply_add(x[j], a[j], b[j]));
    } else if (plus) {
#pragma omp simd
        for (long j = 0; j < n; j++) y[j] = multiply_add(x[j], a[j], b[j]) + plus[j];
    } else {
#pragma omp simd
        for (long j = 0; j < n; j++) y[j] = multiply_add(x[j], a[j], b[j]);
    }
}

/* The same past the caches; n is a multiple of LANES, and y aligned to vectors. */
static void stream_row(const float *x, const float *a, const float *b, long relu, const float *plus, float *y, long n) {
    for (long j = 0; j < n; j += LANES) {
        vec here = load(x + j) * load(a + j) + load(b + j);
        if (relu) here = rectify_vec(here);
        if (plus) here += load(plus + j);
        stream(y + j, here);
    }
}

/* y = x * scale + offset of its norm, rectified or not, or with another map added; plus: that map, or NULL. */
void enas_normalise(const float *x, const float *weight, const float *bias, const float *mean, const float *inverse_std,
                    long pixels, long channels, long relu, const float *plus, float *y, long threads) {
    Rows rows = rows_of(channels);
    float *scale = floats(2 * channels), *offset = scale + channels;
    line_of((Norm){weight, bias, mean, inverse_std}, channels, scale, offset);
    long size = pixels * channels, past = is_much(y, size, rows);
#pragma omp parallel num_threads((int)threads)
    {
        long begin, end;
        share(round_up(size, rows.width) / rows.width, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        float *a = floats(2 * rows.width), *b = a + rows.width;
        repeat(a, scale, rows);
        repeat(b, offset, rows);
        for (long row = begin; row < end; row++) {
            long at = row * rows.width, n = smaller(size - at, rows.width);
            const float *other = part_of(plus, at);
            if (past && n == rows.width) stream_row(x + at, a, b, relu, other, y + at, n);
            else scale_row(x + at, a, b, relu, other, y + at, n);
        }
        settle();
        free(a);
    }
    free(scale);
}

/* The same of the sum of `count` maps with its own statistics, which are also answered. sum: is written where there are several. */
void enas_norm(const float *const *maps, long count, const float *weight, const float *bias, double epsilon, long pixels,
               long channels, long relu, float *sum, float *y, float *mean, float *variance, float *inverse_std, long threads) {
    moments(maps, count, pixels, channels, sum, mean, variance, threads);
    invert(variance, epsilon, channels, inverse_std);
    const float *x = count == 1 ? maps[0] : sum;
    enas_normalise(x, weight, bias, mean, inverse_std, pixels, channels, relu, NULL, y, threads);
}

/* g, or zero where the normalised number was rectified. */
static inline float kept(float g, float x, float scale, float offset, long relu) {
    return relu && multiply_add(x, scale, offset) <= 0 ? 0 : g;
}

/* Sums over some rows of g, where it counts, and of its products with deviations of x. wide: scale, offset, mean. */
static inline __attribute__((always_inline)) void add_gradients(float *s, float *p, const float *g, const float *x,
                                                                const float *wide, Rows all, long width, const long relu,
                                                                const int rows) {
    const float *a = wide, *b = a + all.width, *m = b + all.width;
#pragma omp simd
    for (long j = 0; j < width; j++) {
        float sum = 0, products = 0;
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            float h = kept(g[r * width + j], x[r * width + j], a[j], b[j], relu);
            sum += h;
            products += h * (x[r * width + j] - m[j]);
        }
        s[j] += sum;
        p[j] += products;
    }
}

/* Gradients of weight and bias: of each channel the sum of g times normalised numbers, and of g. */
void enas_norm_sums(const float *g, const float *x, const float *weight, const float *bias, const float *mean,
                    const float *inverse_std, long pixels, long channels, long relu, float *d_weight, float *d_bias,
                    long threads) {
    Rows rows = rows_of(channels);
    float *scale = floats(2 * channels), *offset = scale + channels;
    line_of((Norm){weight, bias, mean, inverse_std}, channels, scale, offset);
    double *totals = totals_of(2 * channels * threads);
#pragma omp parallel num_threads((int)threads)
    {
        long worker = omp_get_thread_num(), begin, end;
        share(pixels, worker, omp_get_num_threads(), &begin, &end);
        double *mine = totals + 2 * channels * worker;
        float *s = zeros(5 * rows.width), *p = s + rows.width, *wide = p + rows.width;
        repeat(wide, scale, rows);
        repeat(wide + rows.width, offset, rows);
        repeat(wide + 2 * rows.width, mean, rows);
        long at = begin * channels, stop = end * channels;
        for (long done = 1; at < stop; done++) {
            long left = (stop - at) / rows.width, width = left ? rows.width : stop - at;
            if (left >= 4 && relu) add_gradients(s, p, g + at, x + at, wide, rows, width, 1, 4);
            else if (left >= 4) add_gradients(s, p, g + at, x + at, wide, rows, width, 0, 4);
            else add_gradients(s, p, g + at, x + at, wide, rows, width, relu, 1);
            at += (left >= 4 ? 4 : 1) * rows.width;
            if (done % PIECE == 0 || at >= stop) {
                gather(mine, s, rows);
                gather(mine + channels, p, rows);
            }
        }
        free(s);
    }
    add_workers(totals, channels, threads);
    for (long c = 0; c < channels; c++) {
        d_bias[c] = (float)totals[c];
        d_weight[c] = (float)totals[channels + c] * inverse_std[c];
    }
    free(totals);
    free(scale);
}

static void go_back(float *dx, const float *g, const float *x, const float *a, const float *b, const float *k, const float *l,
                    long n, long relu) {
#pragma omp simd
    for (long j = 0; j < n; j++) dx[j] = multiply_add(kept(g[j], x[j], a[j], b[j], relu), a[j], multiply_add(x[j], k[j], l[j]));
}

/* The same past the caches; n is a multiple of LANES, and dx aligned to vectors. */
static void stream_back(float *dx, const float *g, const float *x, const float *a, const float *b, const float *k,
                        const float *l, long n, long relu) {
    for (long j = 0; j < n; j += LANES) {
        vec value = load(x + j), here = load(g + j);
        if (relu) here = choose(value * load(a + j) + load(b + j) <= 0, splat(0), here);
        stream(dx + j, here * load(a + j) + (value * load(k + j) + load(l + j)));
    }
}

/* Gradients of x, weight and bias, for statistics of x itself. */
void enas_norm_backward(const float *g, const float *x, const float *weight, const float *bias, const float *mean,
                        const float *inverse_std, long pixels, long channels, long relu, float *dx, float *d_weight,
                        float *d_bias, long threads) {
    enas_norm_sums(g, x, weight, bias, mean, inverse_std, pixels, channels, relu, d_weight, d_bias, threads);
    Rows rows = rows_of(channels);
    Norm norm = {weight, bias, mean, inverse_std};
    float *scale = floats(4 * channels), *offset = scale + channels, *slope = offset + channels;
    float *constant = slope + channels;
    line_of(norm, channels, scale, offset);
    line_back(norm, d_weight, d_bias, pixels, channels, slope, constant);
    long size = pixels * channels, past = is_much(dx, size, rows);
#pragma omp parallel num_threads((int)threads)
    {
        long begin, end;
        share(round_up(size, rows.width) / rows.width, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        float *a = floats(4 * rows.width), *b = a + rows.width, *k = b + rows.width, *l = k + rows.width;
        repeat(a, scale, rows);
        repeat(b, offset, rows);
        repeat(k, slope, rows);
        repeat(l, constant, rows);
        for (long row = begin; row < end; row++) {
            long at = row * rows.width, n = smaller(size - at, rows.width);
            if (past && n == rows.width) stream_back(dx + at, g + at, x + at, a, b, k, l, n, relu);
            else go_back(dx + at, g + at, x + at, a, b, k, l, n, relu);
        }
        settle();
        free(a);
    }
    free(scale);
}
