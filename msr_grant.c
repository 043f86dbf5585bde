// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: accesses that were checked once, and can be made until a list takes them away.
 *
 * The writer of a list looks at each grant, and sets flags of those that the new list does not
 * allow. It does nothing else on behalf of their owners: it neither frees nor waits. While it
 * looks at a grant, that is busy, and its owner waits before it frees anything. The writer looks
 * at each number once, so grants that come meanwhile do not make its work longer.
 *
 * The lock is raw, and held for a look at each of MSR_GRANTS_MAX pointers at most, with
 * preemption off: no user can make the writer wait for it.
 */

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "msr_access.h"
#include "msr_grant.h"
#include "msr_program.h"
#include "msr_table.h"

DEFINE_RAW_SPINLOCK(msr_grants_lock);

/* By number. A grant stays here until its memory is free. */
static struct msr_grant *grants[MSR_GRANTS_MAX];

/**
 * msr_grant_count() - count a grant, if its owner may have another one and so much more memory
 * @grant:	@owner, @of_root and @bytes are set
 * @max:	the most grants that a user can have
 * @max_bytes:	the most memory that the grants of a user can take together
 *
 * Context: task; any but interrupts. Return: 0, -EMFILE or -ENOMEM.
 */
int msr_grant_count(struct msr_grant *grant, unsigned int max, u64 max_bytes)
{
	unsigned int all = 0, own = 0, nr;
	u64 bytes = grant->bytes;
	int err = 0;

	raw_spin_lock(&msr_grants_lock);
	for (nr = 0; nr < MSR_GRANTS_MAX; nr++) {
		const struct msr_grant *other = grants[nr];

		if (!other) {
			grant->nr = nr;
			continue;
		}
		all++;
		if (uid_eq(other->owner, grant->owner)) {
			own++;
			bytes += other->bytes;
		}
	}
	if (own >= max || all >= MSR_GRANTS_MAX - (grant->of_root ? 0 : MSR_GRANTS_OF_ROOT))
		err = -EMFILE;
	else if (bytes > max_bytes)
		err = -ENOMEM;
	else
		grants[grant->nr] = grant;
	raw_spin_unlock(&msr_grants_lock);
	return err;
}

/**
 * msr_grant_leave() - have the writers of lists look at a grant no more
 * @grant:	one that is counted
 *
 * Context: may sleep, while a writer looks at it.
 */
void msr_grant_leave(struct msr_grant *grant)
{
	raw_spin_lock(&msr_grants_lock);
	while (grant->busy) {
		raw_spin_unlock(&msr_grants_lock);
		schedule_timeout_uninterruptible(1);
		raw_spin_lock(&msr_grants_lock);
	}
	grant->joined = false;
	raw_spin_unlock(&msr_grants_lock);
}

/** msr_grant_uncount() - undo msr_grant_count(). @grant: what it takes is free by now. */
void msr_grant_uncount(struct msr_grant *grant)
{
	raw_spin_lock(&msr_grants_lock);
	grants[grant->nr] = NULL;
	raw_spin_unlock(&msr_grants_lock);
}

static bool allows(const struct msr_table *table, const struct msr_grant *grant)
{
	u32 i;

	for (i = 0; i < grant->count; i++) {
		const struct msr_program_op *op = &grant->ops[i];
		const struct msr_allowlist_entry *entry = msr_index_find(&table->index, op->msr);

		if (!entry || op->mask & ~entry->wmask)
			return false;
		msr_give_way(i);
	}
	return true;
}

/* Return: the grant, which is busy then; or NULL if there is none to look at. */
static struct msr_grant *begin_look(unsigned int nr)
{
	struct msr_grant *grant;

	raw_spin_lock(&msr_grants_lock);
	grant = grants[nr];
	if (grant && grant->joined)
		grant->busy = true;
	else
		grant = NULL;
	raw_spin_unlock(&msr_grants_lock);
	return grant;
}

static void end_look(struct msr_grant *grant)
{
	raw_spin_lock(&msr_grants_lock);
	grant->busy = false;
	raw_spin_unlock(&msr_grants_lock);
}

/**
 * msr_grants_cut() - cut the grants that new lists take away
 * @tables:	the lists, by number; they are in force
 * @older_than:	cut all grants that were checked before this generation, also those that the lists
 *		allow; 0 for none
 *
 * Context: may sleep. Waits for no user. One task at a time.
 */
void msr_grants_cut(struct msr_table *const *tables, unsigned long older_than)
{
	unsigned int nr;

	for (nr = 0; nr < MSR_GRANTS_MAX; nr++) {
		struct msr_grant *grant = begin_look(nr);
		const struct msr_table *table;

		if (!grant)
			continue;
		table = tables[grant->list];
		if (grant->generation < older_than ||
		    (grant->generation < READ_ONCE(table->generation) && !allows(table, grant))) {
			WRITE_ONCE(*grant->state, grant->revoked);
			smp_wmb(); /* readers that see what the cut has ended see why */
			WRITE_ONCE(grant->cut, true);
		}
		end_look(grant);
	}
}
