// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy: which registers can be read, and which bits of them written, and by whom.
 *
 * There is a default list, and one for each class of users, who are the members of a group.
 * The groups of the task that opens a device pick the list for that descriptor. The default list
 * bounds those of the classes: no list of a class has an address or a bit beyond it.
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
 * lists: a visit looks, with interrupts off, whether its list is cut, and
 * msr_visit_barrier() waits for the visits in progress. A fatal signal ends the wait for
 * SRCU, but not the new list. Writers publish one after the other, under publish_lock.
 *
 * Sessions have been checked beforehand. The writer looks at each of them before it waits
 * for anything, and cuts those that the new lists do not allow. A session joins under
 * standing_lock, as do the new lists, and joins only if it was checked against the list in
 * force. That lock is held for a few instructions, with preemption off: no user can make
 * the writer wait for it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "msr_access.h"
#include "msr_policy.h"
#include "msr_program.h"
#include "msr_table.h"
#include "msr_visit.h"

/* How long accesses in progress under old lists delay the writer of new ones */
#define GRACE HZ

static unsigned int class_gids[MSR_CLASSES_MAX];
static unsigned int nr_classes;
module_param_array(class_gids, uint, &nr_classes, 0444);
MODULE_PARM_DESC(class_gids, "Groups of users who have an allowlist of their own, by number");

static bool revoke_on_change;
module_param(revoke_on_change, bool, 0444);
MODULE_PARM_DESC(revoke_on_change,
		 "Refuse descriptors opened before the list was written (default: 0)");

static DEFINE_STATIC_KEY_FALSE(revokes);

/* Lists in force at the same time; immutable. Each has a reference of its own. */
struct msr_lists {
	struct msr_table *tables[MSR_LISTS_MAX];
};

static struct srcu_struct list_srcu;

/* A list in which there is nothing, for each */
static struct msr_table *empty[MSR_LISTS_MAX];
static struct msr_lists nothing;
static struct msr_lists __rcu *lists = (struct msr_lists __rcu __force *)&nothing;

static DEFINE_MUTEX(publish_lock);
static unsigned long publications; /* under publish_lock */

static DEFINE_RAW_SPINLOCK(standing_lock);
static LIST_HEAD(standings);

/**
 * msr_policy_generation() - which list is in force
 * @list:	of those with this number
 *
 * Takes no lock that writers take: users could hold it for as long as they like.
 *
 * Context: any but NMIs. Return: its number, to compare others with.
 */
unsigned long msr_policy_generation(unsigned int list)
{
	unsigned long generation;

	rcu_read_lock_sched();
	generation = READ_ONCE(rcu_dereference_sched(lists)->tables[list]->generation);
	rcu_read_unlock_sched();
	return generation;
}

/* The list for the current task: that of the first class whose group it is in */
static unsigned int pick_list(void)
{
	unsigned int i;

	for (i = 0; i < nr_classes; i++)
		if (in_egroup_p(make_kgid(&init_user_ns, class_gids[i])))
			return i + 1;
	return 0;
}

/**
 * msr_policy_opened() - what a device remembers of the task that opens a file, and of the moment
 *
 * Context: may sleep. Return: a number for msr_policy_enter().
 */
unsigned long msr_policy_opened(void)
{
	unsigned int list = pick_list();

	return msr_policy_generation(list) << MSR_OPENED_SHIFT | list;
}

static __always_inline bool revoked(const struct msr_table *table, unsigned long opened)
{
	return static_branch_unlikely(&revokes) &&
	       opened >> MSR_OPENED_SHIFT != READ_ONCE(table->generation);
}

/**
 * msr_policy_enter() - begin to check and to execute
 * @opened:	what msr_policy_opened() returned when the caller's file was opened
 * @srcu_idx:	set for msr_policy_exit()
 *
 * A writer of a new list waits for the exit, so nothing between the two may wait
 * for a user, as an access to user memory can.
 *
 * Context: may sleep until the exit, which is due in any case.
 * Return: the list in force, valid until the exit; or NULL if the module is loaded to
 * refuse files that were opened under another list.
 */
const struct msr_table *msr_policy_enter(unsigned long opened, int *srcu_idx) __acquires(&list_srcu)
{
	const struct msr_table *table;

	*srcu_idx = srcu_read_lock(&list_srcu);
	table = srcu_dereference(lists, &list_srcu)->tables[msr_policy_list_of(opened)];
	return revoked(table, opened) ? NULL : table;
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
	const struct msr_table *table =
		rcu_dereference_sched(lists)->tables[msr_policy_list_of(opened)];

	lockdep_assert_irqs_disabled();
	return revoked(table, opened) ? NULL : table;
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
 * @standing:	the accesses, with one reference, the caller's
 *
 * Context: any but interrupts. Return: false if another list is in force by now than the one
 * that they have been checked against.
 */
bool msr_policy_join(struct msr_standing *standing)
{
	bool joins;

	raw_spin_lock(&standing_lock);
	joins = msr_policy_generation(standing->list) == standing->generation;
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
 * msr_policy_leave() - undo msr_policy_join()
 * @standing:	the accesses; freed when no writer of a list looks at them any more
 *
 * Context: may sleep.
 */
void msr_policy_leave(struct msr_standing *standing)
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

/* Whether the list that it is judged by has come into force since it was checked */
static bool has_new_list(const struct msr_standing *standing, const struct msr_table *table)
{
	return READ_ONCE(table->generation) != standing->generation;
}

/* A standing stays in the list while a reference to it is held. */
static void cut_standings(const struct msr_lists *next)
{
	struct msr_standing *standing = get_next(&standings);

	while (standing) {
		const struct msr_table *table = next->tables[standing->list];
		struct msr_standing *following;

		if (!standing->cut && has_new_list(standing, table) &&
		    (revoke_on_change || !allows(table, standing))) {
			WRITE_ONCE(standing->cut, true);
			WRITE_ONCE(*standing->state, standing->revoked);
			standing->ended(standing);
		}
		following = get_next(&standing->node);
		msr_policy_leave(standing);
		standing = following;
	}
}

/* New lists on their way into force, and then the old ones until nothing uses them */
struct msr_change {
	struct rcu_head rcu;
	struct completion unused;
	struct kref ref; /* of the SRCU callback, and of the waiting writer */
	struct msr_lists *next;
	struct msr_lists *old;
	struct msr_table *replaced[MSR_LISTS_MAX]; /* of the old ones; or NULL */
};

static void free_lists(struct msr_lists *freed)
{
	unsigned int i;

	for (i = 0; i < MSR_LISTS_MAX; i++)
		if (freed->tables[i])
			msr_table_put(freed->tables[i]);
	if (freed != &nothing)
		kfree(freed);
}

/** msr_change_alloc() - what a change takes. Context: may sleep. Return: or NULL. */
struct msr_change *msr_change_alloc(void)
{
	struct msr_change *change = kzalloc(sizeof(*change), GFP_KERNEL_ACCOUNT);

	if (!change)
		return NULL;
	change->next = kzalloc(sizeof(*change->next), GFP_KERNEL_ACCOUNT);
	if (!change->next) {
		kfree(change);
		return NULL;
	}
	return change;
}

/** msr_change_free() - free one that has not been made. @change: it. Context: may sleep. */
void msr_change_free(struct msr_change *change)
{
	free_lists(change->next);
	kfree(change);
}

static void free_change_rcu(struct rcu_head *rcu)
{
	struct msr_change *change = container_of(rcu, struct msr_change, rcu);

	free_lists(change->old);
	kfree(change);
}

/* A writer that was killed has not waited for sections of msr_policy_here(): RCU does. */
static void free_change(struct kref *ref)
{
	struct msr_change *change = container_of(ref, struct msr_change, ref);

	call_rcu(&change->rcu, free_change_rcu);
}

static void lists_are_unused(struct rcu_head *rcu)
{
	struct msr_change *change = container_of(rcu, struct msr_change, rcu);

	complete(&change->unused);
	kref_put(&change->ref, free_change);
}

/* Return: 0 when nothing is executed any more under the old lists; -EINTR for a fatal signal. */
static int wait_until_unused(struct msr_change *change)
{
	long left = wait_for_completion_killable_timeout(&change->unused, GRACE);
	unsigned int i;

	if (left < 0)
		return -EINTR;
	for (i = 0; !left && i < MSR_LISTS_MAX; i++)
		if (change->replaced[i])
			WRITE_ONCE(change->replaced[i]->cut, true);
	msr_visit_barrier(); /* for visits, and sections of msr_policy_here() */
	return 0;
}

static struct msr_lists *lists_in_force(void)
{
	return rcu_dereference_protected(lists, lockdep_is_held(&publish_lock));
}

static void publish(struct msr_change *change)
{
	struct msr_lists *next = change->next;
	unsigned int i;

	change->old = lists_in_force();
	raw_spin_lock(&standing_lock);
	rcu_assign_pointer(lists, next);
	raw_spin_unlock(&standing_lock);
	for (i = 0; i < MSR_LISTS_MAX; i++)
		if (change->old->tables[i] != next->tables[i])
			change->replaced[i] = change->old->tables[i];
	cut_standings(next);
}

/* Takes over the change. Return: as wait_until_unused(). */
static int retire_old(struct msr_change *change)
{
	int err;

	init_completion(&change->unused);
	kref_init(&change->ref);
	kref_get(&change->ref);
	call_srcu(&list_srcu, &change->rcu, lists_are_unused);
	err = wait_until_unused(change);
	kref_put(&change->ref, free_change);
	return err;
}

/* Takes over the reference to the table. */
static void set_list(struct msr_change *change, unsigned int list, struct msr_table *table)
{
	if (table != lists_in_force()->tables[list] || table == empty[list])
		WRITE_ONCE(table->generation, publications);
	change->next->tables[list] = table;
}

static void keep_list(struct msr_change *change, unsigned int list)
{
	change->next->tables[list] = msr_table_get(lists_in_force()->tables[list]);
}

static void empty_list(struct msr_change *change, unsigned int list)
{
	set_list(change, list, msr_table_get(empty[list]));
}

/* Return: false if there is no memory for what is left of the list of a class. */
static bool narrow_list(struct msr_change *change, unsigned int list, const struct msr_table *bound)
{
	struct msr_table *before = lists_in_force()->tables[list];
	struct msr_table *table = msr_table_narrow(before, bound);

	if (!table)
		return false;
	if (table == before) {
		change->next->tables[list] = table;
	} else if (table->count) {
		set_list(change, list, table);
	} else {
		msr_table_put(table);
		empty_list(change, list);
	}
	return true;
}

/* A new default list, and what it leaves of the others. Without memory for that, all are empty. */
static int set_default_list(struct msr_change *change, struct msr_table *table)
{
	unsigned int i, j;

	for (i = 1; i < MSR_LISTS_MAX; i++) {
		if (narrow_list(change, i, table))
			continue;
		for (j = 1; j < i; j++)
			msr_table_put(change->next->tables[j]);
		msr_table_put(table);
		for (j = 0; j < MSR_LISTS_MAX; j++)
			empty_list(change, j);
		return -ENOMEM;
	}
	set_list(change, 0, table);
	return 0;
}

static void set_list_of_class(struct msr_change *change, unsigned int list, struct msr_table *table)
{
	unsigned int i;

	for (i = 0; i < MSR_LISTS_MAX; i++) {
		if (i == list)
			set_list(change, i, table);
		else
			keep_list(change, i);
	}
}

/**
 * msr_policy_replace() - put a list into force
 * @change:	taken over, unless -EPERM is returned
 * @list:	its number
 * @table:	the list, with a reference that is taken over likewise
 * @beyond:	set to the number of the entry that is not within the default list
 *
 * Context: may sleep. Return: 0 when nothing is executed any more that only old lists allowed;
 * -EINTR	a fatal signal ended the wait for that; the list is in force;
 * -ENOMEM	no memory for what it leaves of other lists: all lists are empty now;
 * -EPERM	the list is one of a class, and the default list does not allow all of it.
 */
int msr_policy_replace(struct msr_change *change, unsigned int list, struct msr_table *table,
		       unsigned int *beyond)
{
	int err = 0;

	might_sleep();
	mutex_lock(&publish_lock);
	if (list && !msr_table_within(table, lists_in_force()->tables[0], beyond)) {
		mutex_unlock(&publish_lock);
		return -EPERM;
	}
	publications++;
	if (list)
		set_list_of_class(change, list, table);
	else
		err = set_default_list(change, table);
	publish(change);
	mutex_unlock(&publish_lock);
	return retire_old(change) ?: err;
}

/**
 * msr_policy_clear() - have nothing listed
 * @change:	taken over
 * @list:	number of the list; for 0, all lists
 *
 * Context: may sleep. Return: 0 or -EINTR, as msr_policy_replace().
 */
int msr_policy_clear(struct msr_change *change, unsigned int list)
{
	unsigned int beyond;

	return msr_policy_replace(change, list, msr_table_get(empty[list]), &beyond);
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

static void put_empty(unsigned int count)
{
	while (count--)
		msr_table_put(empty[count]);
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
	for (i = 0; i < MSR_LISTS_MAX; i++) {
		empty[i] = msr_table_make_empty();
		if (!empty[i]) {
			put_empty(i);
			cleanup_srcu_struct(&list_srcu);
			return -ENOMEM;
		}
		nothing.tables[i] = empty[i];
	}
	for (i = 0; i < MSR_LISTS_MAX; i++)
		msr_table_get(empty[i]);
	return 0;
}

/** msr_policy_uninit() - undo it. Context: may sleep; no file is open. */
void msr_policy_uninit(void)
{
	srcu_barrier(&list_srcu); /* for writers that no longer wait */
	rcu_barrier();
	free_lists(rcu_dereference_protected(lists, true));
	put_empty(MSR_LISTS_MAX);
	cleanup_srcu_struct(&list_srcu);
}
