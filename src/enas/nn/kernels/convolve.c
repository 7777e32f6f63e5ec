/* Convolutions of 3x3 and 5x5 windows with stride 1 that keep the size, of a map that is rectified or not, with the statistics
   that a batch norm after them wants: an image or a few at a time, whose tiles (winograd.h) stay in the second cache.

   Letters: x the map, y the result, g a gradient. filter_step to tap_step: numbers between kernels of two filters, channels and
   taps. */
#include <omp.h>

#include "unit.h"
#include "winograd.h"

enum {
    BLOCK_TILES = 16, /* that are transformed and multiplied together */
    LEAST_TILES = 32, /* of images that are worked on together */
    OFTEN = 8         /* groups of images whose gradients are summed in float32 */
};

typedef struct {
    Shape in, out; /* framed for whole tiles; of channels and of filters */
    long m, across, tiles, images;
} Tiling;

static Shape framed_for_tiles(long height, long width, long channels, long kernel, long m) {
    Shape s = shape_of(height, width, channels, kernel);
    s.stride = (round_up(width, m) + kernel - 1) * s.padded;
    return s;
}

static Tiling tiling_of(long height, long width, long channels, long filters, long kernel) {
    long m = TILE - kernel + 1, across = round_up(width, m) / m, tiles = round_up(height, m) / m * across;
    return (Tiling){framed_for_tiles(height, width, channels, kernel, m), framed_for_tiles(height, width, filters, kernel, m),
                    m, across, tiles, (LEAST_TILES + tiles - 1) / tiles};
}

static long framed_tiles(Shape s, long m) { return (round_up(s.height, m) + s.kernel - 1) * s.stride; }

/* Numbers between two of the 36 places of a block's tiles: not a power of two, for the sake of the caches. */
static long place_of(Shape s) { return BLOCK_TILES * s.padded + LANES; }

static long row_of(Tiling t, long tile) { return tile % t.tiles / t.across * t.m; }
static long column_of(Tiling t, long tile) { return tile % t.tiles % t.across * t.m; }

/* Transform `n` tiles from `first` on of framed images. */
static void tiles_of_maps(const float *framed, Shape s, Tiling t, long first, long n, float *to) {
    for (long k = 0; k < n; k++) {
        long tile = first + k;
        const float *corner = framed + tile / t.tiles * framed_tiles(s, t.m) + row_of(t, tile) * s.stride;
        for (long v = 0; v < s.padded; v += LANES)
            tile_of_map(corner + column_of(t, tile) * s.padded + v, s.stride, s.padded, to + k * s.padded + v, place_of(s));
    }
}

static void tiles_of_gradients(float *framed, Shape s, Tiling t, long first, long n, float *to) {
    for (long k = 0; k < n; k++) {
        long tile = first + k;
        const float *corner = inside_margin(framed + tile / t.tiles * framed_tiles(s, t.m), s) + row_of(t, tile) * s.stride;
        for (long v = 0; v < s.padded; v += LANES) {
            const float *from = corner + column_of(t, tile) * s.padded + v;
            if (t.m == 4) tile_of_gradients(from, s.stride, s.padded, to + k * s.padded + v, place_of(s), 4);
            else tile_of_gradients(from, s.stride, s.padded, to + k * s.padded + v, place_of(s), 2);
        }
    }
}

/* Results of `n` tiles into padded images. */
static void tiles_of_results(const float *from, Shape s, Tiling t, long first, long n, float *padded) {
    for (long k = 0; k < n; k++) {
        long tile = first + k, row = row_of(t, tile), column = column_of(t, tile), stride = s.width * s.padded;
        float *corner = padded + (tile / t.tiles * s.pixels + row * s.width + column) * s.padded;
        for (long v = 0; v < s.padded; v += LANES) {
            const float *products = from + k * s.padded + v;
            if (t.m == 4)
                tile_of_results(products, place_of(s), corner + v, stride, s.padded, s.height - row, s.width - column, 4);
            else tile_of_results(products, place_of(s), corner + v, stride, s.padded, s.height - row, s.width - column, 2);
        }
    }
}

/* All 36 products of `n` transformed tiles: from[place][tile][channels of `a`] with matrices[place] to [place][tile][of `b`].
   What is `ahead` is fetched meanwhile, `lines` of it in all. */
static void multiply_tiles(const float *from, Shape a, const float *matrices, Shape b, long n, float *to, Ahead *ahead,
                           long *lines) {
    for (long place = 0; place < PLACES; place++) {
        const float *tiles = from + place * place_of(a);
        Ahead idle = {tiles, tiles};
        multiply(tiles, a.padded, matrices + place * a.channels * b.padded, to + place * place_of(b), n, a.channels, b.padded,
                 0, *lines > 0 ? ahead : &idle);
        *lines -= n / BLOCK * a.channels;
    }
}

/* y, and the statistics of its channels. */
void enas_convolve(const float *x, const float *kernels, long filter_step, long channel_step, long tap_step, long relu,
                   double epsilon, long images, long height, long width, long channels, long filters, long kernel, float *y,
                   float *mean, float *variance, float *inverse_std, long threads) {
    Steps steps = {filter_step, channel_step, tap_step};
    Tiling t = tiling_of(height, width, channels, filters, kernel);
    long size = t.in.pixels * channels, result = t.in.pixels * filters, groups = round_up(images, t.images) / t.images;
    float *matrices = lay_out_kernels(kernels, steps, channels, filters, kernel, 0, threads);
    double *totals = totals_of(2 * filters * threads);
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = zeros(t.images * framed_tiles(t.in, t.m)), *out = floats(t.images * t.out.pixels * t.out.padded);
        float *tiles = floats(PLACES * place_of(t.in)), *products = floats(PLACES * place_of(t.out));
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + 2 * filters * worker;
        share(groups, worker, omp_get_num_threads(), &begin, &end);
        for (long group = begin; group < end; group++) {
            long image = group * t.images, n = smaller(t.images, images - image), next = image + n;
            Ahead ahead = {x + next * size, y + next * result};
            long lines = n * (size + result) / 16;
            for (long k = 0; k < n; k++)
                frame(framed + k * framed_tiles(t.in, t.m), x + (image + k) * size, NULL, (int)relu, t.in);
            for (long tile = 0; tile < n * t.tiles; tile += BLOCK_TILES) {
                long some = smaller(BLOCK_TILES, n * t.tiles - tile);
                tiles_of_maps(framed, t.in, t, tile, some, tiles);
                multiply_tiles(tiles, t.in, matrices, t.out, some, products, &ahead, &lines);
                tiles_of_results(products, t.out, t, tile, some, out);
            }
            for (long k = 0; k < n; k++) {
                add_moments(out + k * t.out.pixels * t.out.padded, t.out.pixels, filters, mine, mine + filters);
                pack(y + (image + k) * result, out + k * t.out.pixels * t.out.padded, t.out.pixels, filters);
            }
        }
        free(framed);
        free(out);
        free(tiles);
        free(products);
    }
    finish_moments(totals, threads, filters, images * t.in.pixels, epsilon, mean, variance, inverse_std);
    free(matrices);
    free(totals);
}

/* Gradients of x and the kernels. g: gradient of the result of y's batch norm. weight to inverse_std: that norm; y_relu: whether
   it was rectified; d_weight and d_bias: the gradients of its weight and bias, known from enas_norm_sums. */
void enas_convolve_backward(const float *g, const float *y, const float *weight, const float *bias, const float *mean,
                            const float *inverse_std, long y_relu, const float *d_weight, const float *d_bias, const float *x,
                            const float *kernels, long filter_step, long channel_step, long tap_step, long relu, long images,
                            long height, long width, long channels, long filters, long kernel, float *dx, float *d_kernels,
                            long threads) {
    Steps steps = {filter_step, channel_step, tap_step};
    Tiling t = tiling_of(height, width, channels, filters, kernel);
    long size = t.in.pixels * channels, result = t.in.pixels * filters, groups = round_up(images, t.images) / t.images;
    long in_frame = framed_tiles(t.in, t.m), out_frame = framed_tiles(t.out, t.m);
    long one = round_up(channels, BLOCK) * t.out.padded, all = PLACES * one;
    float *matrices = lay_out_kernels(kernels, steps, channels, filters, kernel, 1, threads);
    float *line = lay_out_lines_back((Norm){weight, bias, mean, inverse_std}, d_weight, d_bias, images * t.in.pixels, filters);
    float *parts = floats(all * threads);
    double *before = groups > OFTEN * threads ? totals_of(all * threads) : NULL;
    long workers = 1;
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = zeros(t.images * in_frame), *framed_g = zeros(t.images * out_frame);
        float *out = floats(t.images * t.in.pixels * t.in.padded), *tiles = floats(PLACES * place_of(t.in));
        float *tiles_g = floats(PLACES * place_of(t.out));
        long begin, end, worker = omp_get_thread_num();
        float *sums = memset(parts + all * worker, 0, all * sizeof(float));
        if (worker == 0) workers = omp_get_num_threads();
        share(groups, worker, omp_get_num_threads(), &begin, &end);
        for (long group = begin; group < end; group++) {
            long image = group * t.images, n = smaller(t.images, images - image), next = image + n;
            Ahead ahead = {x + next * size, dx + next * size}, ahead_g = {g + next * result, y + next * result};
            long lines = n * 2 * size / 16, lines_g = n * 2 * result / 16;
            for (long k = 0; k < n; k++) {
                frame(framed + k * in_frame, x + (image + k) * size, NULL, (int)relu, t.in);
                float *inside = inside_margin(framed_g + k * out_frame, t.out);
                for (long h = 0; h < height; h++) {
                    long at = (image + k) * result + h * width * filters;
                    through_norm(g + at, y + at, line, y_relu, inside + h * t.out.stride, width, filters);
                }
            }
            for (long tile = 0; tile < n * t.tiles; tile += BLOCK_TILES) {
                long some = smaller(BLOCK_TILES, n * t.tiles - tile);
                tiles_of_maps(framed, t.in, t, tile, some, tiles);
                tiles_of_gradients(framed_g, t.out, t, tile, some, tiles_g);
                for (long place = 0; place < PLACES; place++) {
                    const float *from = tiles + place * place_of(t.in);
                    Ahead idle = {from, from};
                    add_outer(from, t.in.padded, tiles_g + place * place_of(t.out), sums + place * one, some, channels,
                              t.out.padded, lines_g > 0 ? &ahead_g : &idle);
                    lines_g -= some * round_up(channels, BLOCK) / BLOCK;
                }
                tiles_of_maps(framed_g, t.out, t, tile, some, tiles_g);
                multiply_tiles(tiles_g, t.out, matrices, t.in, some, tiles, &ahead, &lines);
                tiles_of_results(tiles, t.in, t, tile, some, out);
            }
            for (long k = 0; k < n; k++) {
                float *padded = out + k * t.in.pixels * t.in.padded;
                if (relu) drop_rectified(padded, framed + k * in_frame, t.in);
                pack(dx + (image + k) * size, padded, t.in.pixels, channels);
            }
            if (before && (group - begin) % OFTEN == OFTEN - 1) {
                for (long k = 0; k < all; k++) before[all * worker + k] += sums[k];
                memset(sums, 0, all * sizeof(float));
            }
        }
        free(framed);
        free(framed_g);
        free(out);
        free(tiles);
        free(tiles_g);
    }
    kernels_of_sums((Parts){parts, before, workers, one, t.out.padded}, channels, filters, kernel, d_kernels, steps, threads);
    free(matrices);
    free(line);
    free(parts);
    free(before);
}
