/* The layers of kws_kernels.c for the host alone (kws_exp/stream/inference.py), with the two convolutions once more:
 * sixteen output channels at a time, for processors with wide registers. The bytes are the same
 * (tests/stream/test_inference.py), ds_cnn's in under a third of the time (python -m benchmarks stream).
 *
 * The surprising fact: the plain convolution's products are summed as floating-point numbers, of which such a processor
 * makes more than of integers, and exactly so: where a sum could reach 2^24, the layer of kws_kernels.c runs. That one
 * also runs for few places, large layers, groups, and more than one output to an input channel of a depthwise layer.
 * Compile with -ffp-contract=fast, which allows fused multiply-adds and can change no exact sum.
 */
#define kws_conv_2d plain_conv_2d
#define kws_depthwise_conv_2d plain_depthwise_conv_2d
#include "kws_kernels.c"
#undef kws_conv_2d
#undef kws_depthwise_conv_2d

enum {
    LANES = 16,
    PLACES = 4, /* whose sums are made together: they share each weight that is loaded */
    WORTH = 16, /* places, below which the weights are not laid out anew */
    MOST_CHANNELS = 1024,
    MOST_LENGTH = 4096, /* weights of a filter */
    MOST_WEIGHTS = 1 << 18,
    EXACT = 1 << 24
};

/* A vector type wider than the processor's registers compiles to slower code than scalars. */
#if defined(__AVX512F__)
enum { REGISTER = 16 };
#elif defined(__AVX__)
enum { REGISTER = 8 };
#else
enum { REGISTER = 4 };
#endif
typedef float numbers __attribute__((vector_size(REGISTER * 4)));
typedef struct {
    numbers part[LANES / REGISTER];
} lanes;

/* Of a layer under way; channels are rounded up to LANES, and nothing is written for those beyond the last. */
static lanes spread_weights[MOST_WEIGHTS / LANES]; /* [block of channels][row, column, input channel] */
static float seen[PLACES][MOST_LENGTH];
static struct {
    int32_t bias[MOST_CHANNELS];
    int32_t multiplier[MOST_CHANNELS];
    int32_t left[MOST_CHANNELS];
    int32_t right[MOST_CHANNELS];
    int32_t half[MOST_CHANNELS];    /* of what is shifted out to the right */
    int32_t towards[MOST_CHANNELS]; /* -1 with any shift to the right: halves go away from 0, as in kws_rescale */
} ending;

static int32_t rounded_up(int32_t channels)
{
    return (channels + LANES - 1) / LANES * LANES;
}

static void prepare_ending(const kws_requantization *to, const int32_t *bias, int32_t channels)
{
    for (int32_t channel = 0; channel < rounded_up(channels); ++channel) {
        const int32_t there = channel < channels, shift = there ? to->shift[channel] : 0;
        ending.bias[channel] = there ? bias[channel] : 0;
        ending.multiplier[channel] = there ? to->multiplier[channel] : 0;
        ending.left[channel] = shift > 0 ? shift : 0;
        ending.right[channel] = shift < 0 ? -shift : 0;
        ending.half[channel] = (int32_t)((uint32_t)1 << ending.right[channel] >> 1);
        ending.towards[channel] = shift < 0 ? -1 : 0;
    }
}

/* requantized() for LANES channels from `first`, without a branch. */
static void finish(const kws_requantization *to, const int32_t *sums, int32_t first, int32_t channels, int8_t *output)
{
    const int32_t zero_point = to->zero_point, minimum = to->minimum, maximum = to->maximum;
    const int32_t count = channels - first < LANES ? channels - first : LANES;
    int8_t bytes[LANES];
    for (int32_t i = 0; i < LANES; ++i) {
        const int32_t channel = first + i, sum = ending.bias[channel] + sums[i];
        const int32_t shifted = (int32_t)((uint32_t)sum << ending.left[channel]);
        const int64_t product = (int64_t)shifted * ending.multiplier[channel] + ((int32_t)1 << 30);
        const int32_t high = (int32_t)(uint32_t)((uint64_t)product >> 31); /* AVX2 shifts no signed 64 bits */
        const int32_t nudged = high + ending.half[channel] + (high >> 31 & ending.towards[channel]);
        bytes[i] = limited((nudged >> ending.right[channel]) + zero_point, minimum, maximum);
    }
    copy(output + first, bytes, count);
}

/* Lays the filters out with LANES of them side by side; returns whether all of their sums are exact. */
static int32_t spread(const int8_t *weights, int32_t filters, int32_t length)
{
    int32_t largest = 0;
    for (int32_t filter = 0; filter < filters; ++filter, weights += length) {
        float *to = (float *)(spread_weights + filter / LANES * length) + filter % LANES;
        int32_t sum = 0;
        for (int32_t i = 0; i < length; ++i) {
            to[i * LANES] = weights[i];
            sum += weights[i] < 0 ? -weights[i] : weights[i];
        }
        largest = sum > largest ? sum : largest;
    }
    return largest < EXACT / 128;
}

/* All filters on what is seen at some places. */
static void apply_spread(const kws_conv_2d_layer *layer, int32_t length, int32_t places, int8_t *output)
{
    const int32_t outputs = layer->window.output[2];
    for (int32_t first = 0; first < outputs; first += LANES) {
        const lanes *const weights = spread_weights + first / LANES * length;
        lanes sums[PLACES] = {{{{0}}}};
        for (int32_t i = 0; i < length; ++i)
            for (int32_t place = 0; place < PLACES; ++place)
                for (int32_t part = 0; part < LANES / REGISTER; ++part)
                    sums[place].part[part] += seen[place][i] * weights[i].part[part];
        for (int32_t place = 0; place < places; ++place) {
            int32_t whole[LANES];
            for (int32_t lane = 0; lane < LANES; ++lane)
                whole[lane] = (int32_t)((const float *)&sums[place])[lane];
            finish(&layer->result, whole, first, outputs, output + place * outputs);
        }
    }
}

void kws_conv_2d(const kws_conv_2d_layer *layer, const int8_t *input, int8_t *output, int8_t *scratch)
{
    const kws_window *const window = &layer->window;
    const int32_t channels = window->input[2], outputs = window->output[2];
    const int32_t length = window->kernel[0] * window->kernel[1] * channels;
    const int32_t count = window->output[0] * window->output[1];
    int8_t values[MOST_LENGTH];
    if (layer->groups > 1 || count < WORTH || length > MOST_LENGTH || outputs > MOST_CHANNELS ||
        rounded_up(outputs) > MOST_WEIGHTS / length || !spread(layer->weights, outputs, length)) {
        plain_conv_2d(layer, input, output, scratch);
        return;
    }
    prepare_ending(&layer->result, layer->bias, outputs);
    for (int32_t first = 0; first < count; first += PLACES, output += PLACES * outputs) {
        const int32_t places = count - first < PLACES ? count - first : PLACES;
        for (int32_t place = 0; place < places; ++place) {
            const int32_t top = (first + place) / window->output[1] * window->stride[0] - window->padding[0];
            const int32_t left = (first + place) % window->output[1] * window->stride[1] - window->padding[1];
            const kws_range columns = on_input(left, window->kernel[1], window->dilation[1], window->input[1]);
            gather(layer, input, top, columns, channels, values);
            for (int32_t i = 0; i < length; ++i)
                seen[place][i] = values[i];
        }
        apply_spread(layer, length, places, output);
    }
}

static void add_products(const int8_t *values, const int8_t *weights, int32_t zero_point, int32_t count,
                         int32_t *restrict sums)
{
    for (int32_t i = 0; i < count; ++i)
        sums[i] += (values[i] - zero_point) * weights[i];
}

void kws_depthwise_conv_2d(const kws_depthwise_conv_2d_layer *layer, const int8_t *input, int8_t *output)
{
    const kws_window *const window = &layer->window;
    const int32_t width = window->input[1], outputs = window->output[2];
    int32_t sums[MOST_CHANNELS];
    if (layer->multiplier != 1 || outputs > MOST_CHANNELS || window->output[0] * window->output[1] < WORTH) {
        plain_depthwise_conv_2d(layer, input, output);
        return;
    }
    prepare_ending(&layer->result, layer->bias, outputs);
    for (int32_t y = 0; y < window->output[0]; ++y) {
        const int32_t top = y * window->stride[0] - window->padding[0];
        const kws_range rows = on_input(top, window->kernel[0], window->dilation[0], window->input[0]);
        for (int32_t x = 0; x < window->output[1]; ++x, output += outputs) {
            const int32_t left = x * window->stride[1] - window->padding[1];
            const kws_range columns = on_input(left, window->kernel[1], window->dilation[1], width);
            for (int32_t channel = 0; channel < rounded_up(outputs); ++channel)
                sums[channel] = 0;
            for (int32_t row = rows.first; row < rows.end; ++row)
                for (int32_t column = columns.first; column < columns.end; ++column)
                    add_products(input + ((top + row * window->dilation[0]) * width + left +
                                          column * window->dilation[1]) * outputs,
                                 layer->weights + (row * window->kernel[1] + column) * outputs,
                                 layer->input_zero_point, outputs, sums);
            for (int32_t first = 0; first < outputs; first += LANES)
                finish(&layer->result, sums + first, first, outputs, output);
        }
    }
}
