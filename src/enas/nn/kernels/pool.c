/* Pooling, 3x3 with stride 1, and picking of pixels, of maps in channels-last memory format. */
#include <omp.h>

#include "vector.h"

typedef struct {
    long height, line, channels, stride;
} Image;

/* One over how many of three neighbours there are. */
static float share_of(long at, long n) { return 1.0f / (float)(1 + (at > 0) + (at < n - 1)); }

/* Whether rows of a map are written past the caches. */
static int is_much(const float *y, long images, Image s) {
    return images * s.height * s.line >= MUCH && s.line % LANES == 0 && (uintptr_t)y % sizeof(vec) == 0;
}

static void put_row(const float *row, float *to, int past, Image s) {
    if (past) {
        for (long t = 0; t < s.line; t += LANES) stream(to + t, load(row + t));
    } else memcpy(to, row, s.line * sizeof(float));
}

/* Of each number of a row the sum with its two neighbours, times `share` and its factor. */
static void add_neighbours(const float *row, float share, const float *factors, float *to, int past, Image s) {
    const float *left = row - s.channels, *right = row + s.channels;
    if (past) {
        for (long t = 0; t < s.line; t += LANES)
            stream(to + t, (load(left + t) + load(row + t) + load(right + t)) * (share * load(factors + t)));
    } else {
#pragma omp simd
        for (long t = 0; t < s.line; t++) to[t] = (left[t] + row[t] + right[t]) * (share * factors[t]);
    }
}

/* An image's averages of the numbers that lie within the window; or back: where `back`, from the gradients of the averages to
   those of the numbers. wide: a row between two margins of a pixel of zeros; shares: of each number of a row, and as many ones. */
static void average_image(const float *x, float *y, float *wide, const float *shares, long back, int past, Image s) {
    float *row = wide + s.channels;
    for (long h = 0; h < s.height; h++) {
        long first = h > 0 ? h - 1 : 0, last = smaller(h + 1, s.height - 1);
        float share = back ? 1 : share_of(h, s.height);
        for (long r = first; r <= last; r++) {
            const float *from = x + r * s.line, factor = back ? share_of(r, s.height) : 1;
            if (r == first) {
#pragma omp simd
                for (long t = 0; t < s.line; t++) row[t] = factor * from[t];
            } else {
#pragma omp simd
                for (long t = 0; t < s.line; t++) row[t] += factor * from[t];
            }
        }
        if (back)
#pragma omp simd
            for (long t = 0; t < s.line; t++) row[t] *= shares[t];
        add_neighbours(row, share, back ? shares + s.line : shares, y + h * s.line, past, s);
    }
}

void enas_average_pool(const float *x, long images, long height, long width, long channels, long back, float *y, long threads) {
    Image s = {height, width * channels, channels, 0};
    float *shares = floats(2 * s.line);
    for (long t = 0; t < s.line; t++) shares[t] = share_of(t / channels, width);
    for (long t = s.line; t < 2 * s.line; t++) shares[t] = 1;
    int past = is_much(y, images, s);
#pragma omp parallel num_threads((int)threads)
    {
        float *wide = zeros(s.line + 2 * channels);
        long begin, end;
        share(images, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++)
            average_image(x + image * height * s.line, y + image * height * s.line, wide, shares, back, past, s);
        settle();
        free(wide);
    }
    free(shares);
}

/* The largest of nine numbers, the first where several are, and its place among the nine; the middle where all are minus
   infinity. What is no number wins. */
static inline void largest(const float *x, Image s, vec *most, ivec *place) {
    *most = splat(-INFINITY);
    *place = (ivec){0} + 4;
    for (int tap = 0; tap < 9; tap++) {
        vec value = load(x + tap / 3 * s.stride + tap % 3 * s.channels);
        ivec larger = (value > *most) | (value != value);
        *most = choose(larger, value, *most);
        *place = (ivec)choose(larger, (vec)((ivec){0} + tap), (vec)*place);
    }
}

static void pool_image(const float *framed, float *y, uint8_t *places, float *row, uint8_t *place_row, int past, Image s) {
    for (long h = 0; h < s.height; h++) {
        for (long t = 0; t < s.line; t += LANES) {
            vec most;
            ivec place;
            largest(framed + h * s.stride + t, s, &most, &place);
            store(row + t, most);
            if (places) *(bytes *)(place_row + t) = __builtin_convertvector(place, bytes);
        }
        put_row(row, y + h * s.line, past, s);
        if (places) memcpy(places + h * s.line, place_row, s.line);
    }
}

/* y = maxima of x, and where each was, one byte a number; places may be NULL. */
void enas_max_pool(const float *x, long images, long height, long width, long channels, float *y, uint8_t *places,
                   long threads) {
    Image s = {height, width * channels, channels, (width + 2) * channels};
    long size = height * s.line, framed_size = (height + 2) * s.stride + LANES;
    int past = is_much(y, images, s);
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = floats(framed_size), *row = floats(round_up(s.line, LANES));
        uint8_t *place_row = found(malloc((size_t)round_up(s.line, LANES)));
        for (long k = 0; k < framed_size; k++) framed[k] = -INFINITY;
        long begin, end;
        share(images, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++) {
            for (long h = 0; h < height; h++)
                memcpy(framed + (h + 1) * s.stride + channels, x + image * size + h * s.line, s.line * sizeof(float));
            pool_image(framed, y + image * size, places ? places + image * size : NULL, row, place_row, past, s);
        }
        settle();
        free(framed);
        free(row);
        free(place_row);
    }
}

/* dx of an image: each number of g goes to where its maximum was. Each number of dx looks at the nine windows that it lies in. */
static void scatter_image(const float *g, const uint8_t *places, float *dx, Image s) {
    for (long h = 0; h < s.height; h++) {
        float *row = dx + h * s.line;
        for (int tap = 0; tap < 9; tap++) { /* the window's middle; this number is at place 8 - tap of it */
            long at = (h + tap / 3) * s.stride + tap % 3 * s.channels;
            const float *from = g + at;
            const uint8_t *place = places + at, wanted = (uint8_t)(8 - tap);
            if (tap == 0) memset(row, 0, s.line * sizeof(float));
#pragma omp simd
            for (long t = 0; t < s.line; t++) row[t] += place[t] == wanted ? from[t] : 0;
        }
    }
}

void enas_max_pool_backward(const float *g, const uint8_t *places, long images, long height, long width, long channels,
                            float *dx, long threads) {
    Image s = {height, width * channels, channels, (width + 2) * channels};
    long size = height * s.line, framed_size = (height + 2) * s.stride;
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = floats(framed_size);
        uint8_t *framed_places = found(malloc((size_t)framed_size));
        memset(framed, 0, framed_size * sizeof(float));
        memset(framed_places, 255, framed_size);
        long begin, end;
        share(images, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++) {
            for (long h = 0; h < height; h++) {
                long to = (h + 1) * s.stride + channels, from = image * size + h * s.line;
                memcpy(framed + to, g + from, s.line * sizeof(float));
                memcpy(framed_places + to, places + from, s.line);
            }
            scatter_image(framed, framed_places, dx + image * size, s);
        }
        free(framed);
        free(framed_places);
    }
}

/* The pixels of even row and column and, as further channels, those of odd row and column; or back: where `back`, x is made of
   these, with zeros elsewhere. Height and width of x are even. */
void enas_halves(float *x, long images, long height, long width, long channels, float *both, long back, long threads) {
    long rows = images * height, line = width * channels, pixel = channels * (long)sizeof(float);
#pragma omp parallel for num_threads((int)threads)
    for (long r = 0; r < rows; r++) {
        float *whole = x + r * line + r % 2 * channels, *half = both + r / 2 * line + r % 2 * channels;
        if (back) memset(x + r * line, 0, line * sizeof(float));
        for (long w = 0; w < width / 2; w++, whole += 2 * channels, half += 2 * channels) {
            if (back) memcpy(whole, half, pixel);
            else memcpy(half, whole, pixel);
        }
    }
}
