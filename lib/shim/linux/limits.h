/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LIMITS_H
#define SHIM_LIMITS_H

#include_next <linux/limits.h>

#define U16_MAX ((unsigned short)~0U)
#define U32_MAX (~0U)
#define U64_MAX (~0ULL)

#endif /* SHIM_LIMITS_H */
