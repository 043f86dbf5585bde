// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restoring registers: what differs is written, all of it read back, and what did not
 * take is told, register by register.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"
#include "targets.h"

/*
 * How often what differs is written: once more than once, since a register may depend
 * on one that comes after it in the list, and ignore what is written before, or fault.
 */
#define WRITES 2

/* How often, and how many ms apart, what still differs is read again: see counts() */
#define READINGS 5
#define READINGS_MS 10

int targets_alloc(struct targets *targets, size_t most)
{
	targets->count = 0;
	targets->all = calloc(most + 1, sizeof(*targets->all));
	targets->ops = calloc(most + 1, sizeof(*targets->ops));
	if (targets->all && targets->ops)
		return 0;
	targets_free(targets);
	return -1;
}

void targets_free(struct targets *targets)
{
	free(targets->all);
	free(targets->ops);
	*targets = (struct targets){ 0 };
}

/* The fewest bits that a counter has: that of RAPL's energy; limits have fewer. */
#define COUNTER_MASK UINT32_MAX

/* How far a counter has counted since it held what is wanted */
static uint64_t ahead(const struct target *target)
{
	return (target->now - target->want) & target->mask;
}

static bool differs(const struct target *target)
{
	return !target->err && ((target->now ^ target->want) & target->mask);
}

static bool accessible(const struct target *target)
{
	return !target->err;
}

static bool watched(const struct target *target)
{
	return target->watched && !target->err;
}

/*
 * A counter that runs on is not expected to hold what was written to it. A register
 * that the table of kinds does not have is taken for one if its bits are the lowest,
 * without a gap, and not fewer than any counter has, and if, after it was written, it
 * was only ever seen to go up, and did.
 */
static bool counts(const struct target *target)
{
	if (target->kind == KIND_COUNTER)
		return differs(target);
	return target->kind == KIND_UNKNOWN && differs(target) && target->watched &&
	       target->mask >= COUNTER_MASK && (target->mask & (target->mask + 1)) == 0 &&
	       target->moved && !target->fell && ahead(target) <= target->mask / 2;
}

/* The kernel is expected to write the register as well. */
static bool contended(const struct target *target)
{
	return target->kind == KIND_KERNEL && differs(target) && cpufreq_active(target->cpu);
}

/* The value to write: bits that are not restored stay as they are. */
static uint64_t restored(const struct target *target)
{
	return (target->now & ~target->mask) | target->want;
}

/* An operation on each target that is picked. Returns how many, or -1. */
static ssize_t run(struct targets *targets, int batch, bool (*picked)(const struct target *),
		   bool write)
{
	struct target *target;
	size_t count = 0;
	int err;

	for_each_target(target, targets)
		if (picked(target))
			targets->ops[count++] = (struct msr_batch_op){
				.cpu = target->cpu,
				.isrdmsr = !write,
				.msr = target->msr,
				.msrdata = restored(target),
			};
	err = msr_safe_batch(batch, targets->ops, count);
	if (err) {
		say_failed(MSR_SAFE_BATCH_PATH, err);
		return -1;
	}
	return count;
}

/* A field of a register: the list lets other bits of it be written, which are not to be. */
static bool is_field(const struct target *target)
{
	return differs(target) && target->in_force & ~target->mask;
}

static bool any_field(const struct targets *targets)
{
	const struct target *target;

	for_each_target(target, targets)
		if (is_field(target))
			return true;
	return false;
}

/*
 * Writes what differs with a mask, so that what others write to other bits at the same time is
 * not undone. Returns how many, or a negative errno: -ENOTTY if the module is too old for it.
 */
static ssize_t write_fields(struct targets *targets, int batch)
{
	struct msr_op *fields = calloc(targets->count, sizeof(*fields));
	struct target *target;
	ssize_t count = 0, i;
	int err;

	if (!fields)
		return -ENOMEM;
	for_each_target(target, targets)
		if (differs(target))
			fields[count++] = (struct msr_op){
				.cpu = target->cpu,
				.msr = target->msr,
				.flags = MSR_OP_WRITE,
				.data = target->want,
				.mask = target->mask,
			};
	err = msr_safe_ops(batch, fields, count);
	for (i = 0; i < count; i++)
		targets->ops[i].err = fields[i].err;
	free(fields);
	return err ? err : count;
}

/* Writes what differs; only the @last time is an error one. Returns how many, or -1. */
static ssize_t write_differing(struct targets *targets, int batch, bool last)
{
	struct msr_batch_op *op = targets->ops;
	struct target *target;
	ssize_t count = -ENOTTY;

	if (any_field(targets))
		count = write_fields(targets, batch);
	if (count == -ENOTTY)
		count = run(targets, batch, differs, true);
	else if (count < 0)
		say_failed(MSR_SAFE_BATCH_PATH, count);
	if (count > 0 && last)
		for_each_target(target, targets)
			if (differs(target))
				target->err = -op++->err;
	return count;
}

/* Reads those that are picked. */
static int read_picked(struct targets *targets, int batch, bool (*picked)(const struct target *))
{
	struct msr_batch_op *op = targets->ops;
	struct target *target;
	uint64_t before;

	if (run(targets, batch, picked, false) < 0)
		return -1;
	for_each_target(target, targets) {
		if (!picked(target))
			continue;
		before = ahead(target);
		target->err = -op->err;
		target->in_force = op->wmask;
		if (!op->err)
			target->now = op->msrdata;
		op++;
		target->moved |= ahead(target) != before;
		target->fell |= ahead(target) < before;
	}
	return 0;
}

int targets_read(struct targets *targets, int batch)
{
	return read_picked(targets, batch, accessible);
}

/* Reads what differs again and again: then it is known of each whether it counts. */
static int watch(struct targets *targets, int batch)
{
	const struct timespec pause = { .tv_nsec = READINGS_MS * 1000000 };
	struct target *target;
	bool any = false;
	int i;

	for_each_target(target, targets) {
		target->watched = target->kind == KIND_UNKNOWN && differs(target);
		target->moved = false;
		target->fell = false;
		any |= target->watched;
	}
	for (i = 0; any && i < READINGS; i++) {
		nanosleep(&pause, NULL);
		if (read_picked(targets, batch, watched))
			return -1;
	}
	return 0;
}

int targets_write(struct targets *targets, int batch)
{
	ssize_t written;
	int i;

	for (i = 0; i < WRITES; i++) {
		written = write_differing(targets, batch, i == WRITES - 1);
		if (written <= 0)
			return written;
		if (targets_read(targets, batch))
			return -1;
	}
	return watch(targets, batch);
}

void targets_print_changes(const struct targets *targets)
{
	struct report changes = { .stream = stdout, .prefix = "" };
	const struct target *target;

	for_each_target(target, targets)
		if (differs(target))
			report(&changes, target->msr, target->cpu,
			       "0x%016" PRIX64 " -> 0x%016" PRIX64, target->now, restored(target));
	report_end(&changes);
}

void targets_print_counters(const struct targets *targets)
{
	struct report counters = { .stream = stdout, .prefix = "" };
	const struct target *target;

	for_each_target(target, targets)
		if (counts(target))
			report(&counters, target->msr, target->cpu, "restored, and counts on");
	report_end(&counters);
}

bool targets_report_errors(const struct targets *targets)
{
	struct report errors = { .stream = stderr, .prefix = "msrsave: " };
	const struct target *target;

	for_each_target(target, targets)
		if (target->err)
			report(&errors, target->msr, target->cpu, "not restored: %s",
			       strerror(target->err));
	report_end(&errors);
	return errors.lines > 0;
}

void targets_report_contended(const struct targets *targets)
{
	struct report contentions = { .stream = stderr, .prefix = "msrsave: Warning: " };
	const struct target *target;

	for_each_target(target, targets)
		if (contended(target))
			report(&contentions, target->msr, target->cpu,
			       "the cpufreq driver writes it too: 0x%016" PRIX64
			       " was written, 0x%016" PRIX64 " is read",
			       target->want, target->now & target->mask);
	report_end(&contentions);
}

bool targets_report_untaken(const struct targets *targets)
{
	struct report untaken = { .stream = stderr, .prefix = "msrsave: " };
	const struct target *target;

	for_each_target(target, targets)
		if (differs(target) && !counts(target) && !contended(target))
			report(&untaken, target->msr, target->cpu,
			       "bits 0x%016" PRIX64 " did not take: 0x%016" PRIX64
			       " was written, 0x%016" PRIX64 " is read",
			       (target->now ^ target->want) & target->mask, target->want,
			       target->now & target->mask);
	report_end(&untaken);
	return untaken.lines > 0;
}
