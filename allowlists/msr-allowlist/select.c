// SPDX-License-Identifier: GPL-2.0-only
/*
 * select: the list for a processor, with what the site decides for.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msr-allowlist.h"

static bool parse_part(const char *text, unsigned int *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	*number = value;
	return end != text && *end == '\0' && value <= 255;
}

/* The operands: none, a model, or family and model as numbers; lscpu(1) prints decimal ones. */
static bool wanted(const struct options *options, struct processor *processor)
{
	char **operands = options->operands;

	if (options->count == 0)
		return processor_for(options, NULL, processor);
	if (options->cpu) {
		wrong_usage("a model is named twice", "");
		return false;
	}
	if (options->count == 1) {
		if (processor_named(&options->tables, operands[0], processor))
			return true;
		wrong_usage("not a model, as in 06_8F: ", operands[0]);
		return false;
	}
	if (!parse_part(operands[0], &processor->family)) {
		wrong_usage("not a family: ", operands[0]);
		return false;
	}
	if (!parse_part(operands[1], &processor->model)) {
		wrong_usage("not a model: ", operands[1]);
		return false;
	}
	processor->known = tables_model(&options->tables, processor->family, processor->model);
	return true;
}

static unsigned int distance(const struct model *model, const struct processor *processor)
{
	return abs((int)model->model - (int)processor->model);
}

static int no_list(const struct tables *tables, const struct processor *processor)
{
	const struct model *nearest = NULL;
	size_t i;

	for (i = 0; i < tables->nr_models; i++) {
		const struct model *model = &tables->models[i];

		if (model->family == processor->family &&
		    (!nearest || distance(model, processor) < distance(nearest, processor)))
			nearest = model;
	}
	warnx("there is no list for family %02Xh, model %02Xh", processor->family,
	      processor->model);
	if (nearest)
		warnx("the nearest by number is %s, %s: not the same, and its list may be wrong here",
		      nearest->key, nearest->name);
	return NOT_GOOD;
}

/* Whether a group is among those of --with */
static bool chosen(const char *with, const char *group)
{
	size_t len;

	for (; with && *with; with += len, with += *with == ',') {
		len = strcspn(with, ",");
		if ((len == 3 && memcmp(with, "all", 3) == 0) ||
		    (len == strlen(group) && memcmp(with, group, len) == 0))
			return true;
	}
	return false;
}

/* Every word of --with is a group of some register. */
static bool groups_exist(const struct options *options)
{
	const char *with = options->with;
	size_t len, i;

	for (; with && *with; with += len, with += *with == ',') {
		char *group = strndup(with, len = strcspn(with, ","));
		bool found = group && strcmp(group, "all") == 0;

		for (i = 0; group && !found && i < options->tables.nr_regs; i++)
			found = options->tables.regs[i].offered &&
				strcmp(options->tables.regs[i].group, group) == 0;
		if (!found)
			wrong_usage("there is no group ", group ? group : with);
		free(group);
		if (!found)
			return false;
	}
	return true;
}

/*
 * The row of a register that the site has decided for, so that its commented entry counts;
 * of more groups than one, the last. NULL if there is none.
 */
static const struct reg *decided(const struct options *options, const struct model *model,
				 uint32_t msr)
{
	const struct reg *reg = NULL, *last = NULL;

	while ((reg = tables_reg(&options->tables, model, msr, reg)))
		if (reg->offered && chosen(options->with, reg->group))
			last = reg;
	return last;
}

static void print_line(const struct options *options, const struct model *model, const char *line)
{
	bool commented = strncmp(line, "# 0x", 4) == 0;
	const struct reg *reg = NULL;
	uint64_t mask;
	uint32_t msr;

	if (sscanf(line + 2 * commented, "0x%8" SCNx32 " %" SCNx64, &msr, &mask) == 2)
		reg = decided(options, model, msr);
	if (!reg || (commented && (mask & ~reg->site)))
		fputs(line, stdout);
	else if (commented && mask == reg->site)
		fputs(line + 2, stdout);
}

int command_select(const struct options *options)
{
	struct processor processor;
	char *path, *line = NULL;
	size_t size = 0;
	FILE *file;
	int status = GOOD;

	if (!wanted(options, &processor) || !groups_exist(options))
		return USAGE;
	if (!processor.known)
		return no_list(&options->tables, &processor);
	if (asprintf(&path, "%s/al_%s", options->lists, processor.known->key) < 0)
		err(NOT_GOOD, "select");
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		print_line(options, processor.known, line);
	if (!file || ferror(file)) {
		warn("%s", path);
		status = NOT_GOOD;
	}
	if (file)
		fclose(file);
	free(line);
	free(path);
	return status;
}
