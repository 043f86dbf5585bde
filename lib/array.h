/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays that grow by one at a time: their room is a power of two.
 */
#ifndef LIB_ARRAY_H
#define LIB_ARRAY_H

#include <stdlib.h>

/**
 * array_with_room() - make room for one more
 * @array:	made by this function alone, or NULL
 * @count:	how many there are in it
 * @size:	of each, in bytes
 *
 * Return: the array, which may have moved; or NULL with errno set to ENOMEM, and the array
 * stays as it was.
 */
static inline void *array_with_room(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? 2 * count : 1, size);
}

#endif
