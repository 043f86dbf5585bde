// SPDX-License-Identifier: GPL-2.0-only
/*
 * select: the list for a processor, with what the site decides for.
 */

#include <ctype.h>
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

static bool by_numbers(const struct options *options, const char *family, const char *model,
		       struct processor *processor)
{
	if (!parse_part(family, &processor->family)) {
		wrong_usage("not a family: ", family);
		return false;
	}
	if (!parse_part(model, &processor->model)) {
		wrong_usage("not a model: ", model);
		return false;
	}
	processor->known =
		msr_safe_tables_model(&options->tables, processor->family, processor->model);
	return true;
}

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Whether @wanted is a part of a name; case, blanks and signs do not count */
static bool same_name(const char *part, size_t len, const char *wanted)
{
	const char *end = part + len;

	for (; part < end; part++) {
		if (!isalnum((unsigned char)*part))
			continue;
		wanted += strcspn(wanted, ALNUM);
		if (tolower((unsigned char)*part) != tolower((unsigned char)*wanted++))
			return false;
	}
	return !wanted[strcspn(wanted, ALNUM)];
}

/* A model can have several names, with commas, before what it is sold as. */
static bool has_name(const struct model *model, const char *wanted)
{
	const char *name = model->name;
	size_t len;

	for (; *name && *name != '('; name += len + (name[len] == ',')) {
		len = strcspn(name, ",(");
		if (*wanted && same_name(name, len, wanted))
			return true;
	}
	return false;
}

/*
 * The models that a name or a model's number is of: this machine's if it is one of them,
 * else the one that there is.
 */
static bool by_name(const struct options *options, const char *name, struct processor *processor)
{
	const struct tables *tables = &options->tables;
	const struct processor here = processor_here(tables);
	const struct model *model, *found = NULL;
	unsigned int number = 256, count = 0;

	if (strncmp(name, "0x", 2) == 0 && !parse_part(name, &number))
		return false;
	for (model = tables->models; model < tables->models + tables->nr_models; model++) {
		if (number < 256 ? model->model != number : !has_name(model, name))
			continue;
		count++;
		if (!found || model == here.known)
			found = model;
	}
	if (count > 1 && found != here.known) {
		warnx("%s is more than one model:", name);
		for (model = tables->models; model < tables->models + tables->nr_models; model++)
			if (number < 256 ? model->model == number : has_name(model, name))
				warnx("%s  %s", model->key, model->name);
		return false;
	}
	if (!found)
		return false;
	*processor = (struct processor){ found->family, found->model, found };
	return true;
}

/* The operands: none, a model, or family and model as numbers; lscpu(1) prints decimal ones. */
static bool wanted(const struct options *options, struct processor *processor)
{
	char **operands = options->operands;

	if (options->count == 0 && options->family)
		return by_numbers(options, options->family, options->model, processor);
	if (options->count == 0)
		return processor_for(options, NULL, processor);
	if (options->cpu || options->family) {
		wrong_usage("a model is named twice", "");
		return false;
	}
	if (options->count == 2)
		return by_numbers(options, operands[0], operands[1], processor);
	if (processor_named(&options->tables, operands[0], processor) ||
	    by_name(options, operands[0], processor))
		return true;
	wrong_usage("not one model, as in 06_8F; msr-allowlist list prints all: ", operands[0]);
	return false;
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
			wrong_usage("there is no such group; msr-allowlist list prints all: ",
				    group ? group : with);
		free(group);
		if (!found)
			return false;
	}
	return true;
}

/*
 * A commented entry comes into force if it has the mask of the row that counts. What that
 * takes the place of is left out.
 */
static void print_line(const struct options *options, const struct model *model, const char *line)
{
	bool commented = strncmp(line, "# 0x", 4) == 0;
	const struct reg *reg = NULL;
	uint64_t mask;
	uint32_t msr;

	if (sscanf(line + 2 * commented, "0x%8" SCNx32 " %" SCNx64, &msr, &mask) == 2)
		reg = msr_safe_tables_decided(&options->tables, model, msr, options->with);
	if (!reg || (commented && (mask & ~reg->site)))
		fputs(line, stdout);
	else if (commented && mask == reg->site)
		fputs(line + 2, stdout);
}

/* The groups, with the reasons, as the table has them */
static int print_groups(const struct options *options)
{
	char *path, *line = NULL;
	size_t size = 0;
	FILE *file;

	if (asprintf(&path, "%s/tables/groups", options->lists) < 0)
		err(NOT_GOOD, "list");
	file = fopen(path, "re");
	if (!file)
		warn("%s", path);
	free(path);
	while (file && getline(&line, &size, file) > 0)
		if (*line != '#' && *line != '\n')
			fputs(line, stdout);
	free(line);
	if (file)
		fclose(file);
	return file ? GOOD : NOT_GOOD;
}

int command_list(const struct options *options)
{
	const struct tables *tables = &options->tables;
	const struct model *model;
	size_t i;

	printf("# Models\n");
	for (model = tables->models; model < tables->models + tables->nr_models; model++)
		printf("%s  %s\n", model->key, model->name);
	printf("\n# Clients, for --for, and the groups that they need\n");
	for (i = 0; i < tables->nr_clients; i++)
		printf("%-12s %s\n", tables->clients[i].name, tables->clients[i].groups);
	printf("\n# Groups, for --with\n");
	return print_groups(options);
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
