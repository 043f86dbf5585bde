// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the trace point of msr_trace.h consists of.
 */

#define CREATE_TRACE_POINTS
#include "msr_trace.h"
