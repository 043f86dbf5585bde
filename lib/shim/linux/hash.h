/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_HASH_H
#define SHIM_HASH_H

#define GOLDEN_RATIO_32 0x61C88647U

#endif /* SHIM_HASH_H */
