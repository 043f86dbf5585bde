/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An entry of an allowlist, for the module and for programs.
 */
#ifndef MSR_ALLOWLIST_ENTRY_H
#define MSR_ALLOWLIST_ENTRY_H

#include <linux/types.h>

/**
 * struct msr_allowlist_entry - a register that can be read, and the bits of it that can be written
 * @msr:	address of the register
 * @wmask:	mask of the bits; 0 for a register that can only be read
 */
struct msr_allowlist_entry {
	__u32 msr;
	__u64 wmask;
};

#endif /* MSR_ALLOWLIST_ENTRY_H */
