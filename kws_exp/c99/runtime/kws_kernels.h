/* The int8 layers of a network, byte for byte what the reference kernels of TensorFlow Lite Micro compute.
 *
 * No heap, no floating point, no library; exp, tanh and the like are tables. Tensors lie as in TensorFlow Lite: a
 * batch of 1, (height, width, channels), channels innermost. The parameters of a layer are constants that kws_exp
 * computes (kws_exp/c99/kernels.py mirrors these structures field by field). Nothing is checked at run time, and no
 * output may overlap an input. Compile with -ffunction-sections and link with -Wl,--gc-sections, and the layers
 * that a network does not have take no flash.
 */
#ifndef KWS_KERNELS_H_
#define KWS_KERNELS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From a sum of products to int8: sum * multiplier * 2^(shift - 31) + zero_point, limited. */
typedef struct {
    int32_t zero_point;
    int32_t minimum; /* the limits hold the fused activation, too */
    int32_t maximum;
    const int32_t *multiplier; /* of each output channel */
    const int8_t *shift;       /* of each output channel, -31 to 30; to the left if above 0 */
} kws_requantization;

/* A kernel that slides over an input. */
typedef struct {
    int32_t input[3];  /* height, width, channels */
    int32_t output[3]; /* height, width, channels */
    int32_t kernel[2]; /* height, width; so are those below */
    int32_t stride[2];
    int32_t dilation[2];
    int32_t padding[2]; /* rows above and columns left of the input; below and right it is what is left */
} kws_window;

/* Each group of input channels has output[2] / groups filters of its own. */
typedef struct {
    kws_window window;
    int32_t groups;
    int32_t input_zero_point; /* what filters see beside the input */
    const int8_t *weights;    /* [output channel][row][column][input channel of the group] */
    const int32_t *bias;      /* less the zero point times the sum of the filter's weights */
    kws_requantization result;
} kws_conv_2d_layer;

/* Output channel c sees input channel c / multiplier alone. */
typedef struct {
    kws_window window;
    int32_t multiplier;
    int32_t input_zero_point;
    const int8_t *weights; /* [row][column][output channel] */
    const int32_t *bias;
    kws_requantization result;
} kws_depthwise_conv_2d_layer;

typedef struct {
    int32_t rows; /* each goes through the layer alone */
    int32_t inputs;
    int32_t outputs;
    const int8_t *weights; /* [output][input] */
    const int32_t *bias;   /* less the zero point of the input times the sum of the output's weights */
    kws_requantization result;
} kws_fully_connected_layer;

typedef struct {
    kws_window window;
    int32_t minimum;
    int32_t maximum;
} kws_pool_2d_layer;

/* (outer, count, inner) to (outer, inner). */
typedef struct {
    int32_t outer;
    int32_t count;
    int32_t inner;
    int32_t bias;       /* -count * zero point of the input */
    int32_t multiplier; /* of a mean: divided by count */
    int32_t shift;
    int32_t zero_point;
} kws_sum_layer;

/* (outer, count, inner) to (outer, inner). */
typedef struct {
    int32_t outer;
    int32_t count;
    int32_t inner;
} kws_reduce_max_layer;

/* One of two inputs. In a sum it counts as sign * (value - zero_point) * 2^20 * multiplier * 2^(shift - 31). */
typedef struct {
    int32_t step[4]; /* from a value to the next in each dimension of the output; 0 repeats it */
    int32_t zero_point;
    int32_t sign; /* -1 to subtract; a product has no use for it and for what follows */
    int32_t multiplier;
    int32_t shift;
} kws_operand;

typedef struct {
    int32_t shape[4];
    kws_operand first;
    kws_operand second;
    int32_t multiplier;
    int32_t shift;
    int32_t zero_point;
    int32_t minimum;
    int32_t maximum;
} kws_binary_layer;

/* A block of values from one tensor into another, whose other values are first set to `filling`. */
typedef struct {
    int32_t shape[4];
    int32_t input_step[4];
    int32_t output_step[4];
    int32_t output_start;
    int32_t filled; /* values to set first; 0: none */
    int32_t filling;
} kws_copy_layer;

typedef struct {
    int32_t rows; /* each sums to 1 */
    int32_t depth;
    int32_t reach;              /* values that lie this far below the largest count for nothing */
    const int32_t *exponential; /* exp(-n * scale of the input), Q0.31, for n = 0 ... reach - 1 */
} kws_softmax_layer;

/* Any function of a single value. */
typedef struct {
    int32_t size;
    const int8_t *table; /* of the values -128 ... 127 */
} kws_lookup_layer;

/* `scratch` holds what a filter of more than one value sees: as many bytes as the filter has weights. */
void kws_conv_2d(const kws_conv_2d_layer *layer, const int8_t *input, int8_t *output, int8_t *scratch);
void kws_depthwise_conv_2d(const kws_depthwise_conv_2d_layer *layer, const int8_t *input, int8_t *output);
void kws_fully_connected(const kws_fully_connected_layer *layer, const int8_t *input, int8_t *output);
void kws_average_pool_2d(const kws_pool_2d_layer *layer, const int8_t *input, int8_t *output);
void kws_max_pool_2d(const kws_pool_2d_layer *layer, const int8_t *input, int8_t *output);
void kws_sum(const kws_sum_layer *layer, const int8_t *input, int8_t *output);
void kws_reduce_max(const kws_reduce_max_layer *layer, const int8_t *input, int8_t *output);
void kws_add(const kws_binary_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);
void kws_multiply(const kws_binary_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);
void kws_copy(const kws_copy_layer *layer, const int8_t *input, int8_t *output);
void kws_softmax(const kws_softmax_layer *layer, const int8_t *input, int8_t *output);
void kws_lookup(const kws_lookup_layer *layer, const int8_t *input, int8_t *output);

/* value * multiplier * 2^(shift - 31), rounded as all layers do it: after the product, halves upwards, and again
 * after a shift to the right, halves away from zero. The multiplier is 0 ... 2^31 - 1; the value, shifted if it is
 * to the left, must lie within 2^30. */
int32_t kws_rescale(int32_t value, int32_t multiplier, int32_t shift);

#ifdef __cplusplus
}
#endif

#endif /* KWS_KERNELS_H_ */
