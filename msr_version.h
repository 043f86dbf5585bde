/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The version of msr-safe, stated here and nowhere else.
 */
#ifndef MSR_VERSION_H
#define MSR_VERSION_H

#define MSR_SAFE_VERSION_MAJOR 2
#define MSR_SAFE_VERSION_MINOR 1
#define MSR_SAFE_VERSION_PATCH 0

/**
 * MSR_SAFE_VERSION_u32 - the version as one number: 0x00MMmmpp
 *
 * What a client puts in &struct msr_batch_array.version.
 */
#define MSR_SAFE_VERSION_u32 \
	(MSR_SAFE_VERSION_MAJOR << 16 | MSR_SAFE_VERSION_MINOR << 8 | MSR_SAFE_VERSION_PATCH)

/** MSR_SAFE_VERSION_STR - the version as text: "2.1.0" */
/* clang-format off */
#define MSR_SAFE_VERSION_STR \
	MSR_SAFE_STR(MSR_SAFE_VERSION_MAJOR) "." \
	MSR_SAFE_STR(MSR_SAFE_VERSION_MINOR) "." \
	MSR_SAFE_STR(MSR_SAFE_VERSION_PATCH)
/* clang-format on */
#define MSR_SAFE_STR(number) MSR_SAFE_STR_(number)
#define MSR_SAFE_STR_(number) #number

#ifdef __KERNEL__
int msr_version_init(void);
void msr_version_uninit(void);
#endif

#endif /* MSR_VERSION_H */
