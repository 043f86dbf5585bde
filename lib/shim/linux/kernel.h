/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#include <errno.h>

#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline int shim_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 255;
}

/*
 * As the kernel's: no white space in front, one '+' but no '-', "0x" only where
 * a hexadecimal digit follows, one newline at the end and nothing else. Digits
 * that overflow are -ERANGE, whatever comes after them.
 */
static inline int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long value = 0;
	bool overflow = false;
	const char *digits;

	if (*s == '+')
		s++;
	if (base == 0) {
		base = 10;
		if (s[0] == '0')
			base = (s[1] | 0x20) == 'x' && shim_digit(s[2]) < 16 ? 16 : 8;
	}
	if (base == 16 && s[0] == '0' && (s[1] | 0x20) == 'x')
		s += 2;

	for (digits = s; shim_digit(*s) < (int)base; s++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, shim_digit(*s), &value))
			overflow = true;
	if (overflow)
		return -ERANGE;
	if (s == digits)
		return -EINVAL;
	if (*s == '\n')
		s++;
	if (*s)
		return -EINVAL;
	*res = value;
	return 0;
}

#endif /* SHIM_KERNEL_H */
