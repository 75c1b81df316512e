/* What a program under QEMU has to do with the computer around it: ARM semihosting. */
#ifndef KWS_SEMIHOST_H_
#define KWS_SEMIHOST_H_

#include <stddef.h>
#include <stdint.h>

/* Reads the next bytes of the file input.bin; returns how many there were. */
size_t semihost_input(void *data, size_t size);

/* Adds to the file output.bin. */
void semihost_output(const void *data, size_t size);

/* Adds a measurement to the file counts.bin. */
void semihost_count(uint32_t ticks);

/* Ends QEMU with this exit status. */
void semihost_exit(int status);

#endif /* KWS_SEMIHOST_H_ */
