/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module `delay`, which holds a call that msr_safe makes into the kernel until what is to
 * happen meanwhile has.
 */
#ifndef TEST_GUEST_DELAYS_H
#define TEST_GUEST_DELAYS_H

#include <stdbool.h>

/* At most, in microseconds, so that a failure ends, too */
#define DELAY_US "us=10000000"

/*
 * Loads it with these parameters; the test is skipped on a kernel that has no such function.
 * Other CPUs are offline meanwhile, as the code of the function changes: see trace_event().
 */
void load_delay(const char *params);

/* Unloads it, if it is loaded. */
void unload_delay(void);

/* From now on the nth call is delayed. */
void delay_call(unsigned int nth);

bool is_delayed(void);
void wait_for_delay(void);

/* Ends it. It has not ended by itself, so what was done meanwhile was in time. */
void end_delay(void);

/* Ends it, if there is one. */
void release_delay(void);

#endif /* TEST_GUEST_DELAYS_H */
