// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy: which registers can be read, and which bits of them written, and by whom.
 *
 * There is a default list, and one for each class of users, who are the members of a group.
 * Where there are classes, root has the default list, and the groups of another task that opens a
 * device pick the list for that descriptor. The default list bounds those of the classes: no list
 * of a class has an address or a bit beyond it.
 *
 * A list in force is one immutable table, and one pointer leads to all of them. A reader of the
 * policy holds SRCU from before it checks an access until the last operation that follows has
 * been executed. A writer publishes new lists by replacing that pointer, and then waits for
 * SRCU. So one whole list applies to an access, and after the write nothing is executed that
 * only the old list allowed. A new default list and what it leaves of the classes' lists come
 * into force in the same step.
 *
 * A single access on the caller's CPU holds off interrupts instead. The writer waits for
 * it with msr_visit_barrier(), which interrupts each CPU once.
 *
 * A user can delay its own accesses without limit, for example in a cgroup with a
 * small quota. So the writer waits for SRCU no longer than GRACE. Then it cuts the old
 * lists: a visit looks, with interrupts off, whether its lists are cut, and
 * msr_visit_barrier() waits for the visits in progress. A fatal signal ends the wait for
 * SRCU, but not the new list. Writers publish one after the other, under publish_lock.
 *
 * Grants have been checked beforehand. The writer looks at each of them before it waits
 * for anything, and cuts those that the new lists do not allow; see msr_grant.c.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/jump_label.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "msr_confine.h"
#include "msr_grant.h"
#include "msr_param.h"
#include "msr_policy.h"
#include "msr_table.h"
#include "msr_visit.h"

/* How long accesses in progress under old lists delay the writer of new ones */
#define GRACE HZ

static unsigned int class_gids[MSR_CLASSES_MAX];
static unsigned int nr_classes;
module_param_array(class_gids, msr_decimal, &nr_classes, 0444);
MODULE_PARM_DESC(class_gids, "Groups of users who have an allowlist of their own, by number");

static bool revoke_on_change;
module_param(revoke_on_change, bool, 0444);
MODULE_PARM_DESC(revoke_on_change,
		 "Refuse descriptors opened before the list was written (default: 0)");

static DEFINE_STATIC_KEY_FALSE(revokes);

/* Lists in force at the same time; immutable. Each table has a reference of its own. */
struct msr_lists {
	struct rcu_head rcu;
	struct completion unused;
	struct kref ref;
	unsigned long generation;
	bool cut; /* in force no more, and nothing is to be executed that was checked before */
	struct msr_table *tables[MSR_LISTS_MAX];
};

static struct srcu_struct list_srcu;

/* A list in which there is nothing */
static struct msr_table *empty;
static struct msr_lists nothing;
static struct msr_lists __rcu *lists = (struct msr_lists __rcu __force *)&nothing;

static DEFINE_MUTEX(publish_lock);
static unsigned long publications; /* under publish_lock */

/**
 * msr_policy_generation() - which lists are in force
 *
 * Takes no lock that writers take: users could hold it for as long as they like.
 *
 * Context: any but NMIs. Return: their number, to compare others with.
 */
unsigned long msr_policy_generation(void)
{
	unsigned long generation;

	rcu_read_lock_sched();
	generation = rcu_dereference_sched(lists)->generation;
	rcu_read_unlock_sched();
	return generation;
}

/*
 * Classes only add: a task that drops a group, as it can in a user namespace, loses its class.
 * Return: the number of the list for the current task, or -EACCES.
 */
static int pick_list(void)
{
	unsigned int i;

	if (!nr_classes || uid_eq(current_fsuid(), GLOBAL_ROOT_UID))
		return 0;
	for (i = 0; i < nr_classes; i++)
		if (in_egroup_p(make_kgid(&init_user_ns, class_gids[i])))
			return i + 1;
	return -EACCES;
}

/**
 * msr_policy_opened() - what a device remembers of the task that opens a file, and of the moment
 * @opened:	set to a number for msr_policy_enter()
 *
 * Context: may sleep. Return: 0, or -EACCES if the task is in none of the classes that there are.
 */
int msr_policy_opened(unsigned long *opened)
{
	int list = pick_list();

	if (list < 0)
		return list;
	*opened = msr_policy_generation() << MSR_OPENED_SHIFT | list;
	if (msr_confine_is_privileged())
		*opened |= MSR_OPENED_PRIVILEGED;
	return 0;
}

/* Return: the list that counts for a file; or NULL if that has been revoked. */
static __always_inline const struct msr_table *table_of(const struct msr_lists *now,
							unsigned long opened)
{
	if (static_branch_unlikely(&revokes) && opened >> MSR_OPENED_SHIFT != now->generation)
		return NULL;
	return now->tables[msr_policy_list_of(opened)];
}

/**
 * msr_policy_enter() - begin to check and to execute
 * @opened:	what msr_policy_opened() set when the caller's file was opened
 * @srcu_idx:	set for msr_policy_exit()
 * @cut:	set to a flag: nothing is executed after that is true and msr_visit_barrier() has
 *		returned
 *
 * A writer of a new list waits for the exit, so nothing between the two may wait
 * for a user, as an access to user memory can.
 *
 * Context: may sleep until the exit, which is due in any case.
 * Return: the list in force, valid until the exit; or NULL if the module is loaded to
 * refuse files that were opened under another list.
 */
const struct msr_table *msr_policy_enter(unsigned long opened, int *srcu_idx, const bool **cut)
	__acquires(&list_srcu)
{
	const struct msr_lists *now;

	*srcu_idx = srcu_read_lock(&list_srcu);
	now = srcu_dereference(lists, &list_srcu);
	*cut = &now->cut;
	return table_of(now, opened);
}

/**
 * msr_policy_here() - the same for a section with interrupts off, which needs no exit
 * @opened:	as for msr_policy_enter()
 *
 * Context: interrupts off. Return: the list in force until they are on again; or NULL,
 * as msr_policy_enter() returns it.
 */
const struct msr_table *msr_policy_here(unsigned long opened)
{
	lockdep_assert_irqs_disabled();
	return table_of(rcu_dereference_sched(lists), opened);
}

/**
 * msr_policy_exit() - nothing checked since the enter is executed any more
 * @srcu_idx:	set by msr_policy_enter()
 *
 * Context: any.
 */
void msr_policy_exit(int srcu_idx) __releases(&list_srcu)
{
	srcu_read_unlock(&list_srcu, srcu_idx);
}

/**
 * msr_policy_get() - the list in force
 * @list:	its number
 *
 * Context: may sleep. Return: its table, with a reference for the caller.
 */
struct msr_table *msr_policy_get(unsigned int list)
{
	struct msr_table *table;
	int srcu_idx;

	srcu_idx = srcu_read_lock(&list_srcu);
	table = msr_table_get(srcu_dereference(lists, &list_srcu)->tables[list]);
	srcu_read_unlock(&list_srcu, srcu_idx);
	return table;
}

/** msr_policy_classes() - how many classes there are; their lists are numbered from 1. */
unsigned int msr_policy_classes(void)
{
	return nr_classes;
}

/** msr_policy_gid() - the group of a class. @list: the number of its list, from 1. */
unsigned int msr_policy_gid(unsigned int list)
{
	return class_gids[list - 1];
}

/**
 * msr_policy_join() - have accesses stand until a list no longer allows them
 * @grant:	the accesses, which are counted
 *
 * Context: task. Return: false if other lists are in force by now than those that they have been
 * checked against.
 */
bool msr_policy_join(struct msr_grant *grant)
{
	bool joins;

	/* A writer that takes the lock later sees the grant. One before has set its lists. */
	raw_spin_lock(&msr_grants_lock);
	joins = grant->generation == msr_policy_generation();
	grant->joined = joins;
	raw_spin_unlock(&msr_grants_lock);
	return joins;
}

/** msr_lists_alloc() - memory for new lists. Context: may sleep. Return: or NULL. */
struct msr_lists *msr_lists_alloc(void)
{
	return kzalloc(sizeof(struct msr_lists), GFP_KERNEL_ACCOUNT);
}

/** msr_lists_free() - free lists that are not in force. @freed: them. Context: any but NMIs. */
void msr_lists_free(struct msr_lists *freed)
{
	unsigned int i;

	for (i = 0; i < MSR_LISTS_MAX; i++)
		if (freed->tables[i])
			msr_table_put(freed->tables[i]);
	if (freed != &nothing)
		kfree(freed);
}

static void free_lists_rcu(struct rcu_head *rcu)
{
	msr_lists_free(container_of(rcu, struct msr_lists, rcu));
}

/* A writer that was killed has not waited for sections of msr_policy_here(): RCU does. */
static void free_lists(struct kref *ref)
{
	call_rcu(&container_of(ref, struct msr_lists, ref)->rcu, free_lists_rcu);
}

static void lists_are_unused(struct rcu_head *rcu)
{
	struct msr_lists *old = container_of(rcu, struct msr_lists, rcu);

	complete(&old->unused);
	kref_put(&old->ref, free_lists);
}

/* Return: 0 when nothing is executed any more under the old lists; -EINTR for a fatal signal. */
static int wait_until_unused(struct msr_lists *old)
{
	long left = wait_for_completion_killable_timeout(&old->unused, GRACE);

	if (left <= 0)
		WRITE_ONCE(old->cut, true);
	if (left < 0)
		return -EINTR;
	msr_visit_barrier(); /* for visits, and sections of msr_policy_here() */
	return 0;
}

static struct msr_lists *lists_in_force(void)
{
	return rcu_dereference_protected(lists, lockdep_is_held(&publish_lock));
}

/* Return: the old lists, with a reference for the writer, and one until nothing uses them. */
static struct msr_lists *publish(struct msr_lists *next)
{
	struct msr_lists *old = lists_in_force();

	next->generation = publications;
	rcu_assign_pointer(lists, next);
	msr_grants_cut(next->tables, revoke_on_change ? publications : 0);
	init_completion(&old->unused);
	kref_init(&old->ref);
	kref_get(&old->ref);
	return old;
}

/*
 * @table is the new list @list. A new default list bounds the others. Return: the new list @i, with
 * a reference; or NULL if there is no memory for it.
 */
static struct msr_table *new_table(unsigned int i, unsigned int list, struct msr_table *table)
{
	struct msr_table *before = lists_in_force()->tables[i];

	if (i == list)
		return table;
	if (list)
		return msr_table_get(before);
	return msr_table_narrow(table->count ? before : empty, table);
}

/*
 * Takes over the reference to the table. Return: 0; or -ENOMEM, and all lists are empty then.
 */
static int fill_lists(struct msr_lists *next, unsigned int list, struct msr_table *table)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < MSR_LISTS_MAX; i++) {
		next->tables[i] = new_table(i, list, table);
		if (!next->tables[i])
			err = -ENOMEM;
	}
	for (i = 0; i < MSR_LISTS_MAX; i++) {
		if (err && next->tables[i])
			msr_table_put(next->tables[i]);
		if (err)
			next->tables[i] = msr_table_get(empty);
		if (next->tables[i] != lists_in_force()->tables[i])
			WRITE_ONCE(next->tables[i]->generation, publications);
	}
	return err;
}

/**
 * msr_policy_replace() - put a list into force
 * @next:	from msr_lists_alloc(); taken over, unless -EPERM is returned
 * @list:	its number
 * @table:	the list, with a reference that is taken over likewise
 * @beyond:	set to the number of the entry that is not within the default list
 *
 * Context: may sleep. Return: 0 when nothing is executed any more that only old lists allowed;
 * -EINTR	a fatal signal ended the wait for that; the list is in force;
 * -ENOMEM	no memory for what it leaves of other lists: all lists are empty now;
 * -EPERM	the list is one of a class, and the default list does not allow all of it.
 */
int msr_policy_replace(struct msr_lists *next, unsigned int list, struct msr_table *table,
		       unsigned int *beyond)
{
	struct msr_lists *old;
	int waited, err;

	might_sleep();
	mutex_lock(&publish_lock);
	if (list && !msr_table_within(table, lists_in_force()->tables[0], beyond)) {
		mutex_unlock(&publish_lock);
		return -EPERM;
	}
	publications++;
	err = fill_lists(next, list, table);
	old = publish(next);
	mutex_unlock(&publish_lock);
	call_srcu(&list_srcu, &old->rcu, lists_are_unused);
	waited = wait_until_unused(old);
	kref_put(&old->ref, free_lists);
	return err ?: waited;
}

/**
 * msr_policy_clear() - have nothing listed
 * @next:	from msr_lists_alloc(); taken over
 * @list:	number of the list; for 0, all lists
 *
 * Context: may sleep. Return: 0 or -EINTR, as msr_policy_replace().
 */
int msr_policy_clear(struct msr_lists *next, unsigned int list)
{
	unsigned int beyond;

	return msr_policy_replace(next, list, msr_table_get(empty), &beyond);
}

static int check_classes(void)
{
	unsigned int i, j;

	for (i = 0; i < nr_classes; i++) {
		/* Root would be in a class of group 0, and so would be what runs for all. */
		if (!class_gids[i] || !gid_valid(make_kgid(&init_user_ns, class_gids[i])))
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (class_gids[i] == class_gids[j])
				return -EINVAL;
	}
	return 0;
}

/**
 * msr_policy_init() - begin with nothing listed
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_policy_init(void)
{
	unsigned int i;
	int err;

	err = check_classes() ?: init_srcu_struct(&list_srcu);
	if (err)
		return err;
	if (revoke_on_change)
		static_branch_enable(&revokes);
	empty = msr_table_make_empty();
	if (!empty) {
		cleanup_srcu_struct(&list_srcu);
		return -ENOMEM;
	}
	for (i = 0; i < MSR_LISTS_MAX; i++)
		nothing.tables[i] = msr_table_get(empty);
	return 0;
}

/** msr_policy_uninit() - undo it. Context: may sleep; no file is open. */
void msr_policy_uninit(void)
{
	srcu_barrier(&list_srcu); /* for writers that no longer wait */
	rcu_barrier();
	msr_lists_free(rcu_dereference_protected(lists, true));
	msr_table_put(empty);
	cleanup_srcu_struct(&list_srcu);
}
