/* A clock that counts instructions.
 *
 * Under QEMU's -icount shift=0 an instruction takes one nanosecond, and SysTick, which every Cortex-M has, ticks at
 * the board's clock: every 40 instructions at 25 MHz. Its 24 bits last for half a billion instructions, a fraction of
 * what the largest networks take, so startup.c counts how often it has begun anew.
 */
#ifndef KWS_COUNTER_H_
#define KWS_COUNTER_H_

#include <stdint.h>

#define COUNTER_MASK 0xFFFFFFu
#define COUNTER_SYSTICK ((volatile uint32_t *)0xE000E010u) /* control, reload, value */

extern volatile uint32_t counter_rounds;

static inline void counter_start(void)
{
    COUNTER_SYSTICK[1] = COUNTER_MASK;
    COUNTER_SYSTICK[2] = 0;
    COUNTER_SYSTICK[0] = 7; /* the processor's clock, interrupts, on */
}

static inline uint32_t counter_now(void)
{
    uint32_t rounds, value;
    do {
        rounds = counter_rounds;
        value = -COUNTER_SYSTICK[2] & COUNTER_MASK; /* it counts down */
    } while (rounds != counter_rounds);
    return rounds << 24 | value;
}

/* Ticks since counter_now() returned `start`. */
static inline uint32_t counter_since(uint32_t start)
{
    return counter_now() - start;
}

#endif /* KWS_COUNTER_H_ */
