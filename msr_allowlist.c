// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/cpu/msr_allowlist, through which the administrator sets the policy, and
 * /dev/cpu/msr_allowlist_GID for each class of users: text in, text out.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <asm/msr-index.h>

#include "msr_allowlist.h"
#include "msr_mem.h"
#include "msr_node.h"
#include "msr_param.h"
#include "msr_policy.h"
#include "msr_table.h"
#include "msr_takeover.h"

/* The longest text, and the shortest read; both are part of the interface. */
#define MAX_WLIST_BSIZE (128 * 1024 + 1)
#define MIN_READ_BSIZE 60

/* The minor number of the first class; those before are other names of the default list. */
#define FIRST_CLASS_MINOR 16

static struct msr_param mdev_msr_allowlist = MSR_MAJOR;
module_param_cb(mdev_msr_allowlist, &msr_param_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_allowlist, "Major number of the allowlist device (0: dynamic)");
module_param_cb(mdev_msr_approved_list, &msr_param_ops, &mdev_msr_allowlist, 0444);
MODULE_PARM_DESC(mdev_msr_approved_list, "Former name of mdev_msr_allowlist");

static bool approved_list_names;
module_param(approved_list_names, bool, 0444);
MODULE_PARM_DESC(approved_list_names,
		 "Create the nodes /dev/cpu/msr_approved_list and msr_whitelist, too");

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

/* The number of the list that a node is for */
static unsigned int list_of(const struct inode *inode)
{
	return iminor(inode) < FIRST_CLASS_MINOR ? 0 : iminor(inode) - FIRST_CLASS_MINOR + 1;
}

/* The longest is "allowlist of group 4294967294". */
#define NAME_SIZE 32

static const char *name_of(unsigned int list, char *name)
{
	if (list)
		snprintf(name, NAME_SIZE, "allowlist of group %u", msr_policy_gid(list));
	else
		strscpy(name, "allowlist", NAME_SIZE);
	return name;
}

/* One or two bytes of white space, as `echo >` writes them, ask for no list. */
static bool asks_to_clear(const char *text, size_t len)
{
	return len >= 1 && len <= 2 && isspace(text[0]) && isspace(text[len - 1]);
}

/* For audits: a list that was published is in force even if the wait for it was cut short. */
static void log_change(const char *name, unsigned int count, int err)
{
	pr_info_ratelimited("%s written: entries %u, uid %u, pid %d%s\n", name, count,
			    from_kuid(&init_user_ns, current_uid()), task_tgid_nr(current),
			    err ? ", interrupted" : "");
}

static void log_refusal(const char *name, const char *now, const struct msr_text *text)
{
	pr_warn_ratelimited("%s refused, %s: line %u: %s\n", name, now, text->line, text->why);
}

/* Finds the line of an entry. */
static void find_line(struct msr_text *text, unsigned int entry_nr)
{
	struct msr_allowlist_entry entry;

	msr_text_rewind(text);
	do
		msr_text_next(text, &entry);
	while (entry_nr--);
	text->line = text->entry_line;
	text->why = "not within the default list";
}

static int clear_list(struct msr_lists *next, unsigned int list, const char *name)
{
	int err = msr_policy_clear(next, list);

	log_change(name, 0, err);
	return err;
}

static int put_into_force(struct msr_lists *next, unsigned int list, const char *name,
			  struct msr_table *table, struct msr_text *text)
{
	unsigned int count = table->count, beyond;
	int err;

	err = msr_policy_replace(next, list, msr_table_get(table), &beyond);
	if (err == -EPERM) {
		msr_table_put(table);
		msr_lists_free(next);
		find_line(text, beyond);
		log_refusal(name, "the current list stays", text);
	} else if (err == -ENOMEM) {
		pr_warn_ratelimited("no memory to narrow the lists of groups: all are empty now\n");
		log_change(name, 0, false);
	} else {
		warn_of_takeover(table);
		warn_of_clock(table);
		log_change(name, count, err);
	}
	msr_table_put(table);
	return err;
}

static int replace_list(unsigned int list, char *buf, size_t len)
{
	struct msr_text text = { .start = buf, .end = buf + len };
	struct msr_lists *next;
	struct msr_table *table;
	char name[NAME_SIZE];
	int count;

	name_of(list, name);
	next = msr_lists_alloc();
	if (!next)
		return -ENOMEM;
	if (asks_to_clear(buf, len))
		return clear_list(next, list, name);

	count = msr_table_check(&text);
	if (count < 0) {
		msr_lists_free(next);
		log_refusal(name, "the current list stays", &text);
		return count;
	}
	table = msr_table_make(&text, count);
	if (IS_ERR(table)) {
		log_refusal(name, "it is now empty", &text);
		return clear_list(next, list, name) ?: PTR_ERR(table);
	}
	return put_into_force(next, list, name, table, &text);
}

static ssize_t allowlist_write(struct file *file, const char __user *ubuf, size_t count,
			       loff_t *ppos)
{
	unsigned int list = list_of(file_inode(file));
	char name[NAME_SIZE];
	struct msr_mem mem;
	char *buf;
	int err;

	if (count > MAX_WLIST_BSIZE) {
		pr_warn_ratelimited("%s refused, the current list stays: over %u bytes\n",
				    name_of(list, name), MAX_WLIST_BSIZE);
		return -E2BIG;
	}

	err = msr_mem_alloc(&mem, count + 1);
	if (err)
		return err;
	buf = mem.addr;
	buf[count] = '\0';
	err = copy_from_user(buf, ubuf, count) ? -EFAULT : replace_list(list, buf, count);
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

/* A reader sees the list that was in force at the open, however slowly it reads. */
static int allowlist_open(struct inode *inode, struct file *file)
{
	struct seq_file *seq;
	int err;

	if (list_of(inode) > msr_policy_classes())
		return -ENXIO;
	err = seq_open(file, &list_seq_ops);
	if (err)
		return err;
	seq = file->private_data;
	seq->private = msr_policy_get(list_of(inode));
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

static void del_classes(unsigned int count)
{
	while (count--)
		msr_node_del(&allowlist_node, FIRST_CLASS_MINOR + count);
}

static int add_classes(void)
{
	char path[32];
	unsigned int i;
	int err;

	for (i = 0; i < msr_policy_classes(); i++) {
		snprintf(path, sizeof(path), "cpu!msr_allowlist_%u", msr_policy_gid(i + 1));
		err = msr_node_add(&allowlist_node, FIRST_CLASS_MINOR + i, path);
		if (err) {
			del_classes(i);
			return err;
		}
	}
	return 0;
}

/**
 * msr_allowlist_init() - create the devices
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_allowlist_init(void)
{
	int err;

	if (approved_list_names) {
		allowlist_node.paths[1] = "cpu!msr_approved_list";
		allowlist_node.paths[2] = "cpu!msr_whitelist";
	}
	err = msr_node_init(&allowlist_node, mdev_msr_allowlist.value);
	if (err)
		return err;
	err = add_classes();
	if (err)
		msr_node_uninit(&allowlist_node);
	return err;
}

/** msr_allowlist_uninit() - remove the devices. Context: may sleep; no file is open. */
void msr_allowlist_uninit(void)
{
	del_classes(msr_policy_classes());
	msr_node_uninit(&allowlist_node);
}
