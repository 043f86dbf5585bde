/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs have built in of msr_safe.h: every size, offset and number. None of them is
 * computed from the header, and none ever changes: there can only be more.
 *
 * Who includes this defines MEMBER(structure, member, offset, size); ARRAY() likewise, with the
 * size of an element; HOLE() for bytes that have no meaning; STRUCT(structure, size), behind all of
 * its members; and NUMBER(name, value). Each of them makes a whole statement or declaration.
 */
/* clang-format off */
MEMBER(msr_batch_op, cpu, 0, 2)
MEMBER(msr_batch_op, isrdmsr, 2, 2)
MEMBER(msr_batch_op, err, 4, 4)
MEMBER(msr_batch_op, msr, 8, 4)
HOLE(msr_batch_op, 12, 4)
MEMBER(msr_batch_op, msrdata, 16, 8)
MEMBER(msr_batch_op, wmask, 24, 8)
STRUCT(msr_batch_op, 32)

MEMBER(msr_batch_array, numops, 0, 4)
MEMBER(msr_batch_array, version, 4, 4)
MEMBER(msr_batch_array, ops, 8, 8)
STRUCT(msr_batch_array, 16)

MEMBER(msr_op, cpu, 0, 4)
MEMBER(msr_op, msr, 4, 4)
MEMBER(msr_op, flags, 8, 4)
MEMBER(msr_op, err, 12, 4)
MEMBER(msr_op, data, 16, 8)
MEMBER(msr_op, mask, 24, 8)
MEMBER(msr_op, wmask, 32, 8)
MEMBER(msr_op, tsc_before, 40, 8)
MEMBER(msr_op, tsc_after, 48, 8)
MEMBER(msr_op, limit_us, 56, 4)
MEMBER(msr_op, probes, 60, 4)
STRUCT(msr_op, 64)

MEMBER(msr_ops, size, 0, 4)
MEMBER(msr_ops, op_size, 4, 4)
MEMBER(msr_ops, count, 8, 4)
MEMBER(msr_ops, flags, 12, 4)
MEMBER(msr_ops, ops, 16, 8)
MEMBER(msr_ops, slots, 24, 4)
MEMBER(msr_ops, wake, 28, 4)
MEMBER(msr_ops, map_len, 32, 8)
STRUCT(msr_ops, 40)

MEMBER(msr_run, size, 0, 4)
MEMBER(msr_run, flags, 4, 4)
MEMBER(msr_run, values, 8, 8)
STRUCT(msr_run, 16)

MEMBER(msr_start, size, 0, 4)
MEMBER(msr_start, flags, 4, 4)
MEMBER(msr_start, first_ns, 8, 8)
MEMBER(msr_start, period_ns, 16, 8)
MEMBER(msr_start, hold_ns, 24, 8)
STRUCT(msr_start, 32)

MEMBER(msr_ring, size, 0, 4)
MEMBER(msr_ring, state, 4, 4)
MEMBER(msr_ring, reason, 8, 4)
MEMBER(msr_ring, cpus, 12, 4)
MEMBER(msr_ring, slots, 16, 4)
MEMBER(msr_ring, record_size, 20, 4)
MEMBER(msr_ring, tsc_khz, 24, 8)
MEMBER(msr_ring, start_ns, 32, 8)
MEMBER(msr_ring, start_tsc, 40, 8)
MEMBER(msr_ring, period_ns, 48, 8)
MEMBER(msr_ring, stride, 56, 8)
MEMBER(msr_ring, first_ns, 64, 8)
MEMBER(msr_ring, stop_ns, 72, 8)
MEMBER(msr_ring, hold_ns, 80, 8)
STRUCT(msr_ring, 88)

MEMBER(msr_stream, cpu, 0, 4)
MEMBER(msr_stream, ops, 4, 4)
MEMBER(msr_stream, state, 8, 4)
MEMBER(msr_stream, pad, 12, 4)
MEMBER(msr_stream, head, 16, 8)
MEMBER(msr_stream, late, 24, 8)
MEMBER(msr_stream, throttled, 32, 8)
MEMBER(msr_stream, offline, 40, 8)
MEMBER(msr_stream, late_max_ns, 48, 8)
MEMBER(msr_stream, cycles_max, 56, 8)
STRUCT(msr_stream, 64)

MEMBER(msr_record, tick, 0, 8)
MEMBER(msr_record, tsc, 8, 8)
MEMBER(msr_record, cycles, 16, 4)
MEMBER(msr_record, failed, 20, 4)
ARRAY(msr_record, word, 24, 8)
#ifndef __cplusplus /* there the array has an element */
STRUCT(msr_record, 24)
#endif

NUMBER(X86_IOC_MSR_BATCH, 0xc01063a2)
NUMBER(MSR_IOC_OPS, 0x63a3)
NUMBER(MSR_IOC_PREPARE, 0x63a4)
NUMBER(MSR_IOC_RUN, 0x63a5)
NUMBER(MSR_IOC_START, 0x63a6)
NUMBER(MSR_IOC_STOP, 0x63a7)
NUMBER(MSR_BATCH_MAX_OPS, 131072)
NUMBER(MSR_OP_WRITE, 1)
NUMBER(MSR_OP_TSC, 2)
NUMBER(MSR_OP_POLL, 4)
NUMBER(MSR_OP_FROM_NOW, 8)
NUMBER(MSR_POLL_MAX_US, 1000000)
NUMBER(MSR_PREPARE_STAMPS, 1)
NUMBER(MSR_START_STAGGER, 1)
NUMBER(MSR_PERIOD_MIN_NS, 10000)
NUMBER(MSR_PERIOD_MAX_NS, 3600000000000)
NUMBER(MSR_SAMPLE_MAX_OPS, 64)
NUMBER(MSR_RING_READY, 0)
NUMBER(MSR_RING_REVOKED, 1)
NUMBER(MSR_RING_SAMPLING, 2)
NUMBER(MSR_STREAM_IDLE, 0)
NUMBER(MSR_STREAM_SAMPLING, 1)
NUMBER(MSR_STREAM_ENDED, 2)
/* clang-format on */
#undef MEMBER
#undef ARRAY
#undef HOLE
#undef STRUCT
#undef NUMBER
