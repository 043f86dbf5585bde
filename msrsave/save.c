// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving: every register with a writable bit, but logs, of every CPU, in one reading.
 */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "msrsave.h"
#include "report.h"
#include "state.h"

static bool to_save(const struct options *options, const struct msr_allowlist_entry *entry)
{
	return entry->wmask != 0 && is_saved(options, entry->msr);
}

static size_t count_to_save(const struct options *options, const struct msr_safe_allowlist *list)
{
	size_t i, count = 0;

	for (i = 0; i < list->count; i++)
		count += to_save(options, &list->entries[i]);
	return count;
}

/* A reading of each register for each CPU, in the order that the file has them in */
static struct msr_batch_op *make_readings(const struct options *options,
					  const struct msr_safe_allowlist *list,
					  const struct msr_safe_cpus *cpus, size_t *count)
{
	size_t most = count_to_save(options, list) * msr_safe_cpus_count(cpus), i;
	struct msr_batch_op *ops;
	unsigned int cpu;

	*count = 0;
	if (most > STATE_MAX_VALUES) {
		errno = EFBIG;
		return NULL;
	}
	ops = calloc(most + 1, sizeof(*ops));
	if (!ops)
		return NULL;
	for (i = 0; i < list->count; i++) {
		if (!to_save(options, &list->entries[i]))
			continue;
		msr_safe_for_each_cpu(cpu, cpus) ops[(*count)++] = (struct msr_batch_op){
			.cpu = cpu,
			.isrdmsr = 1,
			.msr = list->entries[i].msr,
		};
	}
	return ops;
}

/* Registers of these operations, in the order of the list, have the list's masks. */
static bool list_unchanged(const struct msr_safe_allowlist *list, const struct msr_batch_op *ops,
			   size_t count)
{
	size_t i, entry = 0;

	for (i = 0; i < count; i++) {
		while (list->entries[entry].msr != ops[i].msr)
			entry++;
		if (ops[i].wmask != list->entries[entry].wmask)
			return false;
	}
	return true;
}

/* CPUs that went offline before they were read */
static struct msr_safe_cpus cpus_that_left(const struct msr_batch_op *ops, size_t count)
{
	struct msr_safe_cpus left = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		if (ops[i].err == -ENXIO)
			msr_safe_cpus_add(&left, ops[i].cpu);
	return left;
}

/* Takes what was read into the state. Returns how many registers could not be read. */
static size_t take_values(struct state *state, const struct msr_batch_op *ops, size_t count)
{
	struct report errors = { .stream = stderr, .prefix = "msrsave: " };
	const struct msr_batch_op *op;

	for (op = ops; op < ops + count; op++) {
		if (!msr_safe_cpus_has(&state->cpus, op->cpu))
			continue;
		if (op->err && op->err != -EIO) {
			report(&errors, op->msr, op->cpu, "%s", strerror(-op->err));
			continue;
		}
		state->values[state->count++] = (struct state_value){
			.msr = op->msr,
			.cpu = op->cpu,
			.absent = op->err == -EIO,
			.value = op->err ? 0 : op->msrdata & op->wmask,
		};
	}
	report_end(&errors);
	return errors.lines;
}

static void warn_of_absent(const struct state *state)
{
	struct report warnings = {
		.stream = stderr,
		.prefix = "msrsave: Warning: Failed to read msr value of ",
	};
	size_t i;

	for (i = 0; i < state->count; i++)
		if (state->values[i].absent)
			report(&warnings, state->values[i].msr, state->values[i].cpu,
			       "the processor does not have it: left out");
	report_end(&warnings);
}

/* What state_parse() takes */
_Static_assert(sizeof(VERSION) > 1 && sizeof(VERSION) <= sizeof(((struct state *)0)->version),
	       "VERSION is a label of 1 to 63 characters");

static void describe(struct state *state)
{
	time_t now = time(NULL);
	struct tm utc;

	snprintf(state->version, sizeof(state->version), "%s", VERSION);
	node_name(state->host);
	strftime(state->time, sizeof(state->time), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}

/* Reads all registers of state->cpus, and of state->list. */
static int read_state(const struct options *options, struct state *state, int batch)
{
	struct msr_safe_cpus left;
	struct msr_batch_op *ops;
	size_t count, failed;
	int err;

	ops = make_readings(options, &state->list, &state->cpus, &count);
	state->values = ops ? calloc(count + 1, sizeof(*state->values)) : NULL;
	if (!state->values) {
		warn("the values of the registers");
		free(ops);
		return NOTHING_DONE;
	}
	err = msr_safe_batch(batch, ops, count);
	if (err) {
		say_failed(MSR_SAFE_BATCH_PATH, err);
		free(ops);
		return NOTHING_DONE;
	}
	if (!list_unchanged(&state->list, ops, count)) {
		warnx("%s: the list was changed meanwhile", MSR_SAFE_ALLOWLIST_PATH);
		free(ops);
		return NOTHING_DONE;
	}
	left = cpus_that_left(ops, count);
	warn_of_cpus(&left, "went offline meanwhile: not saved");
	state->cpus = msr_safe_cpus_subtract(&state->cpus, &left);
	failed = take_values(state, ops, count);
	free(ops);
	return failed || !msr_safe_cpus_empty(&left) ? SOME_FAILED : ALL_DONE;
}

static void print_saved(const char *file, const struct state *state)
{
	size_t i, present = 0;

	for (i = 0; i < state->count; i++)
		present += !state->values[i].absent;
	printf("%s: %zu values of %u CPUs saved\n", file, present,
	       msr_safe_cpus_count(&state->cpus));
}

static int save_node(const struct options *options, struct node *node, struct state *state)
{
	struct msr_safe_cpus missing = { 0 };
	const char *obstacle;
	bool replaced;
	int status;

	state->cpus = node->online;
	if (options->some_cpus) {
		missing = msr_safe_cpus_subtract(&options->cpus, &node->online);
		state->cpus = msr_safe_cpus_intersect(&options->cpus, &node->online);
	}
	warn_of_cpus(&missing, "not online: not saved");
	if (msr_safe_cpus_empty(&state->cpus))
		return NOTHING_DONE;

	if (count_to_save(options, &state->list) == 0 && !options->quiet)
		warnx("%s: Warning: no register that can be saved is writable: there is nothing to save",
		      MSR_SAFE_ALLOWLIST_PATH);
	status = read_state(options, state, node->batch);
	if (status == NOTHING_DONE)
		return status;
	if (msr_safe_cpus_empty(&state->cpus))
		return NOTHING_DONE;
	if (!options->quiet)
		warn_of_absent(state);

	describe(state);
	obstacle = state_save(state, options->file, &replaced);
	if (obstacle) {
		warnx("%s: %s%s", options->file, replaced ? "saved, but a crash may undo it: " : "",
		      obstacle);
		return replaced ? SOME_FAILED : NOTHING_DONE;
	}
	if (options->verbose)
		print_saved(options->file, state);
	return msr_safe_cpus_empty(&missing) ? status : SOME_FAILED;
}

int save(const struct options *options)
{
	const char *obstacle = state_obstacle(options->file);
	struct state state = { 0 };
	struct node node;
	int status;

	if (obstacle) {
		warnx("%s: %s", options->file, obstacle);
		return NOTHING_DONE;
	}
	if (node_open(&node))
		return NOTHING_DONE;
	state.list = node.list;
	node.list = (struct msr_safe_allowlist){ 0 };
	status = save_node(options, &node, &state);
	state_free(&state);
	node_close(&node);
	return status;
}
