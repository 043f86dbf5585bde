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

#include "../../lib/array.h"
#include "../../tools/common/say.h"
#include "lint.h"
#include "msr-allowlist.h"

/* The whole list in one write: each write is a list of its own. */
static int write_list(const struct list *list, const char *device)
{
	struct msr_safe_error error;
	int fd = msr_safe_open(device, O_WRONLY, &error);
	ssize_t written;

	if (fd < 0) {
		say_error(&error);
		return -1;
	}
	written = write(fd, list->text, list->size);
	if (written < 0)
		warn("%s: writing %s", device, list->path);
	else if ((size_t)written != list->size)
		warnx("%s: %zd of %zu bytes were taken", device, written, list->size);
	close(fd);
	return written == (ssize_t)list->size ? 0 : -1;
}

static int read_back(const struct list *list, const char *device)
{
	struct msr_safe_allowlist in_force;
	struct msr_safe_error error;
	size_t i;
	bool same;

	if (msr_safe_allowlist_read(&in_force, device, &error)) {
		say_error(&error);
		return -1;
	}
	same = in_force.count == list->count;
	for (i = 0; same && i < list->count; i++)
		same = in_force.entries[i].msr == list->entries[i].msr &&
		       in_force.entries[i].wmask == list->entries[i].wmask;
	if (!same)
		warnx("%s: what is in force is not %s", device, list->path);
	msr_safe_allowlist_free(&in_force);
	return same ? 0 : -1;
}

static int load(const struct options *options, const struct processor *processor,
		const struct list *list)
{
	struct findings findings = lint(&options->tables, processor->known, list);

	bool fits = is_of_model(options, processor, list);
	size_t i, writable = 0;

	if (say_refused(list))
		return NOT_GOOD;
	if ((findings.denied || !fits) && !options->force) {
		warnx("%s: not loaded; --force loads it all the same", list->path);
		return NOT_GOOD;
	}
	if (options->class && say_beyond_default(list)) {
		warnx("%s: not loaded", list->path);
		return NOT_GOOD;
	}
	if (write_list(list, options->device) || read_back(list, options->device))
		return NOT_GOOD;
	for (i = 0; i < list->count; i++)
		writable += list->entries[i].wmask != 0;
	printf("%s is in force: %zu registers can be read, and %zu of them written.\n",
	       strcmp(list->path, "-") == 0 ? "The list" : list->path, list->count, writable);
	return GOOD;
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
	list_drop_repeats(&list);
	status = load(options, &processor, &list);
	list_free(&list);
	return status;
}

static int show(const struct options *options, const struct processor *processor,
		const struct msr_safe_allowlist *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		print_entry(options, processor->known, "", list->entries[i].msr,
			    list->entries[i].wmask);
	if (!list->count)
		printf("# No register is allowed: the list is empty.\n");
	return GOOD;
}

/* A read of each register of the tables, once each. Returns how many. */
static size_t make_questions(const struct tables *tables, const struct model *model,
			     unsigned int cpu, struct msr_batch_op **ops)
{
	const struct reg *reg;
	size_t count = 0;
	uint32_t msr;

	*ops = NULL;
	for (reg = tables->regs; reg < tables->regs + tables->nr_regs; reg++) {
		if (!msr_safe_model_has(model, reg->models))
			continue;
		for (msr = reg->at.first; msr <= reg->at.last; msr += reg->at.step) {
			if (msr_safe_tables_reg(tables, model, msr, NULL) != reg)
				continue;
			*ops = array_with_room(*ops, count, sizeof(**ops));
			if (!*ops)
				err(NOT_GOOD, "show");
			(*ops)[count++] = (struct msr_batch_op){
				.cpu = cpu,
				.isrdmsr = 1,
				.msr = msr,
			};
		}
	}
	return count;
}

/*
 * Shows what a user can access who cannot read the list: each answer to a batch says whether the
 * register is listed, and its mask.
 */
static int show_by_batch(const struct options *options, const struct processor *processor)
{
	struct msr_batch_op *ops;
	struct msr_safe_cpus online;
	size_t count, i, listed = 0;
	struct msr_safe_error error;
	int fd, ret;

	fd = msr_safe_open_batch(&error);
	if (fd < 0) {
		say_error(&error);
		return NOT_GOOD;
	}
	if (online_cpus(&online)) {
		close(fd);
		return NOT_GOOD;
	}
	count = make_questions(&options->tables, processor->known, msr_safe_cpus_next(&online, 0),
			       &ops);
	ret = msr_safe_batch(fd, ops, count);
	if (ret)
		say_failed(MSR_SAFE_BATCH_PATH, ret);
	close(fd);
	for (i = 0; !ret && i < count; i++) {
		if (ops[i].err == -EACCES)
			continue;
		print_entry(options, processor->known, "", ops[i].msr, ops[i].wmask);
		listed++;
	}
	if (!ret && listed)
		printf("# Registers that the tables do not know can be allowed as well.\n");
	else if (!ret)
		printf("# No register that the tables know is allowed.\n");
	free(ops);
	return ret ? NOT_GOOD : GOOD;
}

int command_show(const struct options *options)
{
	struct processor processor;
	struct msr_safe_allowlist list;
	struct msr_safe_error error;
	int status;

	if (!processor_for(options, NULL, &processor))
		return USAGE;
	if (msr_safe_allowlist_read(&list, options->device, &error) == 0) {
		status = show(options, &processor, &list);
		msr_safe_allowlist_free(&list);
		return status;
	}
	if (error.code == -EACCES && !options->class)
		return show_by_batch(options, &processor);
	say_error(&error);
	return NOT_GOOD;
}

/* The list in force, and a read of each of its registers on each CPU */
struct probe {
	struct msr_safe_allowlist list;
	struct msr_safe_cpus online;
	unsigned int nr_cpus;
	struct msr_batch_op *ops; /* all CPUs of a register, then those of the next */
};

static int probe_read(struct probe *probe)
{
	struct msr_safe_error error;
	struct msr_batch_op *op;
	unsigned int cpu;
	size_t i;
	int fd, ret;

	/* Opened first: it then serves no list that is newer than the one read. */
	fd = msr_safe_open_batch(&error);
	if (fd < 0) {
		say_error(&error);
		return -1;
	}
	if (msr_safe_allowlist_read(&probe->list, NULL, &error)) {
		say_error(&error);
		close(fd);
		return -1;
	}
	if (online_cpus(&probe->online)) {
		close(fd);
		return -1;
	}
	probe->nr_cpus = msr_safe_cpus_count(&probe->online);
	op = calloc(probe->list.count * probe->nr_cpus + 1, sizeof(*op));
	if (!op)
		err(NOT_GOOD, "probe");
	probe->ops = op;
	for (i = 0; i < probe->list.count; i++)
		msr_safe_for_each_cpu(cpu, &probe->online) *op++ = (struct msr_batch_op){
			.cpu = cpu,
			.isrdmsr = 1,
			.msr = probe->list.entries[i].msr,
		};
	ret = msr_safe_batch(fd, probe->ops, op - probe->ops);
	if (ret)
		say_failed(MSR_SAFE_BATCH_PATH, ret);
	close(fd);
	return ret;
}

/* The CPUs that lack the register; -1 if it could not be read for another reason. */
static int lacking(const struct probe *probe, size_t i, struct msr_safe_cpus *cpus)
{
	const struct msr_batch_op *op = &probe->ops[i * probe->nr_cpus];
	const struct msr_batch_op *end = op + probe->nr_cpus;
	int ret = 0;

	memset(cpus, 0, sizeof(*cpus));
	for (; op < end; op++) {
		if (op->err == -EIO) {
			msr_safe_cpus_add(cpus, op->cpu);
		} else if (op->err) {
			warnx("0x%08X, CPU %u: %s", op->msr, op->cpu, strerror(-op->err));
			ret = -1;
		}
	}
	return ret;
}

static void print_lacking(FILE *stream, const struct options *options, const struct model *model,
			  uint32_t msr, const struct msr_safe_cpus *cpus)
{
	const struct reg *reg = reg_like(options, model, msr);
	char name[REG_NAME_SIZE] = "";

	if (reg)
		msr_safe_reg_name(reg, msr, name);
	fprintf(stream, "0x%08" PRIX32 " %s%snot on CPU%s ", msr, name, reg ? ": " : "",
		msr_safe_cpus_count(cpus) == 1 ? "" : "s");
	msr_safe_cpus_print(stream, cpus);
	fputc('\n', stream);
}

static int report(const struct options *options, const struct model *model,
		  const struct probe *probe)
{
	int status = GOOD;
	size_t i;

	for (i = 0; i < probe->list.count; i++) {
		const struct msr_allowlist_entry *entry = &probe->list.entries[i];
		struct msr_safe_cpus cpus;

		if (lacking(probe, i, &cpus))
			status = NOT_GOOD;
		if (!msr_safe_cpus_empty(&cpus)) {
			print_lacking(options->prune ? stderr : stdout, options, model, entry->msr,
				      &cpus);
			if (!options->prune)
				status = NOT_GOOD;
		}
		/* A register that some CPUs have stays. */
		if (options->prune && msr_safe_cpus_count(&cpus) < probe->nr_cpus)
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
	msr_safe_allowlist_free(&probe->list);
	free(probe->ops);
	free(probe);
	return status;
}
