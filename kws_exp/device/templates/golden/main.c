/* The self-test as a program for a computer: status 0 or 1. */
#include <stdio.h>

#include "selftest.h"

int main(void)
{
    const char *report;
    const int failed = kws_selftest(&report);
    printf("%s: %s\n", failed ? "FAILED" : "passed", report);
    return failed;
}
