/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How functions of the library say what is wrong.
 */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

struct msr_safe_error;

/* Sets an error, if there is one to set. Returns @code, a negative errno. */
__attribute__((format(printf, 3, 4))) int msr_safe_set_error(struct msr_safe_error *error, int code,
							     const char *format, ...);

#endif /* LIB_ERROR_H */
