/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The public interface of msr-safe, for C and C++.
 *
 * Addresses, fields and access rules of model-specific registers: Intel 64 and
 * IA-32 Architectures Software Developer's Manual, volume 4; AMD64 Architecture
 * Programmer's Manual, volume 2, appendix A.
 */
#ifndef MSR_SAFE_H
#define MSR_SAFE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct msr_batch_op - one access to one register on one CPU
 * @cpu:	In. The logical CPU to execute on, numbered as in /dev/cpu/N.
 * @isrdmsr:	In. 0 writes the register (WRMSR), anything else reads it (RDMSR).
 * @err:	Out. 0 if the access was made, or a negative errno:
 *		-%EACCES the register is not in the allowlist; or, with the module's parameter
 *			own_cpus_only, the caller is not allowed to run on the CPU, or root has
 *			meanwhile taken a CPU of the batch from the caller;
 *		-%EROFS a write, and the allowlist lets no bit of it be written;
 *		-%EPERM a write, and the kernel is locked down;
 *		-%ENXIO there is no such CPU, it is offline, or the module does not serve it;
 *		-%EIO the processor refused the access (general protection fault);
 *		-%ESTALE not executed: a new allowlist was written while the batch
 *			was in progress, and the batch did not end within a second;
 *		-%EINTR not executed: a fatal signal ended the call before its turn.
 * @msr:	In. Address of the register, all 32 bits of it.
 * @msrdata:	In for a write: the value; bits that @wmask has clear keep the
 *		value they have in the register. Out for a read that succeeded.
 *		Otherwise left as it was.
 *
 *		A write with a mask reads the register and then writes it, in one
 *		visit to the CPU with interrupts off. No task and no interrupt
 *		handler on that CPU runs between the two. A non-maskable interrupt,
 *		a system management interrupt, and another CPU that shares the
 *		register can: a change that they make then outside the mask is
 *		lost. A write with a mask of all bits does not read first.
 * @wmask:	Out, for reads and writes: the write mask that the allowlist has
 *		for this register; a set bit may be written. 0 if not listed.
 *
 * 32 bytes; those at offset 12 to 15 have no meaning.
 */
struct msr_batch_op {
	__u16 cpu;
	__u16 isrdmsr;
	__s32 err;
	__u32 msr;
	__u64 msrdata;
	__u64 wmask;
};

/**
 * struct msr_batch_array - the argument of %X86_IOC_MSR_BATCH
 * @numops:	In. Number of operations, 1 to %MSR_BATCH_MAX_OPS.
 * @version:	In. MSR_SAFE_VERSION_u32 of msr_version.h. A word is a version if
 *		a release can have it: it has the form 0x00MMmmpp (major, minor,
 *		patch), MM is 1 to the module's major number plus 1, and mm and pp
 *		are at most 15. Any other word is no version, and the batch is
 *		served: 0, and almost any word that is in memory by chance if a
 *		client does not set this member. Such a word can still be one of
 *		the few versions, and is then judged as one. Set this member.
 * @ops:	In and out. The operations, @numops of them.
 *
 * 16 bytes.
 */
struct msr_batch_array {
	__u32 numops;
	__u32 version;
	struct msr_batch_op *ops;
};

/** MSR_BATCH_MAX_OPS - most operations in one batch (4 MiB of them) */
#define MSR_BATCH_MAX_OPS 131072

/**
 * X86_IOC_MSR_BATCH - execute a batch; an ioctl of /dev/cpu/msr_batch
 *
 * Every operation is executed, whatever becomes of the others; those for one
 * CPU in the order of the array. One allowlist applies to all of them: the one
 * that is in force when the call has read the batch.
 *
 * Returns 0 if every operation succeeded. Otherwise -1, with errno the first
 * error in the order of the array, and every other operation carried out;
 * %EINTR a fatal signal, which leaves operations that say -%EINTR; or, with
 * nothing carried out,
 * %EBADF the file is not open for reading;
 * %EFAULT the batch cannot be read (or, carried out, not written back);
 * %ESTALE the module was loaded with revoke_on_change=1, and the allowlist has
 *	been written since the file was opened;
 * %ENOPROTOOPT @version is a version that the module does not serve: another
 *	major number, or a newer minor one;
 * %EINVAL no operations;
 * %E2BIG more than %MSR_BATCH_MAX_OPS operations, or no memory to hold them;
 * %ENOMEM no memory for anything else;
 * %ENOTTY another ioctl command, or a 32-bit program.
 */
#define X86_IOC_MSR_BATCH _IOWR('c', 0xA2, struct msr_batch_array)

/** MSR_OP_WRITE - flag of an operation: write the register; without it, read it */
#define MSR_OP_WRITE 1

/** MSR_OP_TSC - flag of an operation: read the time stamp counter before and after it */
#define MSR_OP_TSC 2

/**
 * MSR_OP_POLL - flag of the first operation: read the register until it differs from @data
 *
 * Only a file of /dev/cpu/msr_sample permits it.
 *
 * On the caller's own CPU the call reads again and again, with interrupts off for one read at
 * a time. It spends the caller's own CPU time, and gives way to other tasks. Bind the task to
 * the CPU for that. For another CPU it sleeps between two reads for the time that the module's
 * parameter poll_gap_us says. Each read is checked against the allowlist that is in force then.
 *
 * The other operations are executed when the wait ends, however it ends. A signal ends the
 * call with %EINTR, and none of them is executed.
 */
#define MSR_OP_POLL 4

/** MSR_OP_FROM_NOW - flag beside %MSR_OP_POLL: @data is what the first read returns */
#define MSR_OP_FROM_NOW 8

/** MSR_POLL_MAX_US - the longest wait of %MSR_OP_POLL, in microseconds */
#define MSR_POLL_MAX_US 1000000

/**
 * struct msr_op - one extended access to one register on one CPU
 * @cpu:	In. The logical CPU to execute on, numbered as in /dev/cpu/N.
 * @msr:	In. Address of the register.
 * @flags:	In. %MSR_OP_WRITE, %MSR_OP_TSC, %MSR_OP_POLL, %MSR_OP_FROM_NOW, or 0.
 *		Other bits must be 0.
 * @err:	Out. 0 or a negative errno, as in &struct msr_batch_op; besides,
 *		-%EROFS a write, and the allowlist lets no bit of @mask be written;
 *		-%ETIME with %MSR_OP_POLL: the register has not changed within @limit_us.
 * @data:	In for a write: the value; with %MSR_OP_POLL, the value to differ from.
 *		Out for a read that succeeded, and after a wait: the last value read.
 *		Otherwise left as it was.
 * @mask:	In for a write: the bits to write, 0 for all. The write changes the
 *		bits that are set in @mask and in @wmask. All others keep the value
 *		that they have in the register. The read of that value and the write
 *		are one visit to the CPU with interrupts off: two programs that each
 *		own some bits of one register of one CPU do not undo each other's
 *		writes. What &struct msr_batch_op says of interrupts that cannot be
 *		masked, and of registers that CPUs share, holds here, too.
 *		With %MSR_OP_POLL, the bits to compare, 0 for all.
 *		For another read it must be 0.
 * @wmask:	Out. The write mask that the allowlist has for this register;
 *		0 if not listed.
 * @tsc_before:	Out, with %MSR_OP_TSC: the time stamp counter of the CPU just before
 *		the instruction that accesses the register, in cycles of that
 *		counter (Intel SDM, volume 3, section 18.17; AMD APM, volume 2,
 *		section 13.2.4). 0 if the access was not made. Without the flag
 *		left as it was.
 * @tsc_after:	Out: the same just after the instruction.
 * @limit_us:	In. With %MSR_OP_POLL, the longest wait in microseconds, at most
 *		%MSR_POLL_MAX_US; with 0 the register is read once. Otherwise it must be 0.
 * @probes:	Out, with %MSR_OP_POLL: how often the register was read. Otherwise
 *		left as it was.
 *
 * 64 bytes; later versions can add members at the end.
 */
struct msr_op {
	__u32 cpu;
	__u32 msr;
	__u32 flags;
	__s32 err;
	__u64 data;
	__u64 mask;
	__u64 wmask;
	__u64 tsc_before;
	__u64 tsc_after;
	__u32 limit_us;
	__u32 probes;
};

/**
 * struct msr_ops - the argument of %MSR_IOC_OPS and %MSR_IOC_PREPARE
 * @size:	In. The size of this structure as the caller knows it, at least 40.
 * @op_size:	In. The distance between two operations in the array, which is the
 *		size of &struct msr_op as the caller knows it, at least 64.
 * @count:	In. Number of operations, 1 to %MSR_BATCH_MAX_OPS.
 * @flags:	In. %MSR_IOC_PREPARE: %MSR_PREPARE_STAMPS or 0. Otherwise it must be 0.
 * @ops:	In. Address of the array of &struct msr_op.
 * @slots:	In. %MSR_IOC_PREPARE: number of records of each CPU, a power of two.
 *		Otherwise it must be 0.
 * @wake:	Reserved. It must be 0.
 * @map_len:	Out. %MSR_IOC_PREPARE: bytes to map. Otherwise it must be 0.
 *
 * 40 bytes; later versions can add members at the end. Members of either structure that
 * the module does not know must be 0.
 */
struct msr_ops {
	__u32 size;
	__u32 op_size;
	__u32 count;
	__u32 flags;
	__u64 ops;
	__u32 slots;
	__u32 wake;
	__u64 map_len;
};

/**
 * MSR_IOC_OPS - execute extended operations once; an ioctl of msr_batch and msr_sample
 *
 * Operations are checked and executed as those of %X86_IOC_MSR_BATCH are: each of them,
 * whatever becomes of the others; those for one CPU in the order of the array; under one
 * allowlist.
 *
 * Returns the number of operations that failed: 0 if all succeeded. Or -1, with errno
 * %EINTR a fatal signal (with %MSR_OP_POLL any signal), which leaves operations that say
 *	-%EINTR; or, with nothing carried out,
 * %EBADF the file is not open for reading;
 * %EFAULT the operations cannot be read (or, carried out, not written back);
 * %EINVAL a size is too small, a flag is unknown or not on the first operation, @limit_us is
 *	too long, there are no operations, or a member that must be 0 is not;
 * %EPERM %MSR_OP_POLL, and the file is one of msr_batch;
 * %E2BIG over %MSR_BATCH_MAX_OPS operations; a size of over 4096; or a member that the
 *	module does not know is not 0;
 * %ENOMEM no memory;
 * %ESTALE as for %X86_IOC_MSR_BATCH;
 * %ENOTTY the module is older than this command, or the program is a 32-bit one.
 */
#define MSR_IOC_OPS _IO('c', 0xA3)

/** MSR_PREPARE_STAMPS - flag of %MSR_IOC_PREPARE: records have time stamps of each operation */
#define MSR_PREPARE_STAMPS 1

/**
 * MSR_IOC_PREPARE - check accesses once, to run them many times; of msr_batch and msr_sample
 *
 * The argument is a &struct msr_ops. The operations have no flags but %MSR_OP_WRITE. They
 * are checked against the allowlist, and each register is read once. No register is written.
 *
 * Returns a descriptor of a session, which is closed on exec; @map_len is set. The session
 * keeps the operations: for each CPU in the order of the array, the CPUs in ascending order.
 * It ends with the last reference to it. %MSR_IOC_RUN executes it. If the file is one of
 * msr_sample, %MSR_IOC_START has it executed by timers.
 *
 * A new allowlist ends a session if it lacks one of the registers, or a bit that the session
 * writes. With revoke_on_change=1, every new allowlist does. The write of the list returns
 * when nothing of such a session is executed any more.
 *
 * mmap() of the descriptor, with offset 0, @map_len bytes, %PROT_READ and %MAP_SHARED, shows
 * &struct msr_ring, and the records of each CPU behind it. The mapping can never be written.
 * System calls that take hold of its pages, as vmsplice(2), process_vm_readv(2) and O_DIRECT
 * do, fail with EFAULT. write(2) can copy from it.
 *
 * The descriptor cannot be waited for: epoll_ctl(2) fails with EPERM, and poll(2) reports that
 * it is always ready. A reader knows @period_ns and @slots, and sleeps for a part of them.
 *
 * Returns -1 if there is no session. Then errno is the first error of an operation in the
 * order of the array, as in &struct msr_op, and @err of each is set; or, with @err as it was,
 * %EBADF, %EFAULT, %E2BIG, %ESTALE, %ENOTTY as for %MSR_IOC_OPS;
 * %EINVAL as for %MSR_IOC_OPS, or @slots is no power of two, or @wake is not 0;
 * %EMFILE the user who opened the device has as many sessions as the module's parameter
 *	session_max allows; or all users together have 120, and root 128; or the process has too
 *	many files open;
 * %ENOMEM no memory; or the records of that user would take more than session_max_kib;
 * %EINTR a signal.
 */
#define MSR_IOC_PREPARE _IO('c', 0xA4)

/**
 * struct msr_run - the argument of %MSR_IOC_RUN
 * @size:	In. The size of this structure as the caller knows it, at least 16.
 * @flags:	In. Must be 0.
 * @values:	In. Address of an array of __u64: the values of the writes, in the order in
 *		which %MSR_IOC_PREPARE had them. 0: those of %MSR_IOC_PREPARE.
 */
struct msr_run {
	__u32 size;
	__u32 flags;
	__u64 values;
};

/**
 * MSR_IOC_RUN - execute the operations of a session once; an ioctl of a session
 *
 * Each CPU of the session writes one record. The promises of %X86_IOC_MSR_BATCH hold: the
 * order on each CPU, bounded visits, one allowlist. A CPU that is offline writes no record,
 * and its operations count as failed. One call at a time executes; others wait. A run that has
 * executed an operation counts for each CPU, however it ends: a CPU that has written no record
 * counts it as offline.
 *
 * Returns the number of operations that failed: 0 if all succeeded. Or -1, with errno
 * %EFAULT the argument, or @values, cannot be read;
 * %EINVAL @size is too small, or @flags is not 0;
 * %E2BIG @size is over 4096, or a member that the module does not know is not 0;
 * %EACCES with own_cpus_only: the caller is not allowed to run on one of the CPUs, or not any
 *	more; some CPUs may have written a record;
 * %EBUSY the session samples;
 * %ESTALE a new allowlist has ended the session; some CPUs may have written a record;
 * %EINTR a fatal signal, likewise;
 * %ENOTTY another command, or a 32-bit program.
 */
#define MSR_IOC_RUN _IO('c', 0xA5)

/** MSR_START_STAGGER - flag of %MSR_IOC_START: the CPUs' points are spread over the period */
#define MSR_START_STAGGER 1

/** MSR_PERIOD_MIN_NS - the shortest period of %MSR_IOC_START, in nanoseconds */
#define MSR_PERIOD_MIN_NS 10000

/** MSR_PERIOD_MAX_NS - the longest period of %MSR_IOC_START, in nanoseconds: an hour */
#define MSR_PERIOD_MAX_NS 3600000000000ULL

/** MSR_SAMPLE_MAX_OPS - the most operations of one CPU that %MSR_IOC_START accepts */
#define MSR_SAMPLE_MAX_OPS 64

/**
 * struct msr_start - the argument of %MSR_IOC_START
 * @size:	In. The size of this structure as the caller knows it, at least 32.
 * @flags:	In. %MSR_START_STAGGER or 0. Other bits must be 0.
 * @first_ns:	In. A point of the grid, in nanoseconds of CLOCK_MONOTONIC, at most
 *		%MSR_PERIOD_MAX_NS from now. If it is past, sampling begins with the next
 *		point of its grid. So sessions with the same @first_ns (0, for example) and
 *		the same @period_ns sample at the same time.
 * @period_ns:	In. From one point to the next, %MSR_PERIOD_MIN_NS to %MSR_PERIOD_MAX_NS.
 * @hold_ns:	In. 0: a record at each point. Otherwise on change: a timer reads the first
 *		register of its CPU @period_ns after its rest, then after twice that time,
 *		and so on up to @hold_ns, until the value differs. Then it writes a record,
 *		and rests for @hold_ns: @period_ns to %MSR_PERIOD_MAX_NS.
 *
 * 32 bytes; later versions can add members at the end.
 */
struct msr_start {
	__u32 size;
	__u32 flags;
	__u64 first_ns;
	__u64 period_ns;
	__u64 hold_ns;
};

/**
 * MSR_IOC_START - have timers execute a session; an ioctl of a session
 *
 * A timer on each CPU of the session executes the operations of that CPU at each point of a
 * grid, and writes a record. All CPUs have the same points; with %MSR_START_STAGGER, those of
 * CPU i of n, in ascending order from 0, come i / n of the period later.
 *
 * A timer makes eight reads, and then more until it has run for 50 microseconds. Operations
 * that are left fail with -%ETIME.
 * All timers of a CPU together take no more samples than the module's parameter sample_max_hz
 * says, and no more of its time than sample_permille says. A timer that comes too early waits
 * for its turn. Points that pass meanwhile are throttled.
 *
 * A timer ends when its CPU goes offline, and a CPU that is offline now gets none. It ends, too,
 * when root sets one of these two parameters to 0; when the CPU is a nohz_full one, and the
 * parameter sample_isolated is not set; and, with own_cpus_only, when the thread that called
 * %MSR_IOC_START exits or is no longer allowed to run on the CPU. A timer that has ended stays
 * so until the session is stopped and started again.
 *
 * Returns 0. Or -1, with errno
 * %EACCES with own_cpus_only: the caller is not allowed to run on one of the CPUs;
 * %EPERM the session was prepared by a file of msr_batch; or one of its CPUs is a nohz_full one,
 *	and the module's parameter sample_isolated is not set; or sample_max_hz or
 *	sample_permille is 0;
 * %EBUSY the session has been started, and not been stopped since;
 * %EINVAL @size is too small, a flag is unknown, a time is out of its range, or an operation of
 *	the session is a write;
 * %E2BIG @size is over 4096, a member that the module does not know is not 0, or the session
 *	has more than %MSR_SAMPLE_MAX_OPS operations of one CPU;
 * %EFAULT the argument cannot be read;
 * %ESTALE a new allowlist has ended the session;
 * %EINTR a fatal signal;
 * %ENOTTY the module is older than this command, or the program is a 32-bit one.
 */
#define MSR_IOC_START _IO('c', 0xA6)

/**
 * MSR_IOC_STOP - end what %MSR_IOC_START began; an ioctl of a session
 *
 * The argument must be 0. When the call returns, no timer of the session runs, and each point of
 * the grid until then is accounted for, also if a new allowlist has ended the session. A session
 * that has not been started is left as it is.
 *
 * Returns 0. Or -1, with errno
 * %EINVAL the argument is not 0;
 * %EINTR a fatal signal;
 * %ENOTTY as for %MSR_IOC_START.
 */
#define MSR_IOC_STOP _IO('c', 0xA7)

/** MSR_RING_READY - &struct msr_ring.state: the session can be run, or started */
#define MSR_RING_READY 0

/** MSR_RING_REVOKED - &struct msr_ring.state: a new allowlist has ended the session */
#define MSR_RING_REVOKED 1

/** MSR_RING_SAMPLING - &struct msr_ring.state: the session has been started */
#define MSR_RING_SAMPLING 2

/** MSR_STREAM_IDLE - &struct msr_stream.state: the session has not been started */
#define MSR_STREAM_IDLE 0

/** MSR_STREAM_SAMPLING - &struct msr_stream.state: the timer of the CPU runs */
#define MSR_STREAM_SAMPLING 1

/** MSR_STREAM_ENDED - &struct msr_stream.state: the timer has ended before %MSR_IOC_STOP */
#define MSR_STREAM_ENDED 2

/**
 * struct msr_ring - the first page of a session's mapping
 * @size:	size of this structure
 * @state:	%MSR_RING_READY, %MSR_RING_SAMPLING or %MSR_RING_REVOKED
 * @reason:	Reserved; 0
 * @cpus:	number of CPUs
 * @slots:	number of records of each CPU
 * @record_size: bytes from one record of a CPU to the next
 * @tsc_khz:	frequency of the time stamp counter, in kHz
 * @start_ns:	CLOCK_MONOTONIC at %MSR_IOC_PREPARE, and at the last %MSR_IOC_START, in
 *		nanoseconds
 * @start_tsc:	the time stamp counter at the same time
 * @period_ns:	that of the last %MSR_IOC_START; 0 if there was none
 * @stride:	bytes from the &struct msr_stream of one CPU to that of the next; the first
 *		is 4096 bytes behind the start of the mapping
 * @first_ns:	the first point of the grid of the last %MSR_IOC_START
 * @stop_ns:	when that sampling ended; 0 while it lasts. The points of the grid were
 *		(@stop_ns - @first_ns) / @period_ns + 1, none if @stop_ns is less than
 *		@first_ns. With %MSR_START_STAGGER the @first_ns of a CPU is later by its part of
 *		the period.
 * @hold_ns:	that of the last %MSR_IOC_START
 *
 * 88 bytes; later versions can add members at the end. Times are those of the host, also in a
 * time namespace.
 */
struct msr_ring {
	__u32 size;
	__u32 state;
	__u32 reason;
	__u32 cpus;
	__u32 slots;
	__u32 record_size;
	__u64 tsc_khz;
	__u64 start_ns;
	__u64 start_tsc;
	__u64 period_ns;
	__u64 stride;
	__u64 first_ns;
	__u64 stop_ns;
	__u64 hold_ns;
};

/**
 * struct msr_stream - what the records of one CPU begin with
 * @cpu:	number of the CPU
 * @ops:	number of its operations
 * @state:	%MSR_STREAM_IDLE, %MSR_STREAM_SAMPLING or %MSR_STREAM_ENDED. The
 *		state changes only at the time when the timer would have run next.
 * @pad:	0
 * @head:	how many records the CPU has written. Record n, from 0, is in slot
 *		n modulo &struct msr_ring.slots, until record n + slots overwrites it.
 * @late:	how many points have no record, because the timer ran only after the next one
 * @throttled:	how many, because they passed while the timer waited for its turn: the timers
 *		of the CPU had taken their samples, or their share of its time
 * @offline:	how many, because the timer had ended or the CPU was offline; and how many runs,
 *		because the CPU was offline, or the run ended before its turn
 * @late_max_ns: the longest time from when the timer was to run until it ran, in nanoseconds
 * @cycles_max:	the largest @cycles of its records
 *
 * @head, @late, @throttled and @offline together are the number of runs that have ended and of
 * points that the timer has passed. When sampling has ended, they are those of the whole grid.
 * On change there is no grid. @late and @offline do not count then, and @throttled is the
 * number of reads that were not made at their time.
 *
 * The first record follows. Load @head with acquire semantics before records are read.
 */
struct msr_stream {
	__u32 cpu;
	__u32 ops;
	__u32 state;
	__u32 pad;
	__u64 head;
	__u64 late;
	__u64 throttled;
	__u64 offline;
	__u64 late_max_ns;
	__u64 cycles_max;
};

/**
 * struct msr_record - what one CPU read in one %MSR_IOC_RUN, or at one point
 * @tick:	number of the run or the point, from 1, each counted once; 0 while the record is
 *		being written. A reader copies the record, and then looks whether the tick is
 *		still the same. A number that has no record is in @late, @throttled or @offline.
 * @tsc:	time stamp counter of the CPU before the first operation; on change, at the last
 *		read that showed no difference
 * @cycles:	cycles of that counter that the CPU spent on the record, at most 2^32 - 1
 * @failed:	how many of the operations failed
 * @word:	for each operation of the CPU one word, in order: what was read, or what was
 *		written; or, if the operation failed, a negative errno. With
 *		%MSR_PREPARE_STAMPS it is three: the time stamp counter before, this word,
 *		the time stamp counter after. Then one bit for each operation, from bit 0 of
 *		the first word on, which is set if the operation failed.
 */
struct msr_record {
	__u64 tick;
	__u64 tsc;
	__u32 cycles;
	__u32 failed;
#ifdef __cplusplus
	__u64 word[1]; /* and more */
#else
	__u64 word[];
#endif
};

#endif /* MSR_SAFE_H */
