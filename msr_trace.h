/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trace point of writes, which says who has written what.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM msr_safe

#if !defined(MSR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MSR_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

/*
 * A write that a CPU has executed, in the context of the task that asked for it. The kernel's own
 * msr:write_msr names the task that was interrupted on that CPU.
 */
/* clang-format off */
TRACE_EVENT(msr_safe_write,
	    TP_PROTO(u32 cpu, u32 msr, u64 value, u64 mask, int err),
	    TP_ARGS(cpu, msr, value, mask, err),
	    TP_STRUCT__entry(__field(u32, cpu)
			     __field(u32, msr)
			     __field(u64, value)
			     __field(u64, mask)
			     __field(int, err)),
	    TP_fast_assign(__entry->cpu = cpu;
			   __entry->msr = msr;
			   __entry->value = value;
			   __entry->mask = mask;
			   __entry->err = err;),
	    TP_printk("cpu=%u msr=0x%x value=0x%llx mask=0x%llx err=%d",
		      __entry->cpu, __entry->msr, __entry->value, __entry->mask, __entry->err)
);
/* clang-format on */

#endif /* MSR_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE msr_trace
#include <trace/define_trace.h>
