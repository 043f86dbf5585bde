// SPDX-License-Identifier: GPL-2.0-only
/*
 * load, show and probe: the list in force.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/cpus.h"
#include "../../lib/devices.h"
#include "lint.h"
#include "msr-allowlist.h"

/* The whole list in one write: each write is a list of its own. */
static int write_list(const struct list *list)
{
	int fd = open(ALLOWLIST_PATH, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0) {
		warn("%s", ALLOWLIST_PATH);
		return -1;
	}
	written = write(fd, list->text, list->size);
	if (written < 0)
		warn("%s: writing %s", ALLOWLIST_PATH, list->path);
	else if ((size_t)written != list->size)
		warnx("%s: %zd of %zu bytes were taken", ALLOWLIST_PATH, written, list->size);
	close(fd);
	return written == (ssize_t)list->size ? 0 : -1;
}

static int read_back(const struct list *list)
{
	struct allowlist in_force;
	size_t i;
	bool same;

	if (allowlist_read(&in_force)) {
		warn("%s", ALLOWLIST_PATH);
		return -1;
	}
	same = in_force.count == list->count;
	for (i = 0; same && i < list->count; i++)
		same = in_force.entries[i].msr == list->entries[i].msr &&
		       in_force.entries[i].wmask == list->entries[i].wmask;
	if (!same)
		warnx("%s: what is in force is not %s", ALLOWLIST_PATH, list->path);
	allowlist_free(&in_force);
	return same ? 0 : -1;
}

static int load(const struct options *options, const struct processor *processor,
		const struct list *list)
{
	struct findings findings = lint(&options->tables, processor->known, list);

	if (list->err) {
		say_refused(list);
		return NOT_GOOD;
	}
	if (findings.denied && !options->force) {
		warnx("%s: not loaded; --force loads it all the same", list->path);
		return NOT_GOOD;
	}
	return write_list(list) || read_back(list) ? NOT_GOOD : GOOD;
}

int command_load(const struct options *options)
{
	struct processor processor;
	struct list list;
	int status;

	if (!processor_for(options, NULL, &processor))
		return USAGE;
	if (list_read(&list, options->operands[0]))
		return NOT_GOOD;
	status = load(options, &processor, &list);
	list_free(&list);
	return status;
}

int command_show(const struct options *options)
{
	struct processor processor;
	struct allowlist list;
	size_t i;

	if (!processor_for(options, NULL, &processor))
		return USAGE;
	if (allowlist_read(&list)) {
		warn("%s", ALLOWLIST_PATH);
		return NOT_GOOD;
	}
	for (i = 0; i < list.count; i++)
		print_entry(options, processor.known, "", list.entries[i].msr,
			    list.entries[i].wmask);
	allowlist_free(&list);
	return GOOD;
}

/* The list in force, and a read of each of its registers on each CPU */
struct probe {
	struct allowlist list;
	struct cpus online;
	unsigned int nr_cpus;
	struct msr_batch_op *ops; /* all CPUs of a register, then those of the next */
};

static int probe_read(struct probe *probe)
{
	struct msr_batch_op *op;
	unsigned int cpu;
	size_t i;
	int fd, ret;

	/* Opened first: it then serves no list that is newer than the one read. */
	fd = batch_open();
	if (fd < 0) {
		warn("%s", BATCH_PATH);
		return -1;
	}
	if (allowlist_read(&probe->list)) {
		warn("%s", ALLOWLIST_PATH);
		close(fd);
		return -1;
	}
	if (cpus_online(&probe->online))
		err(NOT_GOOD, "the CPUs on line");
	probe->nr_cpus = cpus_count(&probe->online);
	op = calloc(probe->list.count * probe->nr_cpus + 1, sizeof(*op));
	if (!op)
		err(NOT_GOOD, "probe");
	probe->ops = op;
	for (i = 0; i < probe->list.count; i++)
		for_each_cpu_of(cpu, &probe->online)
			*op++ = (struct msr_batch_op){
				.cpu = cpu,
				.isrdmsr = 1,
				.msr = probe->list.entries[i].msr,
			};
	ret = batch_run(fd, probe->ops, op - probe->ops);
	if (ret)
		warn("%s", BATCH_PATH);
	close(fd);
	return ret;
}

/* The CPUs that lack the register; -1 if it could not be read for another reason. */
static int lacking(const struct probe *probe, size_t i, struct cpus *cpus)
{
	const struct msr_batch_op *op = &probe->ops[i * probe->nr_cpus];
	const struct msr_batch_op *end = op + probe->nr_cpus;
	int ret = 0;

	memset(cpus, 0, sizeof(*cpus));
	for (; op < end; op++) {
		if (op->err == -EIO) {
			cpus_add(cpus, op->cpu);
		} else if (op->err) {
			warnx("0x%08X, CPU %u: %s", op->msr, op->cpu, strerror(-op->err));
			ret = -1;
		}
	}
	return ret;
}

static void print_lacking(FILE *stream, const struct options *options, const struct model *model,
			  uint32_t msr, const struct cpus *cpus)
{
	const struct reg *reg = reg_like(options, model, msr);
	char name[REG_NAME_SIZE] = "";

	if (reg)
		reg_name(reg, msr, name);
	fprintf(stream, "0x%08" PRIX32 " %s%snot on CPU%s ", msr, name, reg ? ": " : "",
		cpus_count(cpus) == 1 ? "" : "s");
	cpus_print(stream, cpus);
	fputc('\n', stream);
}

static int report(const struct options *options, const struct model *model,
		  const struct probe *probe)
{
	int status = GOOD;
	size_t i;

	for (i = 0; i < probe->list.count; i++) {
		const struct msr_allowlist_entry *entry = &probe->list.entries[i];
		struct cpus cpus;

		if (lacking(probe, i, &cpus))
			status = NOT_GOOD;
		if (!cpus_empty(&cpus)) {
			print_lacking(options->prune ? stderr : stdout, options, model, entry->msr,
				      &cpus);
			if (!options->prune)
				status = NOT_GOOD;
		}
		/* What some CPUs have stays. */
		if (options->prune && cpus_count(&cpus) < probe->nr_cpus)
			print_entry(options, model, "", entry->msr, entry->wmask);
	}
	return status;
}

int command_probe(const struct options *options)
{
	struct processor processor;
	struct probe *probe;
	int status = NOT_GOOD;

	if (!processor_for(options, NULL, &processor))
		return USAGE;
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		err(NOT_GOOD, "probe");
	if (probe_read(probe) == 0)
		status = report(options, processor.known, probe);
	allowlist_free(&probe->list);
	free(probe->ops);
	free(probe);
	return status;
}
