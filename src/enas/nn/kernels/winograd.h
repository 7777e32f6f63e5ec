/* Convolutions with few products (Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308): a tile of 6 x 6 numbers of each channel
   becomes 36 others, of which each meets one number of the kernel, transformed likewise; what comes out becomes m x m results,
   4 x 4 for windows of 3 x 3 and 2 x 2 for 5 x 5: 4 and 2.8 times fewer products than one by one.

   The transforms go through the points 0, 1, -1, A, -A and infinity. A = 1.5 costs little precision: results differ from exact
   ones by 1.3e-6 of their size, where those of plain products do by 3e-7 to 5e-7. */
#ifndef ENAS_WINOGRAD_H
#define ENAS_WINOGRAD_H

#include "image.h"

enum { TILE = 6, PLACES = TILE * TILE };
#define A 1.5f
#define AA (A * A)

/* Six numbers of a map. */
static inline __attribute__((always_inline)) void of_map(const vec *d, vec *t, const int step) {
    vec even = d[4 * step] - AA * d[2 * step], odd = d[3 * step] - AA * d[step];
    vec more = d[4 * step] - d[2 * step], most = A * (d[3 * step] - d[step]);
    vec first = AA * d[0] - (1 + AA) * d[2 * step] + d[4 * step];
    vec last = AA * d[step] - (1 + AA) * d[3 * step] + d[5 * step];
    t[0] = first;
    t[step] = even + odd;
    t[2 * step] = even - odd;
    t[3 * step] = more + most;
    t[4 * step] = more - most;
    t[5 * step] = last;
}

/* `m` results of six products. */
static inline __attribute__((always_inline)) void to_results(const vec *t, vec *y, const int step, const int m) {
    vec s1 = t[step] + t[2 * step], d1 = t[step] - t[2 * step], s2 = t[3 * step] + t[4 * step], d2 = t[3 * step] - t[4 * step];
    y[0] = t[0] + s1 + s2;
    if (m == 2) y[step] = d1 + A * d2 + t[5 * step];
    else {
        y[step] = d1 + A * d2;
        y[2 * step] = s1 + AA * s2;
        y[3 * step] = d1 + AA * A * d2 + t[5 * step];
    }
}

/* Its transpose: six numbers of `m` gradients. */
static inline __attribute__((always_inline)) void of_gradients(const vec *y, vec *t, const int step, const int m) {
    vec even = y[0], odd = y[step], more = y[0], most = A * y[step], last = y[(m - 1) * step];
    if (m == 4) {
        even += y[2 * step];
        odd += y[3 * step];
        more += AA * y[2 * step];
        most += AA * A * y[3 * step];
    }
    t[0] = y[0];
    t[step] = even + odd;
    t[2 * step] = even - odd;
    t[3 * step] = more + most;
    t[4 * step] = more - most;
    t[5 * step] = last;
}

/* One vector of a tile's channels to its 36 places, which are `place` numbers apart. x: the tile's corner in a framed image. */
static inline void tile_of_map(const float *x, long stride, long padded, float *to, long place) {
    vec d[PLACES];
#pragma GCC unroll 6
    for (int i = 0; i < TILE; i++) {
#pragma GCC unroll 6
        for (int j = 0; j < TILE; j++) d[i * TILE + j] = load(x + i * stride + j * padded);
        of_map(d + i * TILE, d + i * TILE, 1);
    }
#pragma GCC unroll 6
    for (int j = 0; j < TILE; j++) {
        of_map(d + j, d + j, TILE);
#pragma GCC unroll 6
        for (int i = 0; i < TILE; i++) store(to + (i * TILE + j) * place, d[i * TILE + j]);
    }
}

/* The same of a tile of m x m gradients. */
static inline __attribute__((always_inline)) void tile_of_gradients(const float *g, long stride, long padded, float *to,
                                                                    long place, const int m) {
    vec d[PLACES];
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        vec row[4];
#pragma GCC unroll 4
        for (int j = 0; j < m; j++) row[j] = load(g + i * stride + j * padded);
        of_gradients(row, d + i * TILE, 1, m);
    }
#pragma GCC unroll 6
    for (int j = 0; j < TILE; j++) {
        vec column[4], all[TILE];
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) column[i] = d[i * TILE + j];
        of_gradients(column, all, 1, m);
#pragma GCC unroll 6
        for (int i = 0; i < TILE; i++) store(to + (i * TILE + j) * place, all[i]);
    }
}

/* One vector of channels from the 36 places to m x m results, of which `rows` x `columns` lie within the image. */
static inline __attribute__((always_inline)) void tile_of_results(const float *from, long place, float *y, long stride,
                                                                  long padded, long rows, long columns, const int m) {
    vec d[PLACES];
#pragma GCC unroll 6
    for (int i = 0; i < TILE; i++) {
        vec row[TILE];
#pragma GCC unroll 6
        for (int j = 0; j < TILE; j++) row[j] = load(from + (i * TILE + j) * place);
        to_results(row, d + i * TILE, 1, m);
    }
#pragma GCC unroll 4
    for (int j = 0; j < m; j++) {
        vec column[4];
        to_results(d + j, d + j, TILE, m);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) column[i] = d[i * TILE + j];
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
            if (i < rows && j < columns) store(y + i * stride + j * padded, column[i]);
    }
}

/* The transform of kernels, 6 x kernel numbers: powers of a point over the product of its distances to the others. */
static void kernel_transform(long kernel, double *g) {
    const double points[] = {0, 1, -1, A, -A};
    for (int i = 0; i < 5; i++) {
        double distances = 1, power = 1;
        for (int j = 0; j < 5; j++)
            if (j != i) distances *= points[i] - points[j];
        for (long l = 0; l < kernel; l++, power *= points[i]) g[i * kernel + l] = power / distances;
    }
    for (long l = 0; l < kernel; l++) g[5 * kernel + l] = l == kernel - 1;
}

/* to[0 to n] = sum of `count` lines, `distance` numbers apart, each times its factor. */
static void combine(const float *lines, long distance, const double *factors, long count, long n, float *to) {
    for (long q = 0; q < n; q += LANES) {
        vec sum = {0};
        for (long k = 0; k < count; k++) sum += (float)factors[k] * load(lines + k * distance + q);
        store(to + q, sum);
    }
}

/* Where kernels are in memory: numbers between two filters, channels and taps. */
typedef struct {
    long filter, channel, tap;
} Steps;

/* matrices[place][row][column] of kernels: rows are channels and columns filters, filled up to whole vectors; or, for the gradient,
   rows are filters, columns channels, and kernels are turned around by half a circle. */
static float *lay_out_kernels(const float *kernels, Steps s, long channels, long filters, long kernel, int back, long threads) {
    long rows = back ? filters : channels, columns = back ? channels : filters, area = kernel * kernel;
    long step = round_up(columns, LANES), row_step = back ? s.filter : s.channel, column_step = back ? s.channel : s.filter;
    float *matrices = floats(PLACES * rows * step);
    double g[TILE * 5];
    kernel_transform(kernel, g);
#pragma omp parallel num_threads((int)threads)
    {
        float *taps = zeros((25 + TILE * 5) * step), *half = taps + 25 * step;
#pragma omp for
        for (long r = 0; r < rows; r++) {
            for (long q = 0; q < columns; q++)
                for (long tap = 0; tap < area; tap++)
                    taps[tap * step + q] = kernels[r * row_step + q * column_step + (back ? area - 1 - tap : tap) * s.tap];
            for (long i = 0; i < TILE; i++)
                for (long b = 0; b < kernel; b++)
                    combine(taps + b * step, kernel * step, g + i * kernel, kernel, step, half + (i * 5 + b) * step);
            for (long i = 0; i < TILE; i++)
                for (long j = 0; j < TILE; j++)
                    combine(half + i * 5 * step, step, g + j * kernel, kernel, step,
                            matrices + ((i * TILE + j) * rows + r) * step);
        }
        free(taps);
    }
    return matrices;
}

/* Gradients of transformed kernels that workers have summed: sums[worker][place][channel][filter], `size` numbers a place and
   `step` a channel; and before that in float64, where they were too many for float32, or NULL. */
typedef struct {
    const float *sums;
    const double *before;
    long workers, size, step;
} Parts;

/* One line of them, p.step numbers, put together. */
static inline void add_parts(Parts p, long place, long channel, float *to) {
    long first = place * p.size + channel * p.step, next = PLACES * p.size;
    for (long f = 0; f < p.step; f += LANES) {
        vec sum = load(p.sums + first + f);
        for (long w = 1; w < p.workers; w++) sum += load(p.sums + first + w * next + f);
        store(to + f, sum);
    }
    if (!p.before) return;
    for (long f = 0; f < p.step; f++) {
        double sum = to[f];
        for (long w = 0; w < p.workers; w++) sum += p.before[first + w * next + f];
        to[f] = (float)sum;
    }
}

/* Gradients of kernels from those of their transforms. */
static void kernels_of_sums(Parts parts, long channels, long filters, long kernel, float *kernels, Steps s, long threads) {
    long step = parts.step;
    double g[TILE * 5], back[5 * TILE];
    long area = kernel * kernel;
    kernel_transform(kernel, g);
    for (long i = 0; i < TILE; i++)
        for (long a = 0; a < kernel; a++) back[a * TILE + i] = g[i * kernel + a];
#pragma omp parallel num_threads((int)threads)
    {
        float *all = zeros((PLACES + 5 * TILE + 1) * step), *half = all + PLACES * step, *tap = half + 5 * TILE * step;
#pragma omp for
        for (long c = 0; c < channels; c++) {
            for (long place = 0; place < PLACES; place++) add_parts(parts, place, c, all + place * step);
            for (long a = 0; a < kernel; a++)
                for (long j = 0; j < TILE; j++)
                    combine(all + j * step, TILE * step, back + a * TILE, TILE, step, half + (a * TILE + j) * step);
            for (long k = 0; k < area; k++) {
                combine(half + k / kernel * TILE * step, step, back + k % kernel * TILE, TILE, step, tap);
                for (long f = 0; f < filters; f++) kernels[f * s.filter + c * s.channel + k * s.tap] = tap[f];
            }
        }
        free(all);
    }
}

#undef A
#undef AA
#endif
