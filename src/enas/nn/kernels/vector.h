/* What all kernels share: vectors as wide as the processor's, and how work is divided. */
#ifndef ENAS_VECTOR_H
#define ENAS_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX__)
#include <immintrin.h>
#endif

/* Numbers in a vector. Wider ones than the processor has are taken apart by some compilers into single numbers. */
#if defined(__AVX512F__)
enum { LANES = 16, MANY_REGISTERS = 1 };
#elif defined(__AVX__)
enum { LANES = 8, MANY_REGISTERS = 0 };
#elif defined(__aarch64__)
enum { LANES = 4, MANY_REGISTERS = 1 };
#else
enum { LANES = 4, MANY_REGISTERS = 0 };
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

/* Numbers of a map that is written past the caches: most of it would not stay there until it is read. */
enum { MUCH = 1 << 18 };

/* Write past the caches, to an address that is a multiple of the vector's size: a plain store fetches what it writes over. After
   the last one comes `settle`. */
static inline void stream(float *p, vec v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX__)
    _mm256_stream_ps(p, (__m256)v);
#else
    store(p, v);
#endif
}

/* Make what was streamed visible to other threads. */
static inline void settle(void) {
#if defined(__AVX__)
    _mm_sfence();
#endif
}

static inline vec splat(float a) { return a - (vec){0}; } /* not +: that would be an addition, for the sake of -0 */

/* yes where the mask is set, no elsewhere */
static inline vec choose(ivec mask, vec yes, vec no) { return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask)); }

/* a * b + c, rounded once where the processor has an instruction for it: elsewhere fmaf would be a slow function of the library. */
static inline float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* Zero where negative; what is no number stays. */
static inline float rectify(float v) { return v < 0 ? 0 : v; }
static inline vec rectify_vec(vec v) { return choose(v < 0, splat(0), v); }

static inline long round_up(long n, long to) { return (n + to - 1) / to * to; }
static inline long smaller(long a, long b) { return a < b ? a : b; }

/* The share [*begin, *end) that one of several workers has of n pieces. */
static inline void share(long n, long worker, long workers, long *begin, long *end) {
    *begin = n * worker / workers;
    *end = n * (worker + 1) / workers;
}

/* A place in a map, or nothing of a map that is not there. */
static inline const float *part_of(const float *map, long at) { return map ? map + at : NULL; }

static inline void *found(void *memory) {
    if (memory) return memory;
    fputs("enas: out of memory\n", stderr);
    abort();
}

enum { SLACK = 16 };

/* Scratch memory. SLACK numbers may be read beyond its end: of the last pixel, a product of several rows reads into the next. */
static inline float *floats(long n) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (size_t)(n + SLACK) * sizeof(float))) memory = NULL;
    return found(memory);
}

static inline float *zeros(long n) { return memset(floats(n), 0, (size_t)(n + SLACK) * sizeof(float)); }

static inline double *totals_of(long n) { return found(calloc((size_t)n, sizeof(double))); }

#endif
