// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: accesses that are checked once and run many times.
 *
 * A session is an anonymous inode that is open for reading alone, so that the memory manager
 * itself refuses every way to write to its mapping. The CPUs write their values into that
 * mapping, and nothing is copied. A session ends with the last reference to its file; mappings
 * hold one, too. Until then its accesses are a grant, which a new allowlist can cut: see
 * msr_grant.c.
 */

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <asm/tsc.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_grant.h"
#include "msr_mem.h"
#include "msr_ops.h"
#include "msr_policy.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_sample.h"
#include "msr_session.h"

static_assert(sizeof(struct msr_run) == 16);
static_assert(sizeof(struct msr_start) == 32);
static_assert(sizeof(struct msr_ring) == 88);
static_assert(sizeof(struct msr_stream) == 64);
static_assert(sizeof(struct msr_record) == 24);
static_assert(PAGE_SIZE == 4096);

static unsigned int session_max = 16;
module_param(session_max, uint, 0644);
MODULE_PARM_DESC(session_max, "The most sessions of a user (default: 16)");

static unsigned int session_max_kib = 65536;
module_param(session_max_kib, uint, 0644);
MODULE_PARM_DESC(session_max_kib, "The most memory of a user's records, in KiB (default: 65536)");

struct msr_session {
	struct msr_grant grant;
	struct msr_program program;
	struct msr_sampling sampling;
	struct mutex lock; /* held to run the program, to start and to stop */
	unsigned long opened; /* of the file that prepared it */
	struct msr_mem ring;
	struct msr_mem mem; /* what the following are in */
	u64 *prepared; /* values to write, by place in the program */
	u64 *given; /* the same, of the last run that gave any */
	u32 *order; /* places of the writes, in the order of the caller's array */
	u32 nr_writes;
	atomic64_t runs;
};

/*
 * The user for whom sessions count: who opened the device. In a user namespace that user can have
 * many IDs, so it is the owner of the outermost one, or for one of root's, its user 0.
 */
static kuid_t owner_of(const struct cred *opener)
{
	struct user_namespace *ns;
	kuid_t owner = opener->uid;

	for (ns = opener->user_ns; ns != &init_user_ns; ns = ns->parent) {
		kuid_t whose = ns->owner;

		if (uid_eq(whose, GLOBAL_ROOT_UID))
			whose = make_kuid(ns, 0);
		if (uid_valid(whose) && !uid_eq(whose, GLOBAL_ROOT_UID))
			owner = whose;
	}
	return owner;
}

/* It is counted. What it takes is counted until it is free. */
static void free_session(struct msr_session *session)
{
	msr_grant_leave(&session->grant);
	msr_sampling_uninit(&session->sampling);
	msr_program_uninit(&session->program);
	msr_mem_free(&session->ring);
	msr_mem_free(&session->mem);
	msr_grant_uncount(&session->grant);
	kfree(session);
}

static int session_release(struct inode *inode, struct file *file)
{
	free_session(file->private_data);
	return 0;
}

static int session_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct msr_session *session = file->private_data;

	if (vma->vm_pgoff || !(vma->vm_flags & VM_MAYSHARE) ||
	    vma->vm_end - vma->vm_start != session->grant.bytes)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_MAYWRITE))
		return -EACCES;
	return msr_mem_map(&session->ring, vma);
}

static int copy_values(struct msr_session *session, u64 values)
{
	const u64 __user *uvalues = u64_to_user_ptr(values);
	u32 i;

	for (i = 0; i < session->nr_writes; i++) {
		msr_give_way(i);
		if (get_user(session->given[session->order[i]], &uvalues[i]))
			return -EFAULT;
	}
	return 0;
}

/* The lock is held. */
static long run_locked(struct msr_session *session, u64 values)
{
	int err;

	if (msr_sampling_on(&session->sampling))
		return -EBUSY;
	session->program.values = session->prepared;
	if (values) {
		err = copy_values(session, values);
		if (err)
			return err;
		session->program.values = session->given;
	}
	if (READ_ONCE(session->grant.cut))
		return -ESTALE;
	atomic64_inc(&session->runs);
	return msr_access_program(&session->program, &session->grant.cut, session->opened);
}

static noinline long run_session(struct msr_session *session, u64 values)
{
	long result;

	if (mutex_lock_killable(&session->lock))
		return -EINTR;
	result = run_locked(session, values);
	mutex_unlock(&session->lock);
	return result;
}

/* The argument has another size than this module knows. */
static noinline long run_of_other_size(struct msr_session *session, const void __user *arg)
{
	struct msr_run run;
	int err;

	err = msr_ops_copy_struct(&run, sizeof(run), arg);
	if (err)
		return err;
	return run.flags ? -EINVAL : run_session(session, run.values);
}

static __always_inline long ioctl_run(struct msr_session *session, const struct msr_run __user *run)
{
	u32 size, flags;
	long result;
	u64 values;

	if (!user_read_access_begin(run, sizeof(*run)))
		return -EFAULT;
	unsafe_get_user(size, &run->size, fault);
	unsafe_get_user(flags, &run->flags, fault);
	unsafe_get_user(values, &run->values, fault);
	user_read_access_end();

	if (unlikely(size != sizeof(*run)))
		return run_of_other_size(session, run);
	if (flags)
		return -EINVAL;
	if (!session->program.single || values)
		return run_session(session, values);
	result = msr_access_single(&session->program, &session->grant.cut);
	if (unlikely(result < 0))
		return run_session(session, 0);
	atomic64_inc(&session->runs);
	return result;

fault:
	user_read_access_end();
	return -EFAULT;
}

static noinline int ioctl_sampling(struct msr_session *session, unsigned int cmd, unsigned long arg)
{
	struct msr_start start;
	int err;

	if (cmd == MSR_IOC_START)
		err = msr_ops_copy_struct(&start, sizeof(start), (void __user *)arg);
	else
		err = arg ? -EINVAL : 0;
	if (err)
		return err;
	if (mutex_lock_killable(&session->lock))
		return -EINTR;
	if (cmd == MSR_IOC_START)
		err = msr_sampling_start(&session->sampling, &start,
					 msr_policy_is_privileged(session->opened));
	else
		msr_sampling_stop(&session->sampling);
	mutex_unlock(&session->lock);
	return err;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct msr_session *session = file->private_data;

	if (likely(cmd == MSR_IOC_RUN))
		return ioctl_run(session, (struct msr_run __user *)arg);
	if (cmd == MSR_IOC_START || cmd == MSR_IOC_STOP)
		return ioctl_sampling(session, cmd, arg);
	return -ENOTTY;
}

static const char *state_name(const struct msr_session *session)
{
	if (READ_ONCE(session->grant.cut))
		return "revoked";
	return msr_sampling_on(&session->sampling) ? "sampling" : "ready";
}

/* The sum of a counter of all CPUs; @offset: where it is in struct msr_stream */
static u64 sum(const struct msr_program *program, size_t offset)
{
	u64 all = 0;
	u32 i;

	for (i = 0; i < program->nr_cpus; i++)
		all += READ_ONCE(*(u64 *)((char *)program->cpus[i].stream + offset));
	return all;
}

static void session_show_fdinfo(struct seq_file *seq, struct file *file)
{
	const struct msr_session *session = file->private_data;
	const struct msr_program *program = &session->program;
	const struct msr_grant *grant = &session->grant;
	const struct msr_ring *ring = session->ring.addr;

	seq_printf(seq, "msr-owner:\t%u\n", from_kuid_munged(seq_user_ns(seq), grant->owner));
	if (grant->list)
		seq_printf(seq, "msr-list:\tgroup %u\n", msr_policy_gid(grant->list));
	else
		seq_puts(seq, "msr-list:\tdefault\n");
	seq_printf(seq, "msr-state:\t%s\n", state_name(session));
	seq_printf(seq, "msr-cpus:\t%u\n", program->nr_cpus);
	seq_printf(seq, "msr-operations:\t%u\n", program->count);
	seq_printf(seq, "msr-slots:\t%u\n", program->slots);
	seq_printf(seq, "msr-memory:\t%llu KiB\n", grant->bytes >> 10);
	seq_printf(seq, "msr-runs:\t%llu\n", (u64)atomic64_read(&session->runs));
	seq_printf(seq, "msr-period:\t%llu ns\n", READ_ONCE(ring->period_ns));
	seq_printf(seq, "msr-records:\t%llu\n", sum(program, offsetof(struct msr_stream, head)));
	seq_printf(seq, "msr-late:\t%llu\n", sum(program, offsetof(struct msr_stream, late)));
	seq_printf(seq, "msr-throttled:\t%llu\n",
		   sum(program, offsetof(struct msr_stream, throttled)));
	seq_printf(seq, "msr-offline:\t%llu\n", sum(program, offsetof(struct msr_stream, offline)));
}

/* No compat_ioctl: a 32-bit program gets ENOTTY. */
static const struct file_operations session_fops = {
	.owner = THIS_MODULE,
	.mmap = session_mmap,
	.show_fdinfo = session_show_fdinfo,
	.unlocked_ioctl = session_ioctl,
	.release = session_release,
};

/* What preparing takes, and what is not needed any more when the session is there */
struct preparation {
	unsigned long opened;
	const struct cred *opener;
	struct msr_ops head;
	struct msr_ops_array array;
	struct msr_batch_op *trial;
	u32 *first; /* by CPU, the index of its first operation; the total behind the last CPU */
	struct msr_mem mem;
	struct msr_session *session;
	bool may_sample;
};

/*
 * Each register is read once, also those that are to be written. Return: 0; the first error of
 * an operation, and each says its own in @trial; or another error, with @ops unchanged.
 */
static int try_ops(struct preparation *prep, bool *tried)
{
	const struct msr_ops_array *array = &prep->array;
	bool locked = security_locked_down(LOCKDOWN_MSR);
	int first = 0;
	int err;
	u32 i;

	for (i = 0; i < array->count; i++) {
		prep->trial[i] = array->ops[i];
		prep->trial[i].isrdmsr = 1;
	}
	err = msr_access_extended(prep->trial, array->ext, array->count, NULL, prep->opened);
	if (err < 0)
		return err;
	*tried = true;
	for (i = 0; i < array->count; i++) {
		struct msr_batch_op *trial = &prep->trial[i];

		if (!array->ops[i].isrdmsr && !trial->err) {
			if (!(trial->wmask & array->ext[i].mask))
				trial->err = -EROFS;
			else if (locked)
				trial->err = -EPERM;
		}
		first = first ?: trial->err;
	}
	return first;
}

static int copy_errs_out(const struct preparation *prep)
{
	u32 i;

	for (i = 0; i < prep->array.count; i++) {
		struct msr_op __user *uop = msr_ops_user(&prep->array, i);

		msr_give_way(i);
		if (put_user(prep->trial[i].err, &uop->err) ||
		    put_user(prep->trial[i].wmask, &uop->wmask))
			return -EFAULT;
	}
	return 0;
}

/* Once all have been executed, so that the CPU exists */
static u32 cpu_of(const struct msr_batch_op *op)
{
	return array_index_nospec(op->cpu, nr_cpu_ids);
}

/* Says where the operations of each CPU begin in the program. Return: the number of CPUs. */
static u32 count_cpus(struct preparation *prep, u32 *most)
{
	u32 i, n, at = 0, nr_cpus = 0;

	memset(prep->first, 0, (nr_cpu_ids + 1) * sizeof(*prep->first));
	for (i = 0; i < prep->array.count; i++)
		prep->first[cpu_of(&prep->array.ops[i])]++;
	*most = 0;
	for (i = 0; i <= nr_cpu_ids; i++) {
		n = prep->first[i];
		prep->first[i] = at;
		at += n;
		nr_cpus += n != 0;
		*most = max(*most, n);
	}
	return nr_cpus;
}

static void compile(struct preparation *prep)
{
	struct msr_session *session = prep->session;
	struct msr_program_op *ops = session->mem.addr;
	u32 i;

	session->nr_writes = 0;
	for (i = 0; i < prep->array.count; i++) {
		const struct msr_batch_op *op = &prep->array.ops[i];
		u32 at = prep->first[cpu_of(op)]++;

		msr_give_way(i);
		ops[at] = (struct msr_program_op){
			.msr = op->msr,
			.write = !op->isrdmsr,
			.mask = op->isrdmsr ? 0 : prep->trial[i].wmask & prep->array.ext[i].mask,
		};
		session->prepared[at] = op->msrdata;
		if (!op->isrdmsr)
			session->order[session->nr_writes++] = at;
	}
	session->program.writes = session->nr_writes;
	session->program.single = prep->array.count == 1 && !session->nr_writes &&
				  !session->program.stamps;
	/* Each is now where the next CPU begins. */
	for (i = nr_cpu_ids; i; i--)
		prep->first[i] = prep->first[i - 1];
	prep->first[0] = 0;
}

static void lay_out_ring(struct preparation *prep, u64 stride)
{
	struct msr_session *session = prep->session;
	struct msr_program_cpu *cpu = session->program.cpus;
	struct msr_ring *ring = session->ring.addr;
	void *stream = session->ring.addr + PAGE_SIZE;
	u32 i;

	*ring = (struct msr_ring){
		.size = sizeof(*ring),
		.cpus = session->program.nr_cpus,
		.slots = session->program.slots,
		.record_size = session->program.record_size,
		.tsc_khz = tsc_khz,
		.stride = stride,
	};
	msr_sampling_note_time(ring);

	for (i = 0; i < nr_cpu_ids; i++) {
		if (prep->first[i] == prep->first[i + 1])
			continue;
		cpu->cpu = i;
		cpu->first = prep->first[i];
		cpu->end = prep->first[i + 1];
		cpu->stream = stream;
		cpu->stream->cpu = i;
		cpu->stream->ops = cpu->end - cpu->first;
		stream += stride;
		cpu++;
	}
}

/* How large the rings are; @stride: from that of one CPU to the next */
static int size_ring(struct preparation *prep, u64 *stride)
{
	struct msr_program *program = &prep->session->program;
	u32 most, words;

	program->nr_cpus = count_cpus(prep, &most);
	program->slots = prep->head.slots;
	program->stamps = prep->head.flags & MSR_PREPARE_STAMPS;
	words = most * (program->stamps ? 3 : 1) + DIV_ROUND_UP(most, 64);
	program->record_size = sizeof(struct msr_record) + words * sizeof(u64);
	*stride =
		PAGE_ALIGN(sizeof(struct msr_stream) + (u64)program->slots * program->record_size);
	if (*stride > (u64)U32_MAX << 10)
		return -ENOMEM;
	prep->session->grant.bytes = PAGE_SIZE + program->nr_cpus * *stride;
	return 0;
}

static int alloc_program(struct msr_session *session)
{
	struct msr_program *program = &session->program;
	const u32 count = program->count;
	int err;

	err = msr_mem_alloc(&session->mem,
			    count * (sizeof(*program->ops) + 2 * sizeof(u64) + sizeof(u32)) +
				    program->nr_cpus * sizeof(*program->cpus) + sizeof(u64));
	if (err)
		return err;
	program->ops = session->mem.addr;
	session->prepared = (u64 *)(program->ops + count);
	session->given = session->prepared + count;
	program->cpus = (struct msr_program_cpu *)(session->given + count);
	session->order = (u32 *)(program->cpus + program->nr_cpus);
	memset(program->cpus, 0, program->nr_cpus * sizeof(*program->cpus));
	return 0;
}

/* It is counted, and fits. */
static int fill_session(struct preparation *prep, u64 stride)
{
	struct msr_session *session = prep->session;
	struct msr_program *program = &session->program;
	struct msr_grant *grant = &session->grant;
	struct msr_ring *ring;
	int err;

	err = alloc_program(session) ?: msr_mem_alloc_mappable(&session->ring, grant->bytes);
	if (err)
		return err;
	compile(prep);
	lay_out_ring(prep, stride);
	ring = session->ring.addr;
	grant->ops = program->ops;
	grant->count = program->count;
	grant->state = &ring->state;
	grant->revoked = MSR_RING_REVOKED;
	session->sampling = (struct msr_sampling){
		.program = program,
		.ring = ring,
		.cut = &grant->cut,
		.nr = grant->nr,
	};
	err = msr_program_init(program);
	if (!err && prep->may_sample)
		err = msr_sampling_permit(&session->sampling);
	return err;
}

static int make_session(struct preparation *prep)
{
	struct msr_session *session;
	u64 stride;
	int err;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return -ENOMEM;
	prep->session = session;
	mutex_init(&session->lock);
	session->opened = prep->opened;
	session->grant.owner = owner_of(prep->opener);
	session->grant.of_root = uid_eq(prep->opener->fsuid, GLOBAL_ROOT_UID);
	session->grant.list = msr_policy_list_of(prep->opened);
	session->program.count = prep->array.count;
	err = size_ring(prep, &stride) ?:
					 msr_grant_count(&session->grant, READ_ONCE(session_max),
							 (u64)READ_ONCE(session_max_kib) << 10);
	if (err) {
		prep->session = NULL;
		kfree(session);
		return err;
	}
	return fill_session(prep, stride);
}

/* Checks, and joins if the list in force is still the one that it was checked against. */
static int try_and_join(struct preparation *prep)
{
	bool tried = false;
	int err;

	for (;;) {
		unsigned long generation = msr_policy_generation();

		err = try_ops(prep, &tried);
		if (!err && prep->session)
			compile(prep); /* for the masks of another list */
		else if (!err)
			err = make_session(prep);
		if (err)
			break;
		prep->session->grant.generation = generation;
		if (msr_policy_join(&prep->session->grant))
			break;
		if (signal_pending(current))
			return -EINTR;
	}
	return tried && copy_errs_out(prep) ? -EFAULT : err;
}

static int open_session(struct preparation *prep, struct msr_ops __user *uhead)
{
	if (put_user(prep->session->grant.bytes, &uhead->map_len))
		return -EFAULT;
	return anon_inode_getfd("[msr_session]", &session_fops, prep->session,
				O_RDONLY | O_CLOEXEC);
}

static int alloc_preparation(struct preparation *prep)
{
	struct msr_ops_array *array = &prep->array;
	int err;

	array->uops = u64_to_user_ptr(prep->head.ops);
	array->op_size = prep->head.op_size;
	array->count = prep->head.count;
	err = msr_mem_alloc(&prep->mem,
			    array->count * (2 * sizeof(*array->ops) + sizeof(*array->ext)) +
				    (nr_cpu_ids + 1) * sizeof(*prep->first));
	if (err)
		return err;
	array->ops = prep->mem.addr;
	prep->trial = array->ops + array->count;
	array->ext = (struct msr_extension *)(prep->trial + array->count);
	prep->first = (u32 *)(array->ext + array->count);
	return 0;
}

/**
 * msr_session_prepare() - serve %MSR_IOC_PREPARE
 * @arg:	a struct msr_ops of the caller's
 * @opened:	what msr_access_opened() set when the caller's file was opened
 * @opener:	who opened it
 * @may_sample:	whether timers may execute the session
 *
 * Context: may sleep. Return: what ioctl(2) returns; see msr_safe.h.
 */
long msr_session_prepare(void __user *arg, unsigned long opened, const struct cred *opener,
			 bool may_sample)
{
	struct preparation prep = { .opened = opened, .opener = opener, .may_sample = may_sample };
	int err;

	err = msr_ops_copy_head(&prep.head, arg);
	if (err)
		return err;
	if (prep.head.flags & ~MSR_PREPARE_STAMPS || !is_power_of_2(prep.head.slots) ||
	    prep.head.wake)
		return -EINVAL;
	err = alloc_preparation(&prep);
	if (err)
		return err;
	err = msr_ops_copy_in(&prep.array, MSR_OP_WRITE);
	if (!err)
		err = try_and_join(&prep);
	if (!err)
		err = open_session(&prep, arg);
	if (err < 0 && prep.session)
		free_session(prep.session);
	msr_mem_free(&prep.mem);
	return err;
}
