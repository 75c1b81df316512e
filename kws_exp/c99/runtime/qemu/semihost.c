/* See semihost.h, and "Semihosting for AArch32 and AArch64" by Arm for the operations. A file that cannot be used
 * ends the program. */
#include "semihost.h"

#include <string.h>

enum { OPEN = 0x01, WRITE = 0x05, READ = 0x06, EXIT = 0x20 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };
enum { APPLICATION_EXIT = 0x20026, FILE_FAILED = 98 };

static int32_t call(int32_t operation, const void *arguments)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Files stay open to the end: `file` is 0 until the first use. */
static int32_t opened(int32_t *file, const char *name, uintptr_t mode)
{
    if (*file == 0) {
        const uintptr_t arguments[3] = {(uintptr_t)name, mode, strlen(name)};
        *file = call(OPEN, arguments);
        if (*file == -1)
            semihost_exit(FILE_FAILED);
    }
    return *file;
}

static size_t transferred(int32_t operation, int32_t file, const void *data, size_t size)
{
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)data, size};
    return size - (size_t)call(operation, arguments); /* which says how many bytes were not */
}

static void append(int32_t *file, const char *name, const void *data, size_t size)
{
    if (transferred(WRITE, opened(file, name, WRITE_BINARY), data, size) != size)
        semihost_exit(FILE_FAILED);
}

size_t semihost_input(void *data, size_t size)
{
    static int32_t file;
    return transferred(READ, opened(&file, "input.bin", READ_BINARY), data, size);
}

void semihost_output(const void *data, size_t size)
{
    static int32_t file;
    append(&file, "output.bin", data, size);
}

void semihost_count(uint32_t ticks)
{
    static int32_t file;
    append(&file, "counts.bin", &ticks, sizeof ticks);
}

void semihost_exit(int status)
{
    const uintptr_t arguments[2] = {APPLICATION_EXIT, (uintptr_t)status};
    call(EXIT, arguments);
    for (;;) {
    }
}
