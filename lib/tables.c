// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "array.h"
#include "error.h"
#include "tables.h"

#define MOST_COLUMNS 10

/* A line of a table: where it is, and its columns */
struct row {
	struct msr_safe_error *error;
	const char *path;
	unsigned int line;
	unsigned int count;
	char *columns[MOST_COLUMNS];
};

static int wrong(const struct row *row, const char *why)
{
	return msr_safe_set_error(row->error, -EPROTO, "%s: line %u: %s", row->path, row->line,
				  why);
}

static int no_memory(const struct row *row)
{
	return msr_safe_set_error(row->error, -ENOMEM, "%s: no memory", row->path);
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

/*
 * Adds an element, all zero, to an array of the tables. Returns it, or NULL. The count grows at
 * once: what the element has got so far is freed with the tables.
 */
static void *add(void *arrayp, size_t *count, size_t size)
{
	void **array = arrayp;
	char *grown = array_with_room(*array, *count, size);

	if (!grown)
		return NULL;
	*array = grown;
	return memset(grown + size * (*count)++, 0, size);
}

/* Copies a column. Returns whether there was memory for it. */
static bool copy(char **to, const char *column)
{
	*to = strdup(column);
	return *to;
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
	model = add(&tables->models, &tables->nr_models, sizeof(*model));
	if (!model || !copy(&model->key, row->columns[0]) || !copy(&model->tags, row->columns[1]) ||
	    !copy(&model->name, row->columns[2]))
		return no_memory(row);
	model->family = family;
	model->model = number;
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
	added = add(&tables->regs, &tables->nr_regs, sizeof(*added));
	if (!added)
		return no_memory(row);
	*added = reg;
	if (!copy(&added->name, row->columns[1]) || !copy(&added->models, row->columns[2]) ||
	    !copy(&added->scope, row->columns[3]) || !copy(&added->group, row->columns[7]) ||
	    !copy(&added->what, row->columns[9]))
		return no_memory(row);
	return 0;
}

/* HIGH:LOW, or the number of the one bit */
static bool parse_bits(const char *text, unsigned int *low, unsigned int *high)
{
	uint64_t first, last;

	if (!parse_number(text, 10, &last, &text))
		return false;
	first = last;
	if (*text == ':' && !parse_number(text + 1, 10, &first, &text))
		return false;
	*low = first;
	*high = last;
	return !*text && first <= last && last < 64;
}

static int add_field(struct tables *tables, const struct row *row)
{
	unsigned int low, high;
	struct field *field;

	if (row->count != 6)
		return wrong(row, "not 6 columns");
	if (!parse_bits(row->columns[2], &low, &high))
		return wrong(row, "not bits, as in 14:0");
	field = add(&tables->fields, &tables->nr_fields, sizeof(*field));
	if (!field || !copy(&field->reg, row->columns[0]) ||
	    !copy(&field->models, row->columns[1]) || !copy(&field->name, row->columns[3]) ||
	    !copy(&field->what, row->columns[5]))
		return no_memory(row);
	field->low = low;
	field->high = high;
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
	added = add(&tables->denials, &tables->nr_denials, sizeof(*added));
	if (!added)
		return no_memory(row);
	*added = denial;
	if (!copy(&added->models, row->columns[2]) || !copy(&added->reason, row->columns[4]))
		return no_memory(row);
	return 0;
}

static int add_client(struct tables *tables, const struct row *row)
{
	struct use use = { 0 }, *added;
	struct client *client;

	if (row->count == 3 && strcmp(row->columns[1], "groups") == 0) {
		client = add(&tables->clients, &tables->nr_clients, sizeof(*client));
		if (!client || !copy(&client->name, row->columns[0]) ||
		    !copy(&client->groups, row->columns[2]))
			return no_memory(row);
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
	added = add(&tables->uses, &tables->nr_uses, sizeof(*added));
	if (!added)
		return no_memory(row);
	*added = use;
	if (!copy(&added->client, row->columns[0]) || !copy(&added->models, row->columns[1]))
		return no_memory(row);
	return 0;
}

typedef int add_row(struct tables *tables, const struct row *row);

static int read_rows(struct tables *tables, FILE *file, struct row *row, add_row *add_row)
{
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, file) > 0) {
		row->line++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		split(line, row);
		ret = add_row(tables, row);
	}
	if (!ret && ferror(file))
		ret = msr_safe_set_error(row->error, -EIO, "%s: read error", row->path);
	free(line);
	return ret;
}

static int read_table(struct tables *tables, const char *directory, const char *name,
		      add_row *add_row, struct msr_safe_error *error)
{
	struct row row = { .error = error };
	char path[4096], why[128];
	FILE *file;
	int ret;

	snprintf(path, sizeof(path), "%s/tables/%s", directory, name);
	row.path = path;
	file = fopen(path, "re");
	if (!file) {
		ret = -errno;
		return msr_safe_set_error(error, ret, "%s: %s", path,
					  strerror_r(-ret, why, sizeof(why)));
	}
	ret = read_rows(tables, file, &row, add_row);
	fclose(file);
	return ret;
}

int msr_safe_tables_read(struct tables *tables, const char *directory, struct msr_safe_error *error)
{
	int ret;

	memset(tables, 0, sizeof(*tables));
	ret = read_table(tables, directory, "models", add_model, error);
	if (!ret)
		ret = read_table(tables, directory, "registers", add_reg, error);
	if (!ret)
		ret = read_table(tables, directory, "fields", add_field, error);
	if (ret)
		msr_safe_tables_free(tables);
	return ret;
}

int msr_safe_tables_read_rules(struct tables *tables, const char *directory,
			       struct msr_safe_error *error)
{
	int ret;

	ret = read_table(tables, directory, "denied", add_denial, error);
	if (!ret)
		ret = read_table(tables, directory, "clients", add_client, error);
	if (ret)
		msr_safe_tables_free(tables);
	return ret;
}

void msr_safe_tables_free(struct tables *tables)
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
	for (i = 0; i < tables->nr_fields; i++) {
		free(tables->fields[i].reg);
		free(tables->fields[i].models);
		free(tables->fields[i].name);
		free(tables->fields[i].what);
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
	free(tables->fields);
	free(tables->denials);
	memset(tables, 0, sizeof(*tables));
}

const struct model *msr_safe_tables_model(const struct tables *tables, unsigned int family,
					  unsigned int model)
{
	size_t i;

	for (i = 0; i < tables->nr_models; i++)
		if (tables->models[i].family == family && tables->models[i].model == model)
			return &tables->models[i];
	return NULL;
}

bool msr_safe_has_word(const char *words, const char *word, size_t len)
{
	for (; *words; words += strspn(words, " ")) {
		size_t this = strcspn(words, " ");

		if (this == len && memcmp(words, word, len) == 0)
			return true;
		words += this;
	}
	return false;
}

bool msr_safe_model_has(const struct model *model, const char *tags)
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
		if ((len == 3 && memcmp(tag, "all", 3) == 0) ||
		    msr_safe_has_word(model->key, tag, len) ||
		    msr_safe_has_word(model->tags, tag, len)) {
			if (without)
				return false;
			found = true;
		}
	}
	return found;
}

const struct reg *msr_safe_tables_reg(const struct tables *tables, const struct model *model,
				      uint32_t msr, const struct reg *from)
{
	const struct reg *reg = from ? from + 1 : tables->regs;

	for (; reg < tables->regs + tables->nr_regs; reg++)
		if (addresses_have(&reg->at, msr) && msr_safe_model_has(model, reg->models))
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

const struct reg *msr_safe_tables_decided(const struct tables *tables, const struct model *model,
					  uint32_t msr, const char *groups)
{
	const struct reg *reg = NULL, *last = NULL;

	while ((reg = msr_safe_tables_reg(tables, model, msr, reg)))
		if (reg->offered && is_chosen(groups, reg->group))
			last = reg;
	return last;
}

const struct client *msr_safe_tables_client(const struct tables *tables, const char *name)
{
	size_t i;

	for (i = 0; i < tables->nr_clients; i++)
		if (strcmp(tables->clients[i].name, name) == 0)
			return &tables->clients[i];
	return NULL;
}

void msr_safe_reg_name(const struct reg *reg, uint32_t msr, char *name)
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

static bool is_named(const struct reg *reg, const char *name, size_t len, uint32_t *msr)
{
	char this[REG_NAME_SIZE];

	/* An address at a time, as few are in ranges */
	for (*msr = reg->at.first;; *msr += reg->at.step) {
		msr_safe_reg_name(reg, *msr, this);
		if (strncasecmp(this, name, len) == 0 && !this[len])
			return true;
		if (*msr == reg->at.last)
			return false;
	}
}

const struct reg *msr_safe_tables_named(const struct tables *tables, const struct model *model,
					const char *name, size_t len, uint32_t *msr)
{
	const char *end = name + len;
	size_t i;

	name = without_prefix(name);
	if (name >= end)
		return NULL;
	for (;; model = NULL) {
		for (i = 0; i < tables->nr_regs; i++)
			if (msr_safe_model_has(model, tables->regs[i].models) &&
			    is_named(&tables->regs[i], name, end - name, msr))
				return &tables->regs[i];
		if (!model)
			return NULL;
	}
}

const struct field *msr_safe_tables_field(const struct tables *tables, const struct model *model,
					  const struct reg *reg, const struct field *from)
{
	const struct field *field = from ? from + 1 : tables->fields;

	for (; field < tables->fields + tables->nr_fields; field++)
		if (strcmp(field->reg, reg->name) == 0 && msr_safe_model_has(model, field->models))
			return field;
	return NULL;
}
