/* Nodes of a recurrent cell at one place: s = p + sigmoid(g) * (f(a) - p), with a and g from one matrix product.

   products[text][0: a, 1: g][node][width] become f(a) and sigmoid(g). The nodes of a call read one predecessor p[text][width].
   Coefficients of the exponential function and of the hyperbolic tangent are those of Cephes (Moshier 1992). */
#include <omp.h>

#include "vector.h"

enum { TANH, RELU, SIGMOID, IDENTITY };
enum { WORTH_THREADS = 1 << 15 };

static inline vec exponential(vec x) {
    x = choose(x < -87, splat(-87), choose(x > 88, splat(88), x));
    vec shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the sum's last bits are the nearest whole number */
    vec n = shifted - 12582912.0f, r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return p * (vec)(((ivec)shifted + 127) << 23);
}

static inline vec sigmoid(vec x) { return 1 / (1 + exponential(-x)); }

static inline vec tangent(vec x) {
    vec size = choose(x < 0, -x, x), z = x * x;
    vec far = 1 - 2 / (exponential(2 * size) + 1);
    vec near = z * -5.70498872745e-3f + 2.06390887954e-2f;
    near = near * z - 5.37397155531e-2f;
    near = near * z + 1.33314422036e-1f;
    near = near * z - 3.33332819422e-1f;
    near = near * z * x + x;
    return choose(size > 0.625f, choose(x < 0, -far, far), near);
}

static inline vec activate(vec x, long f) {
    if (f == TANH) return tangent(x);
    if (f == RELU) return rectify_vec(x);
    if (f == SIGMOID) return sigmoid(x);
    return x;
}

/* Gradient of what was activated, from that of its value y. */
static inline vec go_back(vec gradient, vec y, long f) {
    if (f == TANH) return gradient * (1 - y * y);
    if (f == RELU) return choose(y <= 0, splat(0), gradient);
    if (f == SIGMOID) return gradient * y * (1 - y);
    return gradient;
}

/* Between from (gate 0) and to (gate 1): of the two forms the one that is exact at the nearer end. */
static inline vec between(vec from, vec to, vec gate) {
    vec way = to - from;
    return choose(gate < 0.5f, from + gate * way, to - (1 - gate) * way);
}

/* The first n numbers of a vector, the others zero, and their writing. */
static inline vec load_some(const float *p, long n) {
    if (n >= LANES) return load(p);
    vec v = {0};
    memcpy(&v, p, n * sizeof(float));
    return v;
}

static inline void store_some(float *p, vec v, long n) {
    if (n >= LANES) store(p, v);
    else memcpy(p, &v, n * sizeof(float));
}

/* states[text][node][width], which may be parts of longer rows: p_step and s_step numbers from text to text. */
void enas_gates(float *products, const float *p, long p_step, const int32_t *activations, long texts, long nodes, long width,
                float *states, long s_step, long threads) {
    long workers = texts * nodes * width < WORTH_THREADS ? 1 : threads;
#pragma omp parallel for num_threads((int)workers)
    for (long b = 0; b < texts; b++)
        for (long k = 0; k < nodes; k++) {
            float *a = products + (2 * b * nodes + k) * width, *g = a + nodes * width;
            const float *before = p + b * p_step;
            float *state = states + b * s_step + k * width;
            for (long j = 0; j < width; j += LANES) {
                long n = width - j;
                vec value = activate(load_some(a + j, n), activations[k]), gate = sigmoid(load_some(g + j, n));
                vec from = load_some(before + j, n);
                store_some(a + j, value, n);
                store_some(g + j, gate, n);
                store_some(state + j, between(from, value, gate), n);
            }
        }
}

/* slopes[text][0: a, 1: g][node][width]: gradients of the products from those of the states; direct[text][width], d_step numbers
   from text to text: what goes to the predecessor itself, of all nodes, is written or added. */
void enas_gates_backward(const float *gradients, const float *products, const float *p, long p_step,
                         const int32_t *activations, long texts, long nodes, long width, float *slopes, float *direct,
                         long d_step, long add, long threads) {
    long workers = texts * nodes * width < WORTH_THREADS ? 1 : threads;
#pragma omp parallel for num_threads((int)workers)
    for (long b = 0; b < texts; b++)
        for (long j = 0; j < width; j += LANES) {
            long n = width - j;
            float *to = direct + b * d_step + j;
            vec from = load_some(p + b * p_step + j, n), sum = add ? load_some(to, n) : (vec){0};
            for (long k = 0; k < nodes; k++) {
                long at = (2 * b * nodes + k) * width + j, gate_at = at + nodes * width;
                vec grad = load_some(gradients + (b * nodes + k) * width + j, n);
                vec value = load_some(products + at, n), gate = load_some(products + gate_at, n), open = grad * gate;
                store_some(slopes + at, go_back(open, value, activations[k]), n);
                store_some(slopes + gate_at, grad * (value - from) * gate * (1 - gate), n);
                sum += grad - open;
            }
            store_some(to, sum, n);
        }
}
