// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "array.h"
#include "tables.h"

#define MOST_COLUMNS 10

/* A line of a table: where it is, and its columns */
struct row {
	const char *path;
	unsigned int line;
	unsigned int count;
	char *columns[MOST_COLUMNS];
};

static int wrong(const struct row *row, const char *why)
{
	warnx("%s: line %u: %s", row->path, row->line, why);
	return -1;
}

/* Columns are apart by two blanks or more. */
static void split(char *line, struct row *row)
{
	char *end;

	row->count = 0;
	for (end = line + strlen(line); end > line && (end[-1] == '\n' || end[-1] == ' '); end--)
		end[-1] = '\0';
	while (*line) {
		if (row->count < MOST_COLUMNS)
			row->columns[row->count] = line;
		row->count++;
		line = strstr(line, "  ");
		if (!line)
			break;
		*line++ = '\0';
		line += strspn(line, " ");
	}
}

static bool parse_number(const char *text, int base, uint64_t *value, const char **end)
{
	char *after;

	errno = 0;
	*value = strtoull(text, &after, base);
	if (errno || after == text || *text == '-' || *text == '+' || *text == ' ')
		return false;
	*end = after;
	return true;
}

static bool parse_mask(const char *text, uint64_t *mask)
{
	return parse_number(text, 0, mask, &text) && *text == '\0';
}

/* FIRST, FIRST..LAST or FIRST..LAST/STEP */
static bool parse_addresses(const char *text, struct addresses *at)
{
	uint64_t first, last, step = 1;

	if (!parse_number(text, 0, &first, &text))
		return false;
	last = first;
	if (strncmp(text, "..", 2) == 0 && !parse_number(text + 2, 0, &last, &text))
		return false;
	if (*text == '/' && !parse_number(text + 1, 0, &step, &text))
		return false;
	if (*text || last > UINT32_MAX || last < first || step == 0 || (last - first) % step != 0)
		return false;
	*at = (struct addresses){ .first = first, .last = last, .step = step };
	return true;
}

/* The array with room for one more than @count, which is all zero */
static void *grow(void *array, size_t count, size_t size)
{
	char *grown = array_with_room(array, count, size);

	if (!grown)
		err(1, "tables");
	memset(grown + size * count, 0, size);
	return grown;
}

static char *copy(const char *text)
{
	char *copied = strdup(text);

	if (!copied)
		err(1, "tables");
	return copied;
}

static int add_model(struct tables *tables, const struct row *row)
{
	struct model *model;
	unsigned int family, number;
	int len = 0;

	if (row->count != 3)
		return wrong(row, "not 3 columns");
	if (sscanf(row->columns[0], "%2x_%2X%n", &family, &number, &len) != 2 ||
	    row->columns[0][len])
		return wrong(row, "not a family and a model, as in 06_8F");
	tables->models = grow(tables->models, tables->nr_models, sizeof(*model));
	model = &tables->models[tables->nr_models++];
	model->family = family;
	model->model = number;
	model->key = copy(row->columns[0]);
	model->tags = copy(row->columns[1]);
	model->name = copy(row->columns[2]);
	return 0;
}

/* A mask, or - for none */
static bool parse_choice(const char *text, bool *there, uint64_t *mask)
{
	*there = strcmp(text, "-") != 0;
	return !*there || parse_mask(text, mask);
}

static int add_reg(struct tables *tables, const struct row *row)
{
	struct reg reg = { 0 }, *added;

	if (row->count != 10)
		return wrong(row, "not 10 columns");
	if (!parse_addresses(row->columns[0], &reg.at))
		return wrong(row, "not an address, nor a range of them");
	if (!parse_choice(row->columns[4], &reg.listed, &reg.on) ||
	    !parse_choice(row->columns[5], &reg.offered, &reg.site))
		return wrong(row, "not a mask, nor -");
	tables->regs = grow(tables->regs, tables->nr_regs, sizeof(*added));
	added = &tables->regs[tables->nr_regs++];
	*added = reg;
	added->name = copy(row->columns[1]);
	added->models = copy(row->columns[2]);
	added->scope = copy(row->columns[3]);
	added->group = copy(row->columns[7]);
	added->what = copy(row->columns[9]);
	return 0;
}

static int add_denial(struct tables *tables, const struct row *row)
{
	struct denial denial = { .bits = UINT64_MAX }, *added;

	if (row->count != 5)
		return wrong(row, "not 5 columns");
	if (!parse_addresses(row->columns[0], &denial.at))
		return wrong(row, "not an address, nor a range of them");
	if (strcmp(row->columns[1], "all") != 0 && !parse_mask(row->columns[1], &denial.bits))
		return wrong(row, "not a mask, nor all");
	tables->denials = grow(tables->denials, tables->nr_denials, sizeof(*added));
	added = &tables->denials[tables->nr_denials++];
	*added = denial;
	added->models = copy(row->columns[2]);
	added->reason = copy(row->columns[4]);
	return 0;
}

static int add_client(struct tables *tables, const struct row *row)
{
	struct use use = { 0 }, *added;
	struct client *client;

	if (row->count == 3 && strcmp(row->columns[1], "groups") == 0) {
		tables->clients = grow(tables->clients, tables->nr_clients, sizeof(*client));
		client = &tables->clients[tables->nr_clients++];
		client->name = copy(row->columns[0]);
		client->groups = copy(row->columns[2]);
		return 0;
	}
	if (row->count != 6)
		return wrong(row, "not 6 columns, nor groups");
	use.absent = strcmp(row->columns[4], "absent") == 0;
	if (!parse_addresses(row->columns[2], &use.at))
		return wrong(row, "not an address, nor a range of them");
	if (!parse_mask(row->columns[3], &use.written) ||
	    (!use.absent && !parse_mask(row->columns[4], &use.left_out)))
		return wrong(row, "not a mask");
	tables->uses = grow(tables->uses, tables->nr_uses, sizeof(*added));
	added = &tables->uses[tables->nr_uses++];
	*added = use;
	added->client = copy(row->columns[0]);
	added->models = copy(row->columns[1]);
	return 0;
}

static int read_table(struct tables *tables, const char *directory, const char *name,
		      int (*add)(struct tables *tables, const struct row *row))
{
	struct row row = { 0 };
	char *path, *line = NULL;
	size_t size = 0;
	FILE *file;
	int ret = 0;

	if (asprintf(&path, "%s/tables/%s", directory, name) < 0)
		err(1, "tables");
	row.path = path;
	file = fopen(path, "re");
	if (!file) {
		warn("%s", path);
		free(path);
		return -1;
	}
	while (!ret && getline(&line, &size, file) > 0) {
		row.line++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		split(line, &row);
		ret = add(tables, &row);
	}
	if (ferror(file)) {
		warn("%s", path);
		ret = -1;
	}
	fclose(file);
	free(line);
	free(path);
	return ret;
}

int tables_read(struct tables *tables, const char *directory)
{
	memset(tables, 0, sizeof(*tables));
	if (read_table(tables, directory, "models", add_model) ||
	    read_table(tables, directory, "registers", add_reg) ||
	    read_table(tables, directory, "denied", add_denial) ||
	    read_table(tables, directory, "clients", add_client)) {
		tables_free(tables);
		return -1;
	}
	return 0;
}

void tables_free(struct tables *tables)
{
	size_t i;

	for (i = 0; i < tables->nr_models; i++) {
		free(tables->models[i].key);
		free(tables->models[i].tags);
		free(tables->models[i].name);
	}
	for (i = 0; i < tables->nr_regs; i++) {
		free(tables->regs[i].name);
		free(tables->regs[i].models);
		free(tables->regs[i].scope);
		free(tables->regs[i].group);
		free(tables->regs[i].what);
	}
	for (i = 0; i < tables->nr_denials; i++) {
		free(tables->denials[i].models);
		free(tables->denials[i].reason);
	}
	for (i = 0; i < tables->nr_clients; i++) {
		free(tables->clients[i].name);
		free(tables->clients[i].groups);
	}
	for (i = 0; i < tables->nr_uses; i++) {
		free(tables->uses[i].client);
		free(tables->uses[i].models);
	}
	free(tables->clients);
	free(tables->uses);
	free(tables->models);
	free(tables->regs);
	free(tables->denials);
	memset(tables, 0, sizeof(*tables));
}

const struct model *tables_model(const struct tables *tables, unsigned int family,
				 unsigned int model)
{
	size_t i;

	for (i = 0; i < tables->nr_models; i++)
		if (tables->models[i].family == family && tables->models[i].model == model)
			return &tables->models[i];
	return NULL;
}

bool has_word(const char *words, const char *word, size_t len)
{
	for (; *words; words += strspn(words, " ")) {
		size_t this = strcspn(words, " ");

		if (this == len && memcmp(words, word, len) == 0)
			return true;
		words += this;
	}
	return false;
}

bool model_has(const struct model *model, const char *tags)
{
	bool found = false;
	const char *tag = tags;
	size_t len;

	if (!model)
		return true;
	for (; *tag; tag += len, tag += strspn(tag, " ")) {
		bool without = *tag == '-';

		tag += without;
		len = strcspn(tag, " ");
		if ((len == 3 && memcmp(tag, "all", 3) == 0) || has_word(model->key, tag, len) ||
		    has_word(model->tags, tag, len)) {
			if (without)
				return false;
			found = true;
		}
	}
	return found;
}

const struct reg *tables_reg(const struct tables *tables, const struct model *model, uint32_t msr,
			     const struct reg *from)
{
	const struct reg *reg = from ? from + 1 : tables->regs;

	for (; reg < tables->regs + tables->nr_regs; reg++)
		if (addresses_have(&reg->at, msr) && model_has(model, reg->models))
			return reg;
	return NULL;
}

/* Whether a group is among groups with commas, or they are all */
static bool is_chosen(const char *groups, const char *group)
{
	size_t len;

	for (; groups && *groups; groups += len, groups += *groups == ',') {
		len = strcspn(groups, ",");
		if ((len == 3 && memcmp(groups, "all", 3) == 0) ||
		    (len == strlen(group) && memcmp(groups, group, len) == 0))
			return true;
	}
	return false;
}

const struct reg *tables_decided(const struct tables *tables, const struct model *model,
				 uint32_t msr, const char *groups)
{
	const struct reg *reg = NULL, *last = NULL;

	while ((reg = tables_reg(tables, model, msr, reg)))
		if (reg->offered && is_chosen(groups, reg->group))
			last = reg;
	return last;
}

const struct client *tables_client(const struct tables *tables, const char *name)
{
	size_t i;

	for (i = 0; i < tables->nr_clients; i++)
		if (strcmp(tables->clients[i].name, name) == 0)
			return &tables->clients[i];
	return NULL;
}

void reg_name(const struct reg *reg, uint32_t msr, char *name)
{
	const char *percent = strchr(reg->name, '%');
	int before = percent ? percent - reg->name : (int)strlen(reg->name);

	snprintf(name, REG_NAME_SIZE, "%.*s", before, reg->name);
	if (percent)
		snprintf(name + strlen(name), REG_NAME_SIZE - strlen(name), "%u%s",
			 (msr - reg->at.first) / reg->at.step, percent + 1);
}

static const char *without_prefix(const char *name)
{
	if (strncasecmp(name, "IA32_", 5) == 0)
		return name + 5;
	return strncasecmp(name, "MSR_", 4) == 0 ? name + 4 : name;
}

static bool is_named(const struct reg *reg, const char *name, uint32_t *msr)
{
	char this[REG_NAME_SIZE];

	/* An address at a time, as few are in ranges */
	for (*msr = reg->at.first;; *msr += reg->at.step) {
		reg_name(reg, *msr, this);
		if (strcasecmp(this, name) == 0)
			return true;
		if (*msr == reg->at.last)
			return false;
	}
}

bool tables_named(const struct tables *tables, const struct model *model, const char *name,
		  uint32_t *msr)
{
	size_t i;

	name = without_prefix(name);
	for (;; model = NULL) {
		for (i = 0; i < tables->nr_regs; i++)
			if (model_has(model, tables->regs[i].models) &&
			    is_named(&tables->regs[i], name, msr))
				return true;
		if (!model)
			return false;
	}
}
