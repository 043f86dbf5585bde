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
 *		-%EACCES the register is not in the allowlist;
 *		-%EROFS a write, and the allowlist lets no bit of it be written;
 *		-%EPERM a write, and the kernel is locked down;
 *		-%ENXIO there is no such CPU, or it is offline;
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
 * 32 bytes, of which those at offset 12 to 15 have no meaning.
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
 *		it has the form 0x00MMmmpp (major, minor, patch), and MM is at
 *		least 1. Any other word is no version, and the batch is served:
 *		0, and what the stack holds there in clients that do not know of
 *		this member.
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
 * struct msr_op - one extended access to one register on one CPU
 * @cpu:	In. The logical CPU to execute on, numbered as in /dev/cpu/N.
 * @msr:	In. Address of the register.
 * @flags:	In. %MSR_OP_WRITE, %MSR_OP_TSC, or 0. Other bits must be 0.
 * @err:	Out. 0 or a negative errno, as in &struct msr_batch_op; besides,
 *		-%EROFS a write, and the allowlist lets no bit of @mask be written.
 * @data:	In for a write: the value. Out for a read that succeeded.
 *		Otherwise left as it was.
 * @mask:	In for a write: the bits to write, 0 for all. The write changes the
 *		bits that are set in @mask and in @wmask. All others keep the value
 *		that they have in the register. The read of that value and the write
 *		are one visit to the CPU with interrupts off: two programs that each
 *		own some bits of one register of one CPU do not undo each other's
 *		writes. What &struct msr_batch_op says of interrupts that cannot be
 *		masked, and of registers that CPUs share, holds here, too.
 *		For a read it must be 0.
 * @wmask:	Out. The write mask that the allowlist has for this register;
 *		0 if not listed.
 * @tsc_before:	Out, with %MSR_OP_TSC: the time stamp counter of the CPU just before
 *		the instruction that accesses the register, in cycles of that
 *		counter (Intel SDM, volume 3, section 18.17; AMD APM, volume 2,
 *		section 13.2.4). 0 if the access was not made. Without the flag
 *		left as it was.
 * @tsc_after:	Out: the same just after the instruction.
 * @limit_us:	Must be 0.
 * @probes:	Left as it was.
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
 * struct msr_ops - the argument of %MSR_IOC_OPS
 * @size:	In. The size of this structure as the caller knows it, at least 40.
 * @op_size:	In. The distance between two operations in the array, which is the
 *		size of &struct msr_op as the caller knows it, at least 64.
 * @count:	In. Number of operations, 1 to %MSR_BATCH_MAX_OPS.
 * @flags:	In. Must be 0.
 * @ops:	In. Address of the array of &struct msr_op.
 * @slots:	Must be 0.
 * @wake:	Must be 0.
 * @map_len:	Must be 0.
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
 * MSR_IOC_OPS - execute extended operations once; an ioctl of /dev/cpu/msr_batch
 *
 * Operations are checked and executed as those of %X86_IOC_MSR_BATCH are: each of them,
 * whatever becomes of the others; those for one CPU in the order of the array; under one
 * allowlist.
 *
 * Returns the number of operations that failed: 0 if all succeeded. Or -1, with errno
 * %EINTR a fatal signal, which leaves operations that say -%EINTR; or, with nothing
 * carried out,
 * %EBADF the file is not open for reading;
 * %EFAULT the operations cannot be read (or, carried out, not written back);
 * %EINVAL a size is too small, a flag is unknown, there are no operations, or a member
 *	that must be 0 is not;
 * %E2BIG over %MSR_BATCH_MAX_OPS operations; a size of over 4096; or a member that the
 *	module does not know is not 0;
 * %ENOMEM no memory;
 * %ESTALE as for %X86_IOC_MSR_BATCH;
 * %ENOTTY the module is older than this command, or the program is a 32-bit one.
 */
#define MSR_IOC_OPS _IO('c', 0xA3)

#endif /* MSR_SAFE_H */
