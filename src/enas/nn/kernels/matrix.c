/* Products of a few rows with a large matrix, the same matrix again and again: recurrent states with weights that do not fit in
   the cache.

   The matrix is laid out once in panels of up to WIDE vectors of columns, one after the other as they are read, so that each
   piece of a panel can be fetched into the cache while the one before it is multiplied. The columns are divided among `parts`
   workers, and each part is cut into panels by itself. */
#include <omp.h>

#include "vector.h"

/* A block of the result has TALL rows and WIDE vectors, which leaves registers for a row of the panel. A piece of a panel, DEEP
   rows of it, stays in the first cache while all rows are multiplied with it. */
enum { TALL = MANY_REGISTERS ? 8 : 4, WIDE = 3, DEEP = 128, LINE = 64 / sizeof(float), STRIDE = 8 };
enum { WORTH_THREADS = 1 << 19 };

#define ALWAYS static inline __attribute__((always_inline))

static long vectors_of(long columns) { return round_up(columns, LANES) / LANES; }

/* One column of x times one row of a panel, added to the sums. Three addresses for up to eight rows, so that all fit in
   registers: x[0], x[3], x[6]. */
ALWAYS void multiply_row(const float *const *x, long at, long step, const float *w, vec *sum, const int rows, const int m) {
    vec row[WIDE];
#pragma GCC unroll 3
    for (int v = 0; v < m; v++) row[v] = load(w + v * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        float value = x[r / 3][at + r % 3 * step];
#pragma GCC unroll 3
        for (int v = 0; v < m; v++) sum[r * m + v] += value * row[v];
    }
}

/* Some rows of x times a piece of a panel; `lines` of what comes next are fetched for every STRIDE rows of the piece. begin: what
   the sums begin with, or NULL. */
ALWAYS void multiply_block(const float *x, long x_step, const float *w, long depth, const float *begin, long begin_step,
                           float *y, long y_step, const float *next, long lines, const int rows, const int m) {
    vec sum[24];
#pragma GCC unroll 24
    for (int k = 0; k < rows * m; k++) sum[k] = begin ? load(begin + k / m * begin_step + k % m * LANES) : (vec){0};
    const float *some[3] = {x, x + 3 * x_step, x + 6 * x_step};
    long c = 0;
    for (; c + STRIDE <= depth; c += STRIDE) {
        for (long k = 0; k < lines; k++, next += LINE) __builtin_prefetch(next, 0, 2);
#pragma GCC unroll 8
        for (int i = 0; i < STRIDE; i++) multiply_row(some, c + i, x_step, w + (c + i) * m * LANES, sum, rows, m);
    }
    for (; c < depth; c++) multiply_row(some, c, x_step, w + c * m * LANES, sum, rows, m);
#pragma GCC unroll 24
    for (int k = 0; k < rows * m; k++) store(y + k / m * y_step + k % m * LANES, sum[k]);
}

/* All rows of x times one panel. */
ALWAYS void multiply_panel(const float *x, long x_step, long rows, const float *panel, long depth, const float *begin,
                           long begin_step, float *y, long y_step, const int m) {
    long blocks = (rows + TALL - 1) / TALL, lines = round_up(STRIDE * m * LANES, LINE * blocks) / (LINE * blocks);
    for (long at = 0; at < depth; at += DEEP) {
        long deep = smaller(DEEP, depth - at), r = 0;
        const float *piece = panel + at * m * LANES, *next = piece + deep * m * LANES, *from = x + at;
        const float *sums = at ? y : begin;
        long step = at ? y_step : begin_step;
#define BLOCK_OF(N)                                                                                                \
    for (; r + N <= rows; r += N, next += deep / STRIDE * lines * LINE)                                            \
    multiply_block(from + r * x_step, x_step, piece, deep, sums ? sums + r * step : NULL, step, y + r * y_step, y_step, next, \
                   lines, N, m)
        BLOCK_OF(TALL);
        BLOCK_OF(4);
        BLOCK_OF(2);
        BLOCK_OF(1);
#undef BLOCK_OF
    }
}

static void multiply_vectors(const float *x, long x_step, long rows, const float *panel, long depth, const float *begin,
                             long begin_step, float *y, long y_step, long m) {
    if (m == 3) multiply_panel(x, x_step, rows, panel, depth, begin, begin_step, y, y_step, 3);
    else if (m == 2) multiply_panel(x, x_step, rows, panel, depth, begin, begin_step, y, y_step, 2);
    else multiply_panel(x, x_step, rows, panel, depth, begin, begin_step, y, y_step, 1);
}

/* The last panel, whose last vector ends beyond the columns: by way of a panel of its own. */
static void multiply_last(const float *x, long x_step, long rows, const float *panel, long depth, const float *begin,
                          long begin_step, float *y, long y_step, long left, long m) {
    long step = m * LANES;
    float *mine = zeros(rows * step);
    for (long r = 0; begin && r < rows; r++) memcpy(mine + r * step, begin + r * begin_step, (size_t)left * sizeof(float));
    multiply_vectors(x, x_step, rows, panel, depth, begin ? mine : NULL, step, mine, step, m);
    for (long r = 0; r < rows; r++) memcpy(y + r * y_step, mine + r * step, (size_t)left * sizeof(float));
    free(mine);
}

/* y[rows][columns] = x[rows][depth] times the laid out matrix, plus begin[rows][columns] where there is one, which may be y
   itself. Rows are as many numbers apart as the steps say. */
void enas_multiply(const float *x, long x_step, long rows, const float *panels, long depth, long columns, long parts,
                   const float *begin, long begin_step, float *y, long y_step, long threads) {
    long vectors = vectors_of(columns);
    long workers = rows * depth * vectors * LANES < WORTH_THREADS ? 1 : smaller(threads, parts);
#pragma omp parallel for num_threads((int)workers)
    for (long part = 0; part < parts; part++) {
        long v, end;
        share(vectors, part, parts, &v, &end);
        for (long m; v < end; v += m) {
            m = smaller(WIDE, end - v);
            long first = v * LANES, left = columns - first;
            const float *panel = panels + first * depth, *sums = begin ? begin + first : NULL;
            if (left >= m * LANES)
                multiply_vectors(x, x_step, rows, panel, depth, sums, begin_step, y + first, y_step, m);
            else multiply_last(x, x_step, rows, panel, depth, sums, begin_step, y + first, y_step, left, m);
        }
    }
}

/* The panels of some vectors, which begin at whole lines: of `n` matrices of [depth][width] that stand side by side, their rows
   `step` numbers apart. Row after row, as they lie in memory. */
static void fill_panels(float *panels, long begin, long end, const float *const *matrices, long n, long width, long depth,
                        long step) {
    for (long c = 0; c < depth; c++)
        for (long v = begin, m; v < end; v += m) {
            m = smaller(WIDE, end - v);
            float *to = panels + (v * depth + c * m) * LANES, *stop = to + m * LANES;
            for (long column = v * LANES, take; to < stop && column < n * width; column += take, to += take) {
                take = smaller(width - column % width, stop - to);
                const float *from = matrices[column / width] + c * step + column % width;
                if (take == WIDE * LANES) {
                    for (int k = 0; k < WIDE; k++) stream(to + k * LANES, load(from + k * LANES));
                } else memcpy(to, from, (size_t)take * sizeof(float));
            }
            memset(to, 0, (size_t)(stop - to) * sizeof(float));
        }
}

/* The same of their transposes, one above the other: of `n` matrices of [columns][width]. As many of their rows are read side by
   side as make a vector. */
static void fill_turned(float *panels, long begin, long end, const float *const *matrices, long n, long width, long columns,
                        long step) {
    for (long v = begin; v < end; v++) {
        long first = v - (v - begin) % WIDE, m = smaller(WIDE, end - first), rows = smaller(LANES, columns - v * LANES);
        for (long k = 0; k < n; k++) {
            const float *from = matrices[k] + v * LANES * step;
            float *to = panels + (first * n * width + k * width * m + v - first) * LANES;
            for (long c = 0; c < width; c++, to += m * LANES) {
                vec column = {0};
                if (rows == LANES) {
                    for (int j = 0; j < LANES; j++) column[j] = from[j * step + c];
                } else {
                    for (int j = 0; j < rows; j++) column[j] = from[j * step + c];
                }
                stream(to, column);
            }
        }
    }
}

/* Lay out `n` matrices of [rows][width], whose rows are `step` numbers apart: side by side, or turned and one above the other. */
void enas_lay_out(const float *const *matrices, long n, long rows, long width, long step, long turned, long parts,
                  float *panels, long threads) {
    long columns = turned ? rows : n * width;
#pragma omp parallel for num_threads((int)threads)
    for (long part = 0; part < parts; part++) {
        long begin, end;
        share(vectors_of(columns), part, parts, &begin, &end);
        if (turned) fill_turned(panels, begin, end, matrices, n, width, columns, step);
        else fill_panels(panels, begin, end, matrices, n, width, rows, step);
        settle();
    }
}
