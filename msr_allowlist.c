// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy: which registers can be read, and which bits of them written; and
 * /dev/cpu/msr_allowlist, through which the administrator sets it.
 *
 * The list in force is one immutable table. A reader of the policy holds SRCU from
 * before it checks an access until the last operation that follows has been executed.
 * A new list is published by replacing one pointer, and its writer then waits for
 * SRCU. So one whole list applies to an access, and after the write nothing is
 * executed that only the old list allowed.
 *
 * A single access on the caller's CPU holds off interrupts instead. The writer waits for
 * it with msr_visit_barrier(), which interrupts each CPU once.
 *
 * A user can delay its own accesses without limit, for example in a cgroup with a
 * small quota. So the writer waits for SRCU no longer than GRACE. Then it cuts the old
 * list: a visit looks, with interrupts off, whether its list is cut, and
 * msr_visit_barrier() waits for the visits in progress. A fatal signal ends the wait for
 * SRCU, but not the new list. Writers publish one after the other, under publish_lock.
 *
 * Sessions have been checked beforehand. The writer looks at each of them before it waits
 * for anything, and cuts those that the new list does not allow. A session joins under
 * standing_lock, as does the new list, and joins only if it was checked against the list in
 * force. That lock is held for a few instructions, with preemption off: no user can make
 * the writer wait for it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <asm/msr-index.h>

#include "msr_access.h"
#include "msr_allowlist.h"
#include "msr_mem.h"
#include "msr_node.h"
#include "msr_param.h"
#include "msr_program.h"
#include "msr_table.h"
#include "msr_takeover.h"
#include "msr_visit.h"

/* The longest text, and the shortest read; both are part of the interface. */
#define MAX_WLIST_BSIZE (128 * 1024 + 1)
#define MIN_READ_BSIZE 60

/* How long accesses in progress under the old list delay the writer of a new one */
#define GRACE HZ

static struct msr_param mdev_msr_allowlist = MSR_MAJOR;
module_param_cb(mdev_msr_allowlist, &msr_param_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_allowlist, "Major number of the allowlist device (0: dynamic)");
module_param_cb(mdev_msr_approved_list, &msr_param_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_approved_list, "Former name of mdev_msr_allowlist");

static bool approved_list_names;
module_param(approved_list_names, bool, 0444);
MODULE_PARM_DESC(approved_list_names,
		 "Create the nodes /dev/cpu/msr_approved_list and msr_whitelist, too");

static bool revoke_on_change;
module_param(revoke_on_change, bool, 0444);
MODULE_PARM_DESC(revoke_on_change,
		 "Refuse descriptors opened before the list was written (default: 0)");

static DEFINE_STATIC_KEY_FALSE(revokes);

static struct srcu_struct list_srcu;
static struct msr_table __rcu *list = (struct msr_table __rcu __force *)&msr_table_empty;

static DEFINE_MUTEX(publish_lock);

static DEFINE_RAW_SPINLOCK(standing_lock);
static LIST_HEAD(standings);

/**
 * msr_allowlist_generation() - which list is in force
 *
 * Takes no lock that writers take: users could hold it for as long as they like.
 *
 * Context: any but NMIs. Return: its number, to compare others with.
 */
unsigned long msr_allowlist_generation(void)
{
	unsigned long generation;

	rcu_read_lock_sched();
	generation = READ_ONCE(rcu_dereference_sched(list)->generation);
	rcu_read_unlock_sched();
	return generation;
}

static __always_inline bool revoked(const struct msr_table *table, unsigned long opened)
{
	return static_branch_unlikely(&revokes) && opened != READ_ONCE(table->generation);
}

/**
 * msr_allowlist_enter() - begin to check and to execute
 * @opened:	the generation that was in force when the caller's file was opened
 * @srcu_idx:	set for msr_allowlist_exit()
 *
 * A writer of a new list waits for the exit, so nothing between the two may wait
 * for a user, as an access to user memory can.
 *
 * Context: may sleep until the exit, which is due in any case.
 * Return: the list in force, valid until the exit; or NULL if the module is loaded to
 * refuse files that were opened under another list.
 */
const struct msr_table *msr_allowlist_enter(unsigned long opened, int *srcu_idx)
	__acquires(&list_srcu)
{
	const struct msr_table *table;

	*srcu_idx = srcu_read_lock(&list_srcu);
	table = srcu_dereference(list, &list_srcu);
	return revoked(table, opened) ? NULL : table;
}

/**
 * msr_allowlist_here() - the same for a section with interrupts off, which needs no exit
 * @opened:	as for msr_allowlist_enter()
 *
 * Context: interrupts off. Return: the list in force until they are on again; or NULL,
 * as msr_allowlist_enter() returns it.
 */
const struct msr_table *msr_allowlist_here(unsigned long opened)
{
	const struct msr_table *table = rcu_dereference_sched(list);

	lockdep_assert_irqs_disabled();
	return revoked(table, opened) ? NULL : table;
}

/**
 * msr_allowlist_exit() - nothing checked since the enter is executed any more
 * @srcu_idx:	set by msr_allowlist_enter()
 *
 * Context: any.
 */
void msr_allowlist_exit(int srcu_idx) __releases(&list_srcu)
{
	srcu_read_unlock(&list_srcu, srcu_idx);
}

/* One warning that names the registers that the list lets users take over the kernel through. */
static void warn_of_takeover(const struct msr_table *table)
{
	const struct msr_takeover *regs;
	char names[896]; /* about the longest line of the log */
	size_t len = 0;
	unsigned int i;

	for (regs = msr_takeover; regs < msr_takeover + msr_takeover_count; regs++) {
		const char *before = len ? "; " : "";
		bool found = false;

		for (i = 0; i < table->count; i++) {
			const struct msr_allowlist_entry *entry = &table->entries[i];

			if (entry->msr < regs->first || entry->msr > regs->last ||
			    !(entry->wmask & regs->bits))
				continue;
			len += scnprintf(names + len, sizeof(names) - len, "%s0x%x",
					 found ? " " : before, entry->msr);
			found = true;
		}
		if (found)
			len += scnprintf(names + len, sizeof(names) - len, " %s", regs->name);
	}
	if (!len)
		return;
	pr_warn("allowlist lets users take over the kernel through: %s%s\n", names,
		len == sizeof(names) - 1 ? "..." : "");
	add_taint(TAINT_CPU_OUT_OF_SPEC, LOCKDEP_STILL_OK);
}

static void warn_of_clock(const struct msr_table *table)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		u32 msr = table->entries[i].msr;

		if (table->entries[i].wmask && (msr == MSR_IA32_TSC || msr == MSR_IA32_TSC_ADJUST))
			pr_warn("allowlist lets users set the time stamp counter: 0x%x\n", msr);
	}
}

/* A list that is no longer in force, until nothing uses it */
struct retired_list {
	struct rcu_head rcu;
	struct completion unused;
	struct kref ref; /* of the SRCU callback, and of the waiting writer */
	struct msr_table *table;
};

static void free_retired_rcu(struct rcu_head *rcu)
{
	struct retired_list *old = container_of(rcu, struct retired_list, rcu);

	msr_table_put(old->table);
	kfree(old);
}

/* A writer that was killed has not waited for sections of msr_allowlist_here(): RCU does. */
static void free_retired(struct kref *ref)
{
	struct retired_list *old = container_of(ref, struct retired_list, ref);

	call_rcu(&old->rcu, free_retired_rcu);
}

static void list_is_unused(struct rcu_head *rcu)
{
	struct retired_list *old = container_of(rcu, struct retired_list, rcu);

	complete(&old->unused);
	kref_put(&old->ref, free_retired);
}

/* Return: 0 when nothing is executed any more under the old list; -EINTR for a fatal signal. */
static int wait_until_unused(struct retired_list *old)
{
	long left = wait_for_completion_killable_timeout(&old->unused, GRACE);

	if (left < 0)
		return -EINTR;
	if (!left)
		WRITE_ONCE(old->table->cut, true);
	msr_visit_barrier(); /* for visits, and sections of msr_allowlist_here() */
	return 0;
}

/**
 * msr_allowlist_join() - have accesses stand until a list no longer allows them
 * @standing:	the accesses, with one reference, the caller's
 * @generation:	that of the list they have been checked against
 *
 * Context: any but interrupts. Return: false if another list is in force by now.
 */
bool msr_allowlist_join(struct msr_standing *standing, unsigned long generation)
{
	bool joins;

	raw_spin_lock(&standing_lock);
	joins = msr_allowlist_generation() == generation;
	if (joins)
		list_add_tail(&standing->node, &standings);
	raw_spin_unlock(&standing_lock);
	return joins;
}

static void free_standing(struct kref *ref)
{
	struct msr_standing *standing = container_of(ref, struct msr_standing, ref);

	raw_spin_lock(&standing_lock);
	list_del(&standing->node);
	raw_spin_unlock(&standing_lock);
	standing->free(standing);
}

/**
 * msr_allowlist_leave() - undo msr_allowlist_join()
 * @standing:	the accesses; freed when no writer of a list looks at them any more
 *
 * Context: may sleep.
 */
void msr_allowlist_leave(struct msr_standing *standing)
{
	might_sleep();
	kref_put(&standing->ref, free_standing);
}

/*
 * Takes a reference to the standing that follows @node, and passes over those that are being
 * freed. Return: NULL at the end of the list.
 */
static struct msr_standing *get_next(const struct list_head *node)
{
	struct msr_standing *next = NULL;

	raw_spin_lock(&standing_lock);
	while (!next && (node = node->next) != &standings) {
		next = list_entry(node, struct msr_standing, node);
		if (!kref_get_unless_zero(&next->ref))
			next = NULL;
	}
	raw_spin_unlock(&standing_lock);
	return next;
}

static bool allows(const struct msr_table *table, const struct msr_standing *standing)
{
	u32 i;

	for (i = 0; i < standing->count; i++) {
		const struct msr_program_op *op = &standing->ops[i];
		const struct msr_allowlist_entry *entry = msr_index_find(&table->index, op->msr);

		if (!entry || op->mask & ~entry->wmask)
			return false;
		if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
			cond_resched();
	}
	return true;
}

/* A standing stays in the list while a reference to it is held. */
static void cut_standings(const struct msr_table *table)
{
	struct msr_standing *standing = get_next(&standings);

	while (standing) {
		struct msr_standing *next;

		if (!standing->cut && (revoke_on_change || !allows(table, standing))) {
			WRITE_ONCE(standing->cut, true);
			WRITE_ONCE(*standing->state, standing->revoked);
			standing->ended(standing);
		}
		next = get_next(&standing->node);
		msr_allowlist_leave(standing);
		standing = next;
	}
}

/* Takes over both references. Return: as wait_until_unused(). */
static int publish(struct msr_table *table, struct retired_list *old)
{
	int err;

	might_sleep();
	init_completion(&old->unused);
	kref_init(&old->ref);
	kref_get(&old->ref);

	mutex_lock(&publish_lock);
	old->table = rcu_dereference_protected(list, lockdep_is_held(&publish_lock));
	WRITE_ONCE(table->generation, old->table->generation + 1);
	raw_spin_lock(&standing_lock);
	rcu_assign_pointer(list, table);
	raw_spin_unlock(&standing_lock);
	cut_standings(table);
	mutex_unlock(&publish_lock);

	call_srcu(&list_srcu, &old->rcu, list_is_unused);
	err = wait_until_unused(old);
	kref_put(&old->ref, free_retired);
	return err;
}

static int publish_empty(struct retired_list *old)
{
	return publish(msr_table_get(&msr_table_empty), old);
}

/* One or two bytes of white space, as `echo >` writes them, ask for no list. */
static bool asks_to_clear(const char *text, size_t len)
{
	return len >= 1 && len <= 2 && isspace(text[0]) && isspace(text[len - 1]);
}

/* For audits: a list that was published is in force even if the wait for it was cut short. */
static void log_change(unsigned int count, int err)
{
	pr_info_ratelimited("allowlist written: entries %u, uid %u, pid %d%s\n", count,
			    from_kuid(&init_user_ns, current_uid()), task_tgid_nr(current),
			    err ? ", interrupted" : "");
}

static int replace_list(char *buf, size_t len)
{
	struct msr_text text = { .start = buf, .end = buf + len };
	struct retired_list *old;
	struct msr_table *table;
	int count;
	int err;

	old = kmalloc(sizeof(*old), GFP_KERNEL_ACCOUNT);
	if (!old)
		return -ENOMEM;
	if (asks_to_clear(buf, len)) {
		err = publish_empty(old);
		log_change(0, err);
		return err;
	}

	count = msr_table_check(&text);
	if (count < 0) {
		kfree(old);
		pr_warn_ratelimited("allowlist refused, the current list stays: line %u: %s\n",
				    text.line, text.why);
		return count;
	}

	table = msr_table_make(&text, count);
	if (IS_ERR(table)) {
		pr_warn_ratelimited("allowlist refused, it is now empty: line %u: %s\n", text.line,
				    text.why);
		err = publish_empty(old);
		log_change(0, err);
		return err ?: PTR_ERR(table);
	}
	warn_of_takeover(table);
	warn_of_clock(table);
	count = table->count;
	err = publish(table, old);
	log_change(count, err);
	return err;
}

static ssize_t allowlist_write(struct file *file, const char __user *ubuf, size_t count,
			       loff_t *ppos)
{
	struct msr_mem mem;
	char *buf;
	int err;

	if (count > MAX_WLIST_BSIZE) {
		pr_warn_ratelimited("allowlist refused, the current list stays: over %u bytes\n",
				    MAX_WLIST_BSIZE);
		return -E2BIG;
	}

	err = msr_mem_alloc(&mem, count + 1);
	if (err)
		return err;
	buf = mem.addr;
	buf[count] = '\0';
	err = copy_from_user(buf, ubuf, count) ? -EFAULT : replace_list(buf, count);
	msr_mem_free(&mem);
	return err ?: count;
}

static void *list_start(struct seq_file *seq, loff_t *pos)
{
	const struct msr_table *table = seq->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	return *pos <= table->count ? (void *)&table->entries[*pos - 1] : NULL;
}

static void *list_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return list_start(seq, pos);
}

static void list_stop(struct seq_file *seq, void *v)
{
}

static int list_show(struct seq_file *seq, void *v)
{
	const struct msr_allowlist_entry *entry = v;

	if (v == SEQ_START_TOKEN)
		seq_puts(seq, "# MSR      Write mask\n");
	else
		seq_printf(seq, "0x%08X 0x%016llX\n", entry->msr, entry->wmask);
	return 0;
}

static const struct seq_operations list_seq_ops = {
	.start = list_start,
	.next = list_next,
	.stop = list_stop,
	.show = list_show,
};

static ssize_t allowlist_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	if (count < MIN_READ_BSIZE)
		return -E2BIG;
	return seq_read(file, buf, count, ppos);
}

/* What is read is the list that was in force at the open, however slowly. */
static int allowlist_open(struct inode *inode, struct file *file)
{
	struct seq_file *seq;
	int srcu_idx;
	int err;

	err = seq_open(file, &list_seq_ops);
	if (err)
		return err;

	seq = file->private_data;
	srcu_idx = srcu_read_lock(&list_srcu);
	seq->private = msr_table_get(srcu_dereference(list, &list_srcu));
	srcu_read_unlock(&list_srcu, srcu_idx);
	return 0;
}

static int allowlist_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;

	msr_table_put(seq->private);
	return seq_release(inode, file);
}

static const struct file_operations allowlist_fops = {
	.owner = THIS_MODULE,
	.llseek = seq_lseek,
	.read = allowlist_read,
	.write = allowlist_write,
	.open = allowlist_open,
	.release = allowlist_release,
};

static struct msr_node allowlist_node = {
	.name = "msr_allowlist",
	.mode = 0600,
	.fops = &allowlist_fops,
	.paths = { "cpu!msr_allowlist" },
};

/**
 * msr_allowlist_init() - begin with nothing listed, and create the device
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_allowlist_init(void)
{
	int err;

	err = init_srcu_struct(&list_srcu);
	if (err)
		return err;

	if (revoke_on_change)
		static_branch_enable(&revokes);
	if (approved_list_names) {
		allowlist_node.paths[1] = "cpu!msr_approved_list";
		allowlist_node.paths[2] = "cpu!msr_whitelist";
	}

	msr_table_get(&msr_table_empty); /* as the list in force */
	err = msr_node_init(&allowlist_node, mdev_msr_allowlist.value);
	if (err) {
		msr_table_put(&msr_table_empty);
		cleanup_srcu_struct(&list_srcu);
	}
	return err;
}

/**
 * msr_allowlist_uninit() - remove the device, and the list
 *
 * Context: may sleep; no file is open.
 */
void msr_allowlist_uninit(void)
{
	msr_node_uninit(&allowlist_node);
	srcu_barrier(&list_srcu); /* for writers that no longer wait */
	rcu_barrier();
	msr_table_put(rcu_dereference_protected(list, true));
	cleanup_srcu_struct(&list_srcu);
}
