/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_OVERFLOW_H
#define SHIM_OVERFLOW_H

/* Without the kernel's saturation: an overflow is the sanitizer's to find. */
#define struct_size(ptr, member, count) (sizeof(*(ptr)) + sizeof(*(ptr)->member) * (size_t)(count))

#endif /* SHIM_OVERFLOW_H */
