// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restoring: whether a file is fit for this node, and which of its values.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "msrsave.h"
#include "report.h"
#include "state.h"
#include "targets.h"

/* A node has the same name with its domain and without. */
static bool same_host(const char *one, const char *other)
{
	size_t len = strcspn(one, ".");

	return len == strcspn(other, ".") && memcmp(one, other, len) == 0;
}

/* Whether the file was saved here; says if not. */
static bool is_fit(const struct options *options, const struct state *state)
{
	char host[65];

	node_name(host);
	if (same_host(host, state->host))
		return true;
	warnx("%s: it was saved on the host %s, and this is %s", options->file, state->host, host);
	return false;
}

/* Says which saved bits the list in force no longer makes writable. */
static void say_lost(const struct msr_allowlist_entry *saved,
		     const struct msr_allowlist_entry *in_force)
{
	uint64_t lost = saved->wmask & ~(in_force ? in_force->wmask : 0);

	if (lost)
		warnx("0x%08" PRIX32 ": the list has bits 0x%016" PRIX64
		      " no longer writable: not restored",
		      (uint32_t)saved->msr, lost);
}

/*
 * What of the state can be restored on these CPUs. Returns 0, or -1 with errno set;
 * *@forbidden is whether bits were saved that the list in force does not make writable:
 * each such register is named.
 */
static int choose_targets(const struct options *options, struct targets *targets,
			  const struct state *state, const struct msr_safe_allowlist *in_force,
			  const struct msr_safe_cpus *cpus, bool *forbidden)
{
	const struct msr_allowlist_entry *entry = NULL, *saved = state->list.entries;
	const struct state_value *value;
	enum kind kind = KIND_UNKNOWN;
	bool begun = false, wanted = false;
	uint64_t mask;

	*forbidden = false;
	if (targets_alloc(targets, state->count))
		return -1;
	for (value = state->values; value < state->values + state->count; value++) {
		if (value->absent || !msr_safe_cpus_has(cpus, value->cpu))
			continue;
		if (!begun || saved->msr != value->msr) {
			begun = true;
			while (saved->msr != value->msr)
				saved++;
			entry = msr_safe_allowlist_find(in_force, value->msr);
			kind = kind_of(value->msr);
			wanted = is_saved(options, value->msr);
			if (wanted)
				say_lost(saved, entry);
		}
		if (!wanted)
			continue;
		mask = entry ? entry->wmask & saved->wmask : 0;
		*forbidden |= mask != saved->wmask;
		if (mask)
			targets->all[targets->count++] = (struct target){
				.msr = value->msr,
				.cpu = value->cpu,
				.kind = kind,
				.mask = mask,
				.want = value->value & mask,
			};
	}
	return 0;
}

/* Names what could not be read when it was saved. Returns whether there is such. */
static bool report_unsaved(const struct options *options, const struct state *state,
			   const struct msr_safe_cpus *cpus)
{
	struct report unsaved = { .stream = stderr, .prefix = "msrsave: " };
	const struct state_value *value = state->values, *end = value + state->count;
	const struct msr_allowlist_entry *entry;
	unsigned int cpu;

	for (entry = state->list.entries; entry < state->list.entries + state->list.count;
	     entry++) {
		if (entry->wmask == 0 || !is_saved(options, entry->msr))
			continue;
		msr_safe_for_each_cpu(cpu, cpus)
		{
			while (value < end && value->msr == entry->msr && value->cpu < cpu)
				value++;
			if (value == end || value->msr != entry->msr || value->cpu != cpu)
				report(&unsaved, entry->msr, cpu, "not in the file: not restored");
		}
		while (value < end && value->msr == entry->msr)
			value++;
	}
	report_end(&unsaved);
	return unsaved.lines > 0;
}

/* The list may have been replaced since it was read. */
static bool list_changed(const struct targets *targets, const struct msr_safe_allowlist *list)
{
	const struct msr_allowlist_entry *entry = NULL;
	const struct target *target;

	for_each_target(target, targets) {
		if (!entry || entry->msr != target->msr)
			entry = msr_safe_allowlist_find(list, target->msr);
		if (target->in_force != entry->wmask)
			return true;
	}
	return false;
}

static int restore_targets(const struct options *options, struct targets *targets,
			   const struct node *node)
{
	bool failed;

	if (targets_read(targets, node->batch))
		return NOTHING_DONE;
	if (list_changed(targets, &node->list)) {
		warnx("%s: the list was changed meanwhile", MSR_SAFE_ALLOWLIST_PATH);
		return NOTHING_DONE;
	}
	if (options->dry_run || options->verbose)
		targets_print_changes(targets);
	if (options->dry_run)
		return targets_report_errors(targets) ? SOME_FAILED : ALL_DONE;

	if (targets_write(targets, node->batch)) {
		warnx("%s: not known to be restored as a whole", options->file);
		return SOME_FAILED;
	}
	if (options->verbose)
		targets_print_counters(targets);
	if (!options->quiet)
		targets_report_contended(targets);
	failed = targets_report_errors(targets);
	failed |= targets_report_untaken(targets);
	return failed ? SOME_FAILED : ALL_DONE;
}

/* The CPUs to restore; names those that cannot be. Returns whether there are such. */
static bool choose_cpus(const struct options *options, const struct state *state,
			const struct node *node, struct msr_safe_cpus *cpus)
{
	struct msr_safe_cpus left = state->cpus, came = node->online;

	if (options->some_cpus) {
		left = options->cpus;
		came = msr_safe_cpus_intersect(&options->cpus, &node->online);
	}
	if (options->saved_cpus)
		came = msr_safe_cpus_intersect(&state->cpus, &node->online);
	left = msr_safe_cpus_subtract(&left, &node->online);
	came = msr_safe_cpus_subtract(&came, &state->cpus);
	warn_of_cpus(&left, "not online: not restored");
	warn_of_cpus(&came, "not in the file: not restored");

	*cpus = msr_safe_cpus_intersect(&state->cpus, &node->online);
	if (options->some_cpus)
		*cpus = msr_safe_cpus_intersect(cpus, &options->cpus);
	return !msr_safe_cpus_empty(&left) || !msr_safe_cpus_empty(&came);
}

/* Names CPUs that came too late to be restored. Returns whether there are such. */
static bool report_latecomers(const struct options *options, const struct state *state,
			      const struct node *node)
{
	struct msr_safe_cpus came;

	if (online_cpus(&came))
		return true;
	came = msr_safe_cpus_subtract(&came, &node->online);
	if (options->some_cpus)
		came = msr_safe_cpus_intersect(&came, &options->cpus);
	if (options->saved_cpus)
		came = msr_safe_cpus_intersect(&came, &state->cpus);
	warn_of_cpus(&came, "came online meanwhile: not restored");
	return !msr_safe_cpus_empty(&came);
}

static int restore_state(const struct options *options, const struct state *state,
			 const struct node *node)
{
	struct targets targets;
	struct msr_safe_cpus cpus;
	bool partly, forbidden;
	int status;

	/* Forced, what it says is a warning. */
	if (!(options->force && options->quiet) && !is_fit(options, state) && !options->force)
		return NOTHING_DONE;
	partly = choose_cpus(options, state, node, &cpus);
	if (msr_safe_cpus_empty(&cpus))
		return NOTHING_DONE;
	partly |= report_unsaved(options, state, &cpus);
	if (choose_targets(options, &targets, state, &node->list, &cpus, &forbidden)) {
		warn("%s", options->file);
		return NOTHING_DONE;
	}
	status = forbidden && targets.count == 0 ? NOTHING_DONE :
						   restore_targets(options, &targets, node);
	targets_free(&targets);
	if (status != NOTHING_DONE)
		partly |= report_latecomers(options, state, node);
	return status == ALL_DONE && (partly || forbidden) ? SOME_FAILED : status;
}

int restore(const struct options *options)
{
	struct state state;
	const char *reason = state_load(&state, options->file);
	struct node node;
	int status = NOTHING_DONE;

	if (reason) {
		warnx("%s: %s", options->file, reason);
		return NOTHING_DONE;
	}
	if (node_open(&node) == 0) {
		status = restore_state(options, &state, &node);
		node_close(&node);
	}
	state_free(&state);
	return status;
}
