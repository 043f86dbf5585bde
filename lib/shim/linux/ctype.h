/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_CTYPE_H
#define SHIM_CTYPE_H

/*
 * The kernel's idea of white space is Latin-1: the no-break space, 0xA0, is
 * white space as well.
 */
static inline int kernel_isspace(int c)
{
	unsigned char byte = c;

	return (byte >= '\t' && byte <= '\r') || byte == ' ' || byte == 0xa0;
}

#undef isspace
#define isspace(c) kernel_isspace(c)

#endif /* SHIM_CTYPE_H */
