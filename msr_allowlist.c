// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy: which registers may be read, and which bits of them written; and
 * /dev/cpu/msr_allowlist, through which the administrator sets it.
 *
 * The list in force is one immutable table. Whoever judges by it holds SRCU
 * from before the judgement until the last access that follows from it has been
 * made; a new list is published by one pointer, and its writer waits for SRCU
 * before it is told of success. So each access is judged by one whole list, and
 * after the write nothing is executed any more that only the old list allowed.
 * A fatal signal ends the wait, but not the new list. Writers publish one after
 * the other, under publish_lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "msr_allowlist.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_node.h"
#include "msr_safe.h"
#include "msr_table.h"

/* The longest text, and the shortest read; both are part of the interface. */
#define MAX_WLIST_BSIZE (128 * 1024 + 1)
#define MIN_READ_BSIZE 60

static unsigned int mdev_msr_allowlist;
module_param_cb(mdev_msr_allowlist, &msr_major_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_allowlist, "Major number of the allowlist device (0: dynamic)");
module_param_cb(mdev_msr_approved_list, &msr_major_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_approved_list, "Former name of mdev_msr_allowlist");

static bool approved_list_names;
module_param(approved_list_names, bool, 0444);
MODULE_PARM_DESC(approved_list_names, "Make the node /dev/cpu/msr_approved_list, too");

static bool revoke_on_change;
module_param(revoke_on_change, bool, 0444);
MODULE_PARM_DESC(revoke_on_change,
		 "Refuse descriptors opened before the list was written (default: 0)");

DEFINE_STATIC_KEY_FALSE(msr_allowlist_revokes);

/* How many lists there have been. Goes up before the list of that number is in force. */
static unsigned long generation;

DEFINE_SRCU(msr_allowlist_srcu);
struct msr_table __rcu *msr_allowlist = (struct msr_table __rcu __force *)&msr_table_empty;

static DEFINE_MUTEX(publish_lock);

/**
 * msr_allowlist_opened() - remember which list was in force when a file was opened
 * @file:	a file that msr_allowlist_revoked() may be asked of; what is
 *		remembered is its private_data
 *
 * Context: may sleep.
 */
void msr_allowlist_opened(struct file *file)
{
	mutex_lock(&publish_lock); /* a list is either in force or not yet */
	file->private_data = (void *)generation;
	mutex_unlock(&publish_lock);
}

/* The list was looked up before, so the number is its own or a later one's. */
bool msr_allowlist_changed_since_open(const struct file *file)
{
	smp_rmb(); /* pairs with rcu_replace_pointer() in publish() */
	return file->private_data != (void *)READ_ONCE(generation);
}

/**
 * msr_allowlist_judge_writes() - the part of judging that only writes need
 * @op:		the first of the operations, judged otherwise
 * @end:	the end of them
 * @allowed:	whether all may be executed so far
 *
 * Context: may sleep; before the msr_allowlist_exit().
 * Return: whether all may be executed; those that may not have %-EPERM as @err.
 */
bool msr_allowlist_judge_writes(struct msr_batch_op *op, const struct msr_batch_op *end,
				bool allowed)
{
	if (!security_locked_down(LOCKDOWN_MSR))
		return allowed;
	for (; op < end; op++)
		if (!op->isrdmsr)
			op->err = -EPERM;
	return false;
}

/**
 * msr_allowlist_judge() - judge operations by a list
 * @table:	the list, of msr_allowlist_enter()
 * @ops:	the operations; each gets its @wmask, and as its @err either
 *		%MSR_NOT_RUN, that is, it may be executed, or why it may not:
 *		-EACCES not listed, -EROFS no bit of it may be written, -EPERM
 *		a write on a kernel that is locked down
 * @count:	how many, at least 1
 *
 * Context: may sleep; before the msr_allowlist_exit().
 * Return: whether all may be executed.
 */
bool msr_allowlist_judge(const struct msr_table *table, struct msr_batch_op *ops, u32 count)
{
	const struct msr_index index = table->index;
	const struct msr_batch_op *end = ops + count;
	struct msr_batch_op *op = ops;
	bool allowed = true;
	bool writes = false;

	do {
		if (!msr_allowlist_judge_one(&index, op))
			allowed = false;
		if (!op->isrdmsr)
			writes = true;
	} while (++op < end);

	return writes ? msr_allowlist_judge_writes(ops, end, allowed) : allowed;
}

/*
 * Registers through whose bits ring 0 can be taken over: entry points and
 * stacks of the kernel, what memory and microcode it trusts, what the processor
 * writes to memory by itself. Addresses and names: Intel SDM, volume 4, and
 * AMD64 APM, volume 2, appendix A.
 */
/* clang-format off */
static const struct {
	u32 first;
	u32 last;
	const char *name;
} takeover_regs[] = {
	{ 0x0000001b, 0x0000001b, "APIC_BASE" },
	{ 0x0000003a, 0x0000003a, "FEATURE_CONTROL" },
	{ 0x00000079, 0x00000079, "BIOS_UPDT_TRIG" },
	{ 0x0000009b, 0x0000009b, "SMM_MONITOR_CTL" },
	{ 0x0000009e, 0x0000009e, "SMBASE" },
	{ 0x00000174, 0x00000174, "SYSENTER_CS" },
	{ 0x00000175, 0x00000175, "SYSENTER_ESP" },
	{ 0x00000176, 0x00000176, "SYSENTER_EIP" },
	{ 0x000001cc, 0x000001d4, "FRED" },
	{ 0x000001d9, 0x000001d9, "DEBUGCTL" },
	{ 0x000001f2, 0x000001f3, "SMRR" },
	{ 0x00000200, 0x0000021f, "MTRR_PHYS" },
	{ 0x00000250, 0x0000026f, "MTRR_FIX" },
	{ 0x00000277, 0x00000277, "PAT" },
	{ 0x000002ff, 0x000002ff, "MTRR_DEF_TYPE" },
	{ 0x00000560, 0x00000561, "RTIT_OUTPUT" },
	{ 0x00000570, 0x00000570, "RTIT_CTL" },
	{ 0x00000600, 0x00000600, "DS_AREA" },
	{ 0x000006a2, 0x000006a2, "S_CET" },
	{ 0x000006a4, 0x000006a8, "SSP" },
	{ 0x00000830, 0x00000830, "X2APIC_ICR" },
	{ 0xc0000080, 0xc0000080, "EFER" },
	{ 0xc0000081, 0xc0000081, "STAR" },
	{ 0xc0000082, 0xc0000082, "LSTAR" },
	{ 0xc0000083, 0xc0000083, "CSTAR" },
	{ 0xc0000084, 0xc0000084, "FMASK" },
	{ 0xc0000100, 0xc0000100, "FS_BASE" },
	{ 0xc0000101, 0xc0000101, "GS_BASE" },
	{ 0xc0000102, 0xc0000102, "KERNEL_GS_BASE" },
	{ 0xc0010010, 0xc0010010, "SYSCFG" },
	{ 0xc0010015, 0xc0010015, "HWCR" },
	{ 0xc0010016, 0xc0010019, "IORR" },
	{ 0xc001001a, 0xc001001a, "TOP_MEM" },
	{ 0xc001001d, 0xc001001d, "TOP_MEM2" },
	{ 0xc0010020, 0xc0010020, "PATCH_LOADER" },
	{ 0xc0010111, 0xc0010113, "SMM" },
	{ 0xc0010114, 0xc0010114, "VM_CR" },
	{ 0xc0010117, 0xc0010117, "VM_HSAVE_PA" },
};

/* clang-format on */

/* One warning that names what the list lets users take the kernel over with. */
static void warn_of_takeover(const struct msr_table *table)
{
	char names[512];
	size_t len = 0;
	size_t i;
	u32 addr;

	for (i = 0; i < ARRAY_SIZE(takeover_regs); i++) {
		for (addr = takeover_regs[i].first; addr <= takeover_regs[i].last; addr++) {
			const struct msr_entry *entry = msr_index_find(&table->index, addr);

			if (!entry || !entry->wmask)
				continue;
			len += scnprintf(names + len, sizeof(names) - len, "%s%s", len ? " " : "",
					 takeover_regs[i].name);
			break;
		}
	}
	if (len)
		pr_warn("allowlist lets users take over the kernel through: %s\n", names);
}

/* A list that is in force no more, until nobody judges by it any more */
struct retired_list {
	struct rcu_head rcu;
	struct completion unused;
	struct kref ref; /* of the SRCU callback, and of the waiting writer */
	struct msr_table *table;
};

static void free_retired(struct kref *ref)
{
	struct retired_list *old = container_of(ref, struct retired_list, ref);

	msr_table_put(old->table);
	kfree(old);
}

static void list_is_unused(struct rcu_head *rcu)
{
	struct retired_list *old = container_of(rcu, struct retired_list, rcu);

	complete(&old->unused);
	kref_put(&old->ref, free_retired);
}

/* Takes over both references. Return: 0, or -EINTR for a fatal signal. */
static int publish(struct msr_table *table, struct retired_list *old)
{
	int err;

	init_completion(&old->unused);
	kref_init(&old->ref);
	kref_get(&old->ref);

	mutex_lock(&publish_lock);
	WRITE_ONCE(generation, generation + 1);
	old->table = rcu_replace_pointer(msr_allowlist, table, lockdep_is_held(&publish_lock));
	mutex_unlock(&publish_lock);

	call_srcu(&msr_allowlist_srcu, &old->rcu, list_is_unused);
	err = wait_for_completion_killable(&old->unused);
	kref_put(&old->ref, free_retired);
	return err ? -EINTR : 0;
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

static int replace_list(char *buf, size_t len)
{
	struct msr_text text = { .start = buf, .end = buf + len };
	struct retired_list *old;
	struct msr_table *table;
	int count;

	old = kmalloc(sizeof(*old), GFP_KERNEL_ACCOUNT);
	if (!old)
		return -ENOMEM;
	if (asks_to_clear(buf, len))
		return publish_empty(old);

	count = msr_table_check(&text);
	if (count < 0) {
		kfree(old);
		pr_warn_ratelimited("allowlist refused, the one before stays: line %u: %s\n",
				    text.line, text.why);
		return count;
	}

	table = msr_table_make(&text, count);
	if (IS_ERR(table)) {
		pr_warn_ratelimited("allowlist refused, it is now empty: line %u: %s\n", text.line,
				    text.why);
		return publish_empty(old) ?: PTR_ERR(table);
	}
	warn_of_takeover(table);
	return publish(table, old);
}

static ssize_t allowlist_write(struct file *file, const char __user *ubuf, size_t count,
			       loff_t *ppos)
{
	char *buf;
	int err;

	if (count > MAX_WLIST_BSIZE) {
		pr_warn_ratelimited("allowlist refused, the one before stays: over %u bytes\n",
				    MAX_WLIST_BSIZE);
		return -E2BIG;
	}

	buf = msr_mem_alloc(count + 1);
	if (!buf)
		return -ENOMEM;
	buf[count] = '\0';
	err = copy_from_user(buf, ubuf, count) ? -EFAULT : replace_list(buf, count);
	kvfree(buf);
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
	const struct msr_entry *entry = v;

	if (v == SEQ_START_TOKEN)
		seq_puts(seq, "# MSR      Write mask\n");
	else
		seq_printf(seq, "0x%08X 0x%016llX\n", entry->addr, entry->wmask);
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
	int ticket;
	int err;

	err = seq_open(file, &list_seq_ops);
	if (err)
		return err;

	seq = file->private_data;
	seq->private = msr_table_get(msr_allowlist_enter(&ticket));
	msr_allowlist_exit(ticket);
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
 * msr_allowlist_init() - begin with nothing listed, and make the device
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int msr_allowlist_init(void)
{
	int err;

	if (revoke_on_change)
		static_branch_enable(&msr_allowlist_revokes);
	if (approved_list_names)
		allowlist_node.paths[1] = "cpu!msr_approved_list";

	msr_table_get(&msr_table_empty); /* as the list in force */
	err = msr_node_init(&allowlist_node, mdev_msr_allowlist);
	if (err)
		msr_table_put(&msr_table_empty);
	return err;
}

/**
 * msr_allowlist_uninit() - take the device away, and the list
 *
 * Context: may sleep; nobody has the device open or judges any more.
 */
void msr_allowlist_uninit(void)
{
	msr_node_uninit(&allowlist_node);
	srcu_barrier(&msr_allowlist_srcu); /* for writers that were killed */
	msr_table_put(rcu_dereference_protected(msr_allowlist, true));
}
