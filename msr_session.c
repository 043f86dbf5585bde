// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: accesses that are checked once and run many times.
 *
 * A session is an anonymous inode that is open for reading alone, so that the memory manager
 * itself refuses every way to write to its mapping. The CPUs write their values into that
 * mapping, and nothing is copied. A session ends with the last reference to its file; mappings
 * hold one, too. A new allowlist that does not allow all of it cuts it: see msr_policy.c.
 */

#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/vmalloc.h>
#include <asm/tsc.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_ops.h"
#include "msr_policy.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_sample.h"
#include "msr_session.h"

static_assert(MSR_IOC_PREPARE == 0x63a4);
static_assert(MSR_IOC_RUN == 0x63a5);
static_assert(MSR_IOC_START == 0x63a6);
static_assert(MSR_IOC_STOP == 0x63a7);
static_assert(sizeof(struct msr_run) == 16);
static_assert(offsetof(struct msr_run, size) == 0);
static_assert(offsetof(struct msr_run, flags) == 4);
static_assert(offsetof(struct msr_run, values) == 8);
static_assert(sizeof(struct msr_start) == 32);
static_assert(offsetof(struct msr_start, size) == 0);
static_assert(offsetof(struct msr_start, flags) == 4);
static_assert(offsetof(struct msr_start, first_ns) == 8);
static_assert(offsetof(struct msr_start, period_ns) == 16);
static_assert(offsetof(struct msr_start, hold_ns) == 24);
static_assert(sizeof(struct msr_ring) == 80);
static_assert(offsetof(struct msr_ring, size) == 0);
static_assert(offsetof(struct msr_ring, state) == 4);
static_assert(offsetof(struct msr_ring, reason) == 8);
static_assert(offsetof(struct msr_ring, cpus) == 12);
static_assert(offsetof(struct msr_ring, slots) == 16);
static_assert(offsetof(struct msr_ring, record_size) == 20);
static_assert(offsetof(struct msr_ring, tsc_khz) == 24);
static_assert(offsetof(struct msr_ring, start_ns) == 32);
static_assert(offsetof(struct msr_ring, start_tsc) == 40);
static_assert(offsetof(struct msr_ring, period_ns) == 48);
static_assert(offsetof(struct msr_ring, stride) == 56);
static_assert(offsetof(struct msr_ring, first_ns) == 64);
static_assert(offsetof(struct msr_ring, stop_ns) == 72);
static_assert(sizeof(struct msr_stream) == 64);
static_assert(offsetof(struct msr_stream, cpu) == 0);
static_assert(offsetof(struct msr_stream, ops) == 4);
static_assert(offsetof(struct msr_stream, state) == 8);
static_assert(offsetof(struct msr_stream, pad) == 12);
static_assert(offsetof(struct msr_stream, head) == 16);
static_assert(offsetof(struct msr_stream, late) == 24);
static_assert(offsetof(struct msr_stream, throttled) == 32);
static_assert(offsetof(struct msr_stream, offline) == 40);
static_assert(offsetof(struct msr_stream, late_max_ns) == 48);
static_assert(offsetof(struct msr_stream, cycles_max) == 56);
static_assert(sizeof(struct msr_record) == 24);
static_assert(offsetof(struct msr_record, tick) == 0);
static_assert(offsetof(struct msr_record, tsc) == 8);
static_assert(offsetof(struct msr_record, cycles) == 16);
static_assert(offsetof(struct msr_record, failed) == 20);
static_assert(offsetof(struct msr_record, word) == 24);
static_assert(PAGE_SIZE == 4096);

/* The most sessions of all users together */
#define SESSIONS_MAX 128

static unsigned int session_max = 16;
module_param(session_max, uint, 0644);
MODULE_PARM_DESC(session_max, "The most sessions of a user (default: 16)");

static unsigned int session_max_kib = 65536;
module_param(session_max_kib, uint, 0644);
MODULE_PARM_DESC(session_max_kib, "The most memory of a user's records, in KiB (default: 65536)");

struct msr_session {
	struct msr_standing standing;
	struct msr_program program;
	struct msr_sampling sampling;
	struct mutex run_lock; /* held while the program is executed, or timers start or stop */
	struct list_head node; /* in sessions */
	kuid_t owner;
	u64 bytes; /* of @ring */
	struct msr_mem ring;
	struct msr_mem mem; /* what the following are in */
	u64 *prepared; /* values to write, by place in the program */
	u64 *given; /* the same, of the last run that gave any */
	u32 *order; /* places of the writes, in the order of the caller's array */
	u32 nr_writes;
	u64 runs;
};

static DEFINE_SPINLOCK(sessions_lock);
static LIST_HEAD(sessions);

/* Counts the session, if its owner may have another one and so much more memory. */
static int count_session(struct msr_session *session)
{
	const struct msr_session *other;
	u64 bytes = session->bytes;
	unsigned int all = 0, own = 0;
	int err = 0;

	spin_lock(&sessions_lock);
	list_for_each_entry(other, &sessions, node) {
		all++;
		if (!uid_eq(other->owner, session->owner))
			continue;
		own++;
		bytes += other->bytes;
	}
	if (all >= SESSIONS_MAX || own >= READ_ONCE(session_max))
		err = -EMFILE;
	else if (bytes > (u64)READ_ONCE(session_max_kib) << 10)
		err = -ENOMEM;
	else
		list_add_tail(&session->node, &sessions);
	spin_unlock(&sessions_lock);
	return err;
}

static void free_session(struct msr_standing *standing)
{
	struct msr_session *session = container_of(standing, struct msr_session, standing);

	spin_lock(&sessions_lock);
	list_del(&session->node);
	spin_unlock(&sessions_lock);
	msr_sampling_uninit(&session->sampling);
	msr_program_uninit(&session->program);
	msr_mem_free(&session->ring);
	msr_mem_free(&session->mem);
	kfree(session);
}

static void end_session(struct msr_standing *standing)
{
	msr_sampling_ended(&container_of(standing, struct msr_session, standing)->sampling);
}

static int session_release(struct inode *inode, struct file *file)
{
	struct msr_session *session = file->private_data;

	msr_sampling_ended(&session->sampling);
	msr_policy_leave(&session->standing);
	return 0;
}

static int session_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct msr_session *session = file->private_data;

	if (vma->vm_pgoff || !(vma->vm_flags & VM_MAYSHARE) ||
	    vma->vm_end - vma->vm_start != session->bytes)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_MAYWRITE))
		return -EACCES;
	return remap_vmalloc_range(vma, session->ring.addr, 0);
}

static int copy_values(struct msr_session *session, u64 values)
{
	const u64 __user *uvalues = u64_to_user_ptr(values);
	u32 i;

	for (i = 0; i < session->nr_writes; i++) {
		if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
			cond_resched();
		if (get_user(session->given[session->order[i]], &uvalues[i]))
			return -EFAULT;
	}
	return 0;
}

static long run_session(struct msr_session *session, u64 values)
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
	if (READ_ONCE(session->standing.cut))
		return -ESTALE;
	WRITE_ONCE(session->runs, session->runs + 1);
	return msr_access_program(&session->program, &session->standing.cut);
}

static int copy_run(struct msr_run *run, const struct msr_run __user *urun)
{
	if (!user_read_access_begin(urun, sizeof(*urun)))
		return -EFAULT;
	unsafe_get_user(run->size, &urun->size, fault);
	unsafe_get_user(run->flags, &urun->flags, fault);
	unsafe_get_user(run->values, &urun->values, fault);
	user_read_access_end();

	if (run->size != sizeof(*run))
		return msr_ops_copy_struct(run, sizeof(*run), urun);
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static long ioctl_run(struct msr_session *session, void __user *arg)
{
	struct msr_run run;
	long result;

	result = copy_run(&run, arg);
	if (result)
		return result;
	if (run.flags)
		return -EINVAL;
	if (mutex_lock_killable(&session->run_lock))
		return -EINTR;
	result = run_session(session, run.values);
	mutex_unlock(&session->run_lock);
	return result;
}

static noinline int ioctl_start(struct msr_session *session, void __user *arg)
{
	struct msr_start start;
	int err;

	err = msr_ops_copy_struct(&start, sizeof(start), arg);
	if (err)
		return err;
	if (mutex_lock_killable(&session->run_lock))
		return -EINTR;
	err = msr_access_owns(&session->program) ? msr_sampling_start(&session->sampling, &start) :
						   -EACCES;
	mutex_unlock(&session->run_lock);
	return err;
}

static noinline int ioctl_stop(struct msr_session *session, unsigned long arg)
{
	int err;

	if (arg)
		return -EINVAL;
	if (mutex_lock_killable(&session->run_lock))
		return -EINTR;
	err = msr_sampling_stop(&session->sampling);
	mutex_unlock(&session->run_lock);
	return err;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct msr_session *session = file->private_data;

	if (likely(cmd == MSR_IOC_RUN))
		return ioctl_run(session, (void __user *)arg);
	if (cmd == MSR_IOC_START)
		return ioctl_start(session, (void __user *)arg);
	return cmd == MSR_IOC_STOP ? ioctl_stop(session, arg) : -ENOTTY;
}

static __poll_t session_poll(struct file *file, poll_table *table)
{
	struct msr_session *session = file->private_data;

	return msr_sampling_poll(&session->sampling, file, table);
}

static const char *state_name(const struct msr_session *session)
{
	if (READ_ONCE(session->standing.cut))
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
	const struct msr_ring *ring = session->ring.addr;

	seq_printf(seq, "msr-owner:\t%u\n", from_kuid_munged(seq_user_ns(seq), session->owner));
	if (session->standing.list)
		seq_printf(seq, "msr-list:\tgroup %u\n", msr_policy_gid(session->standing.list));
	else
		seq_puts(seq, "msr-list:\tdefault\n");
	seq_printf(seq, "msr-state:\t%s\n", state_name(session));
	seq_printf(seq, "msr-cpus:\t%u\n", program->nr_cpus);
	seq_printf(seq, "msr-operations:\t%u\n", program->count);
	seq_printf(seq, "msr-slots:\t%u\n", program->slots);
	seq_printf(seq, "msr-memory:\t%llu KiB\n", session->bytes >> 10);
	seq_printf(seq, "msr-runs:\t%llu\n", READ_ONCE(session->runs));
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
	.poll = session_poll,
	.show_fdinfo = session_show_fdinfo,
	.unlocked_ioctl = session_ioctl,
	.release = session_release,
};

/* What preparing takes, and what is not needed any more when the session is there */
struct preparation {
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
static int try_ops(struct preparation *prep, unsigned long opened, bool *tried)
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
	err = msr_access_extended(prep->trial, array->ext, array->count, opened);
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

		if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
			cond_resched();
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

		if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
			cond_resched();
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

static int make_session(struct preparation *prep)
{
	struct msr_session *session;
	struct msr_program *program;
	u32 count = prep->array.count;
	u32 most, words;
	u64 stride;
	int err;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return -ENOMEM;
	prep->session = session;
	program = &session->program;
	INIT_LIST_HEAD(&session->standing.node);
	INIT_LIST_HEAD(&session->node);
	kref_init(&session->standing.ref);
	session->standing.free = free_session;
	session->standing.ended = end_session;
	session->standing.count = count;
	session->standing.revoked = MSR_RING_REVOKED;
	mutex_init(&session->run_lock);
	session->owner = current_uid();
	msr_sampling_init(&session->sampling, program, &session->standing.cut);

	program->count = count;
	program->nr_cpus = count_cpus(prep, &most);
	program->slots = prep->head.slots;
	program->stamps = prep->head.flags & MSR_PREPARE_STAMPS;
	words = most * (program->stamps ? 3 : 1) + DIV_ROUND_UP(most, 64);
	program->record_size = sizeof(struct msr_record) + words * sizeof(u64);
	stride = PAGE_ALIGN(sizeof(struct msr_stream) + (u64)program->slots * program->record_size);
	if (stride > (u64)U32_MAX << 10)
		return -ENOMEM;
	session->bytes = PAGE_SIZE + program->nr_cpus * stride;
	err = count_session(session);
	if (err)
		return err;

	err = msr_mem_alloc(&session->mem,
			    count * (sizeof(*program->ops) + 2 * sizeof(u64) + sizeof(u32)) +
				    program->nr_cpus * sizeof(*program->cpus) + sizeof(u64));
	if (err)
		return err;
	program->ops = session->mem.addr;
	session->standing.ops = program->ops;
	session->prepared = (u64 *)(program->ops + count);
	session->given = session->prepared + count;
	program->cpus = (struct msr_program_cpu *)(session->given + count);
	session->order = (u32 *)(program->cpus + program->nr_cpus);
	memset(program->cpus, 0, program->nr_cpus * sizeof(*program->cpus));

	err = msr_mem_alloc_mappable(&session->ring, session->bytes);
	if (err)
		return err;
	session->standing.state = &((struct msr_ring *)session->ring.addr)->state;
	session->sampling.ring = session->ring.addr;
	compile(prep);
	lay_out_ring(prep, stride);
	err = msr_program_init(program);
	if (!err && prep->may_sample)
		err = msr_sampling_permit(&session->sampling, prep->head.wake);
	return err;
}

/* Checks, and joins if the list in force is still the one that it was checked against. */
static int try_and_join(struct preparation *prep, unsigned long opened)
{
	bool tried = false;
	int err;

	for (;;) {
		unsigned int list = msr_policy_list_of(opened);
		unsigned long generation = msr_policy_generation(list);

		err = try_ops(prep, opened, &tried);
		if (!err && prep->session)
			compile(prep); /* for the masks of another list */
		else if (!err)
			err = make_session(prep);
		if (err)
			break;
		prep->session->standing.list = list;
		prep->session->standing.generation = generation;
		if (msr_policy_join(&prep->session->standing))
			break;
		if (signal_pending(current))
			return -EINTR;
	}
	return tried && copy_errs_out(prep) ? -EFAULT : err;
}

static int open_session(struct preparation *prep, struct msr_ops __user *uhead)
{
	if (put_user(prep->session->bytes, &uhead->map_len))
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
 * @opened:	what msr_access_opened() returned when the caller's file was opened
 * @may_sample:	whether timers may execute the session
 *
 * Context: may sleep. Return: what ioctl(2) returns; see msr_safe.h.
 */
long msr_session_prepare(void __user *arg, unsigned long opened, bool may_sample)
{
	struct preparation prep = { .may_sample = may_sample };
	int err;

	err = msr_ops_copy_head(&prep.head, arg);
	if (err)
		return err;
	if (prep.head.flags & ~MSR_PREPARE_STAMPS || !is_power_of_2(prep.head.slots) ||
	    prep.head.wake > prep.head.slots)
		return -EINVAL;
	err = alloc_preparation(&prep);
	if (err)
		return err;
	err = msr_ops_copy_in(&prep.array, MSR_OP_WRITE);
	if (!err)
		err = try_and_join(&prep, opened);
	if (!err)
		err = open_session(&prep, arg);
	if (err < 0 && prep.session)
		msr_policy_leave(&prep.session->standing);
	msr_mem_free(&prep.mem);
	return err;
}
