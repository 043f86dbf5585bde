/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The version that programs say they are.
 */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#include "../msr_version.h"

/* A packager's label may come from the command line: -DVERSION=\"2.0.0-site\" */
#ifndef VERSION
#define VERSION MSR_SAFE_VERSION_STR
#endif

#endif /* LIB_VERSION_H */
