/* See kws_kernels.h. */
#include "kws_kernels.h"

/* The standard leaves it to the compiler whether a negative number stays negative when shifted to the right. */
typedef char kws_right_shifts_keep_the_sign[(-1 >> 1) == -1 ? 1 : -1];

/* first * second / 2^31, halves upwards; not for two factors of -2^31. */
static int32_t multiply_high(int32_t first, int32_t second)
{
    return (int32_t)(((int64_t)first * second + ((int32_t)1 << 30)) >> 31);
}

int32_t kws_rescale(int32_t value, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    value = multiply_high((int32_t)((uint32_t)value << left), multiplier);
    if (shift < 0)
        value = (value + (int32_t)((uint32_t)1 << -shift >> 1) - (value < 0)) >> -shift;
    return value;
}

static int8_t limited(int32_t value, int32_t minimum, int32_t maximum)
{
    return (int8_t)(value < minimum ? minimum : value > maximum ? maximum : value);
}

static inline int8_t requantized(const kws_requantization *to, int32_t sum, int32_t channel)
{
    const int32_t value = kws_rescale(sum, to->multiplier[channel], to->shift[channel]) + to->zero_point;
    return limited(value, to->minimum, to->maximum);
}

/* The rows, or the columns, of a kernel that lie on the input. */
typedef struct {
    int32_t first;
    int32_t end;
    int32_t at; /* where `first` lies on the input */
} kws_range;

/* Of a kernel that starts at `start`, which may be below 0, on an input of `size`. */
static kws_range on_input(int32_t start, int32_t kernel, int32_t dilation, int32_t size)
{
    kws_range range = {0, kernel, start};
    if (start < 0) {
        range.first = (dilation - 1 - start) / dilation;
        range.at = start + range.first * dilation;
    }
    if (start + (kernel - 1) * dilation >= size)
        range.end = (size - start + dilation - 1) / dilation;
    if (range.end <= range.first)
        range.first = range.end = range.at = 0;
    return range;
}

/* Sums of products are made for one filter, or for four at once: a value that is loaded once then serves four sums,
 * all of them in registers. */
static int32_t dot(const int8_t *input, const int8_t *weights, int32_t length)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < length; ++i)
        sum += input[i] * weights[i];
    return sum;
}

static void dot_four(const int8_t *input, const int8_t *weights, int32_t length, int32_t sums[4])
{
    const int8_t *const weights_1 = weights + length;
    const int8_t *const weights_2 = weights_1 + length;
    const int8_t *const weights_3 = weights_2 + length;
    int32_t sum_0 = 0, sum_1 = 0, sum_2 = 0, sum_3 = 0;
    for (int32_t i = 0; i < length; ++i) {
        const int32_t value = input[i];
        sum_0 += value * weights[i];
        sum_1 += value * weights_1[i];
        sum_2 += value * weights_2[i];
        sum_3 += value * weights_3[i];
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
    sums[2] = sum_2;
    sums[3] = sum_3;
}

/* Filters first ... end - 1, each of `length` weights, on the same input. */
static void apply(const int8_t *input, int32_t length, const int8_t *weights, const int32_t *bias, int32_t first,
                  int32_t end, const kws_requantization *result, int8_t *output)
{
    const kws_requantization to = *result; /* here no output can lie over it, so its fields are read once */
    int32_t channel = first;
    for (weights += first * length; channel + 4 <= end; channel += 4, weights += 4 * length) {
        int32_t sums[4];
        dot_four(input, weights, length, sums);
        for (int32_t i = 0; i < 4; ++i)
            output[channel + i] = requantized(&to, bias[channel + i] + sums[i], channel + i);
    }
    for (; channel < end; ++channel, weights += length)
        output[channel] = requantized(&to, bias[channel] + dot(input, weights, length), channel);
}

void kws_fully_connected(const kws_fully_connected_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < layer->rows; ++row, input += layer->inputs, output += layer->outputs)
        apply(input, layer->inputs, layer->weights, layer->bias, 0, layer->outputs, &layer->result, output);
}

static int8_t *fill(int8_t *to, int32_t value, int32_t count)
{
    for (int32_t i = 0; i < count; ++i)
        to[i] = (int8_t)value;
    return to + count;
}

static int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    for (int32_t i = 0; i < count; ++i)
        to[i] = from[i];
    return to + count;
}

/* Lays out what a filter sees at one place as the filter is laid out; beside the input it sees the zero point.
 * `depth` channels count, from the first that `input` points to. */
static void gather(const kws_conv_2d_layer *layer, const int8_t *input, int32_t top, kws_range columns, int32_t depth,
                   int8_t *seen)
{
    const kws_window *const window = &layer->window;
    const int32_t channels = window->input[2], padding = layer->input_zero_point;
    const int32_t gapless = depth == channels && window->dilation[1] == 1;
    for (int32_t row = 0, y = top; row < window->kernel[0]; ++row, y += window->dilation[0]) {
        if (y < 0 || y >= window->input[0]) {
            seen = fill(seen, padding, window->kernel[1] * depth);
            continue;
        }
        const int8_t *from = input + (y * window->input[1] + columns.at) * channels;
        seen = fill(seen, padding, columns.first * depth);
        if (gapless)
            seen = copy(seen, from, (columns.end - columns.first) * depth);
        else
            for (int32_t column = columns.first; column < columns.end; ++column, from += window->dilation[1] * channels)
                seen = copy(seen, from, depth);
        seen = fill(seen, padding, (window->kernel[1] - columns.end) * depth);
    }
}

void kws_conv_2d(const kws_conv_2d_layer *layer, const int8_t *input, int8_t *output, int8_t *scratch)
{
    const kws_window *const window = &layer->window;
    const int32_t channels = window->input[2], outputs = window->output[2];
    const int32_t depth = channels / layer->groups, filters = outputs / layer->groups;
    const int32_t taps = window->kernel[0] * window->kernel[1], length = taps * depth;
    for (int32_t y = 0; y < window->output[0]; ++y) {
        const int32_t top = y * window->stride[0] - window->padding[0];
        for (int32_t x = 0; x < window->output[1]; ++x, output += outputs) {
            const int32_t left = x * window->stride[1] - window->padding[1];
            if (taps == 1 && layer->groups == 1) { /* what the filters see lies there already */
                apply(input + (top * window->input[1] + left) * channels, length, layer->weights, layer->bias, 0,
                      outputs, &layer->result, output);
                continue;
            }
            const kws_range columns = on_input(left, window->kernel[1], window->dilation[1], window->input[1]);
            for (int32_t group = 0; group < layer->groups; ++group) {
                gather(layer, input + group * depth, top, columns, depth, scratch);
                apply(scratch, length, layer->weights, layer->bias, group * filters, (group + 1) * filters,
                      &layer->result, output);
            }
        }
    }
}

/* The part of a depthwise kernel that lies on the input. */
typedef struct {
    int32_t rows;
    int32_t columns;
    int32_t input_row;    /* from a value of a channel to that one row further in the kernel */
    int32_t input_column; /* and one column further */
    int32_t weights_row;
    int32_t weights_column;
    int32_t zero_point;
} kws_part;

static int32_t depthwise_dot(const kws_part *part, const int8_t *input, const int8_t *weights)
{
    int32_t sum = 0;
    for (int32_t y = 0; y < part->rows; ++y)
        for (int32_t x = 0; x < part->columns; ++x)
            sum += (input[y * part->input_row + x * part->input_column] - part->zero_point) *
                   weights[y * part->weights_row + x * part->weights_column];
    return sum;
}

/* The same for four channels side by side. */
static void depthwise_dot_four(const kws_part *part, const int8_t *input, const int8_t *weights, int32_t sums[4])
{
    const int32_t columns = part->columns, zero_point = part->zero_point;
    const int32_t input_column = part->input_column, weights_column = part->weights_column;
    int32_t sum_0 = 0, sum_1 = 0, sum_2 = 0, sum_3 = 0;
    for (int32_t y = 0; y < part->rows; ++y, input += part->input_row, weights += part->weights_row) {
        const int8_t *seen = input, *by = weights;
        for (int32_t x = 0; x < columns; ++x, seen += input_column, by += weights_column) {
            sum_0 += (seen[0] - zero_point) * by[0];
            sum_1 += (seen[1] - zero_point) * by[1];
            sum_2 += (seen[2] - zero_point) * by[2];
            sum_3 += (seen[3] - zero_point) * by[3];
        }
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
    sums[2] = sum_2;
    sums[3] = sum_3;
}

/* All channels at one place. */
static void apply_depthwise(const kws_depthwise_conv_2d_layer *layer, const kws_part *part, const int8_t *input,
                            const int8_t *weights, int8_t *output)
{
    const kws_requantization to = layer->result;
    const int32_t *const bias = layer->bias;
    const int32_t outputs = layer->window.output[2];
    const int32_t in_fours = layer->multiplier == 1 ? outputs - outputs % 4 : 0;
    int32_t channel = 0;
    for (; channel < in_fours; channel += 4) {
        int32_t sums[4];
        depthwise_dot_four(part, input + channel, weights + channel, sums);
        for (int32_t i = 0; i < 4; ++i)
            output[channel + i] = requantized(&to, bias[channel + i] + sums[i], channel + i);
    }
    for (; channel < outputs; ++channel) {
        const int32_t sum = depthwise_dot(part, input + channel / layer->multiplier, weights + channel);
        output[channel] = requantized(&to, bias[channel] + sum, channel);
    }
}

void kws_depthwise_conv_2d(const kws_depthwise_conv_2d_layer *layer, const int8_t *input, int8_t *output)
{
    const kws_window *const window = &layer->window;
    const int32_t width = window->input[1], channels = window->input[2], outputs = window->output[2];
    kws_part part;
    part.input_row = window->dilation[0] * width * channels;
    part.input_column = window->dilation[1] * channels;
    part.weights_row = window->kernel[1] * outputs;
    part.weights_column = outputs;
    part.zero_point = layer->input_zero_point;
    for (int32_t y = 0; y < window->output[0]; ++y) {
        const int32_t top = y * window->stride[0] - window->padding[0];
        const kws_range rows = on_input(top, window->kernel[0], window->dilation[0], window->input[0]);
        part.rows = rows.end - rows.first;
        for (int32_t x = 0; x < window->output[1]; ++x, output += outputs) {
            const int32_t left = x * window->stride[1] - window->padding[1];
            const kws_range columns = on_input(left, window->kernel[1], window->dilation[1], width);
            part.columns = columns.end - columns.first;
            apply_depthwise(layer, &part, input + (rows.at * width + columns.at) * channels,
                            layer->weights + rows.first * part.weights_row + columns.first * outputs, output);
        }
    }
}

/* The sum and the largest of the values of one channel under a kernel. */
typedef struct {
    int32_t sum;
    int32_t largest;
} kws_pooled;

static kws_pooled pooled(const kws_window *window, const int8_t *input, kws_range rows, kws_range columns)
{
    const int32_t channels = window->input[2];
    kws_pooled result = {0, -128};
    for (int32_t y = 0; y < rows.end - rows.first; ++y) {
        const int8_t *seen = input + ((rows.at + y) * window->input[1] + columns.at) * channels;
        for (int32_t x = columns.first; x < columns.end; ++x, seen += channels) {
            result.sum += *seen;
            if (*seen > result.largest)
                result.largest = *seen;
        }
    }
    return result;
}

/* Halves away from zero. */
static int32_t mean_of(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

static void pool_2d(const kws_pool_2d_layer *layer, int32_t average, const int8_t *input, int8_t *output)
{
    const kws_window *const window = &layer->window;
    for (int32_t y = 0; y < window->output[0]; ++y) {
        const int32_t top = y * window->stride[0] - window->padding[0];
        const kws_range rows = on_input(top, window->kernel[0], 1, window->input[0]);
        for (int32_t x = 0; x < window->output[1]; ++x) {
            const int32_t left = x * window->stride[1] - window->padding[1];
            const kws_range columns = on_input(left, window->kernel[1], 1, window->input[1]);
            const int32_t count = (rows.end - rows.first) * (columns.end - columns.first);
            for (int32_t channel = 0; channel < window->output[2]; ++channel) {
                const kws_pooled seen = pooled(window, input + channel, rows, columns);
                const int32_t value = average ? mean_of(seen.sum, count) : seen.largest;
                *output++ = limited(value, layer->minimum, layer->maximum);
            }
        }
    }
}

void kws_average_pool_2d(const kws_pool_2d_layer *layer, const int8_t *input, int8_t *output)
{
    pool_2d(layer, 1, input, output);
}

void kws_max_pool_2d(const kws_pool_2d_layer *layer, const int8_t *input, int8_t *output)
{
    pool_2d(layer, 0, input, output);
}

void kws_sum(const kws_sum_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t outer = 0; outer < layer->outer; ++outer, input += layer->count * layer->inner)
        for (int32_t inner = 0; inner < layer->inner; ++inner) {
            int32_t sum = layer->bias;
            for (int32_t i = 0; i < layer->count; ++i)
                sum += input[i * layer->inner + inner];
            sum = kws_rescale(sum, layer->multiplier, layer->shift) + layer->zero_point;
            *output++ = limited(sum, -128, 127);
        }
}

void kws_reduce_max(const kws_reduce_max_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t outer = 0; outer < layer->outer; ++outer, input += layer->count * layer->inner)
        for (int32_t inner = 0; inner < layer->inner; ++inner) {
            int8_t largest = -128;
            for (int32_t i = 0; i < layer->count; ++i)
                if (input[i * layer->inner + inner] > largest)
                    largest = input[i * layer->inner + inner];
            *output++ = largest;
        }
}

static int32_t addend(const kws_operand *operand, int32_t value)
{
    const int32_t scaled = (value - operand->zero_point) * ((int32_t)1 << 20);
    return operand->sign * kws_rescale(scaled, operand->multiplier, operand->shift);
}

static int32_t total(const kws_binary_layer *layer, int32_t first, int32_t second)
{
    return addend(&layer->first, first) + addend(&layer->second, second);
}

static int32_t product(const kws_binary_layer *layer, int32_t first, int32_t second)
{
    return (first - layer->first.zero_point) * (second - layer->second.zero_point);
}

static void combine(const kws_binary_layer *layer, int32_t (*joined)(const kws_binary_layer *, int32_t, int32_t),
                    const int8_t *first, const int8_t *second, int8_t *output)
{
    const int32_t *const from = layer->first.step, *const with = layer->second.step;
    for (int32_t i = 0; i < layer->shape[0]; ++i)
        for (int32_t j = 0; j < layer->shape[1]; ++j)
            for (int32_t k = 0; k < layer->shape[2]; ++k) {
                const int8_t *a = first + i * from[0] + j * from[1] + k * from[2];
                const int8_t *b = second + i * with[0] + j * with[1] + k * with[2];
                for (int32_t n = 0; n < layer->shape[3]; ++n, a += from[3], b += with[3]) {
                    const int32_t value = kws_rescale(joined(layer, *a, *b), layer->multiplier, layer->shift);
                    *output++ = limited(value + layer->zero_point, layer->minimum, layer->maximum);
                }
            }
}

void kws_add(const kws_binary_layer *layer, const int8_t *first, const int8_t *second, int8_t *output)
{
    combine(layer, total, first, second, output);
}

void kws_multiply(const kws_binary_layer *layer, const int8_t *first, const int8_t *second, int8_t *output)
{
    combine(layer, product, first, second, output);
}

void kws_copy(const kws_copy_layer *layer, const int8_t *input, int8_t *output)
{
    const int32_t *const from = layer->input_step, *const to = layer->output_step;
    for (int32_t i = 0; i < layer->filled; ++i)
        output[i] = (int8_t)layer->filling;
    for (int32_t i = 0; i < layer->shape[0]; ++i)
        for (int32_t j = 0; j < layer->shape[1]; ++j)
            for (int32_t k = 0; k < layer->shape[2]; ++k) {
                const int8_t *source = input + i * from[0] + j * from[1] + k * from[2];
                int8_t *target = output + layer->output_start + i * to[0] + j * to[1] + k * to[2];
                for (int32_t n = 0; n < layer->shape[3]; ++n, source += from[3], target += to[3])
                    *target = *source;
            }
}

/* 2^31 / (1 + fraction / 2^31) for a fraction of 0 ... 2^31 - 1: three Newton steps in Q2.29. */
static int32_t reciprocal(int32_t fraction)
{
    const int32_t half = (int32_t)(((int64_t)fraction + 0x7fffffff + 1) >> 1); /* (1 + fraction) / 2 in Q0.31 */
    int32_t estimate = 1515870810 + multiply_high(half, -1010580540);          /* 48 / 17 - 32 / 17 * half */
    for (int32_t step = 0; step < 3; ++step)
        estimate += multiply_high(estimate, ((int32_t)1 << 29) - multiply_high(half, estimate)) * 4;
    return estimate > 0x3fffffff ? 0x7fffffff : estimate * 2;
}

/* value / 2^bits, halves upwards. */
static int32_t divide_by_power(int32_t value, int32_t bits)
{
    return (int32_t)(((uint32_t)value + ((uint32_t)1 << bits >> 1)) >> bits);
}

static void softmax_row(const kws_softmax_layer *layer, const int8_t *input, int8_t *output)
{
    int32_t largest = -128, bits = 31 - 8 + 12;
    uint32_t sum = 0; /* Q12.19 */
    for (int32_t i = 0; i < layer->depth; ++i)
        if (input[i] > largest)
            largest = input[i];
    for (int32_t i = 0; i < layer->depth; ++i)
        if (largest - input[i] < layer->reach)
            sum += (uint32_t)divide_by_power(layer->exponential[largest - input[i]], 12);
    for (; !(sum >> 31); sum <<= 1) /* to 1 + a fraction; it is 1 or more from the start */
        --bits;
    const int32_t scale = reciprocal((int32_t)(sum & 0x7fffffffu));
    for (int32_t i = 0; i < layer->depth; ++i) {
        const int32_t below = largest - input[i];
        const int32_t share = below < layer->reach ? multiply_high(scale, layer->exponential[below]) : 0;
        output[i] = limited(divide_by_power(share, bits) - 128, -128, 127);
    }
}

void kws_softmax(const kws_softmax_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < layer->rows; ++row)
        softmax_row(layer, input + row * layer->depth, output + row * layer->depth);
}

void kws_lookup(const kws_lookup_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < layer->size; ++i)
        output[i] = layer->table[input[i] + 128];
}
