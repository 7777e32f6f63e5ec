/* Depthwise convolutions of stride 1 that keep the size, 3x3, 5x5 or 7x7, of maps in channels-last memory format: what
   PyTorch does slowly of them alone. */
#include <omp.h>

#include "image.h"

/* Gradient of the kernels, [channel][tap]. */
void enas_depthwise_kernels(const float *x, const float *g, long images, long height, long width, long channels, long kernel,
                            float *gradient, long threads) {
    Shape s = shape_of(height, width, channels, kernel);
    long size = s.pixels * channels, area = kernel * kernel;
    double *totals = totals_of(threads * area * s.padded);
#pragma omp parallel num_threads((int)threads)
    {
        float *framed = zeros(framed_size(s)), *framed_g = zeros(framed_size(s)), *sums = floats(area * s.padded);
        long begin, end, worker = omp_get_thread_num();
        double *mine = totals + worker * area * s.padded;
        share(images, worker, omp_get_num_threads(), &begin, &end);
        for (long image = begin; image < end; image++) {
            memset(sums, 0, area * s.padded * sizeof(float));
            frame(framed, x + image * size, NULL, 0, s);
            frame(framed_g, g + image * size, NULL, 0, s);
            correlate(framed, framed_g, sums, s);
            for (long k = 0; k < area * s.padded; k++) mine[k] += sums[k];
        }
        free(framed);
        free(framed_g);
        free(sums);
    }
    for (long c = 0; c < channels; c++)
        for (long tap = 0; tap < area; tap++) {
            double total = 0;
            for (long t = 0; t < threads; t++)
                total += totals[(t * s.padded + c / LANES * LANES) * area + tap * LANES + c % LANES];
            gradient[c * area + tap] = (float)total;
        }
    free(totals);
}
