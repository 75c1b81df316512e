/* From reset to main() on any Cortex-M, and back to QEMU with main()'s status. */
#include <stdint.h>

#include "semihost.h"

enum { FAULT = 99, EXCEPTIONS = 15 };

/* Places that link.ld gives. */
extern uint32_t link_stack_top[], link_data_load[], link_data[], link_data_end[], link_bss[], link_bss_end[];

int main(void);
void reset(void);

volatile uint32_t counter_rounds; /* counter.h */

static void systick(void)
{
    ++counter_rounds;
}

static void fault(void)
{
    semihost_exit(FAULT);
}

void reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: floating point and vector registers */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    const uint32_t *from = link_data_load;
    for (uint32_t *to = link_data; to != link_data_end; ++to)
        *to = *from++;
    for (uint32_t *to = link_bss; to != link_bss_end; ++to)
        *to = 0;
    semihost_exit(main());
}

typedef struct {
    uint32_t *stack_top;
    void (*exceptions[EXCEPTIONS])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    link_stack_top,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, systick},
};
