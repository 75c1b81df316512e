/* The proof on the device: every stage on every golden vector, byte for byte. Compile selftest.c, golden.c and the
 * sources in c99/ into the firmware and call it once; it needs no library and 100 bytes of RAM of its own. */
#ifndef KWS_SELFTEST_H_
#define KWS_SELFTEST_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Returns 0 if all bytes are equal, else 1. `report`, unless it is NULL, then points to a line of text: how much was
 * compared, or where the first difference is, such as "vector 3, features, value 40: 17 instead of 18". */
int kws_selftest(const char **report);

#ifdef __cplusplus
}
#endif

#endif /* KWS_SELFTEST_H_ */
