// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and fields by name, for a processor.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "processor.h"
#include "tables.h"

struct msr_safe_registers {
	struct tables tables;
	const struct model *model; /* NULL for one that is not known */
};

static const struct model *model_here(const struct tables *tables)
{
	struct processor_id id = msr_safe_processor_here();
	const struct model *model = msr_safe_tables_model(tables, id.family, id.model);

	return model && msr_safe_model_has(model, id.maker) ? model : NULL;
}

static int find_model(struct msr_safe_registers *registers, const char *processor,
		      struct msr_safe_error *error)
{
	unsigned int family, model;
	int len = 0;

	if (!processor) {
		registers->model = model_here(&registers->tables);
		return 0;
	}
	if (sscanf(processor, "%2x_%2x%n", &family, &model, &len) != 2 || processor[len])
		return msr_safe_set_error(error, -EINVAL, "%s: not a processor, as in 06_8F",
					  processor);
	registers->model = msr_safe_tables_model(&registers->tables, family, model);
	return 0;
}

int msr_safe_registers_read(struct msr_safe_registers **registers, const char *directory,
			    const char *processor, struct msr_safe_error *error)
{
	struct msr_safe_registers *read = calloc(1, sizeof(*read));
	int ret;

	*registers = NULL;
	if (!read)
		return msr_safe_set_error(error, -ENOMEM, "no memory for registers");
	ret = msr_safe_tables_read(&read->tables, directory ? directory : LISTS_DIR, error);
	if (!ret)
		ret = find_model(read, processor, error);
	if (ret)
		msr_safe_registers_free(read);
	else
		*registers = read;
	return ret;
}

void msr_safe_registers_free(struct msr_safe_registers *registers)
{
	if (!registers)
		return;
	msr_safe_tables_free(&registers->tables);
	free(registers);
}

static enum msr_safe_scope scope_of(const struct reg *reg)
{
	static const char *const names[] = {
		[MSR_SAFE_SCOPE_THREAD] = "thread",   [MSR_SAFE_SCOPE_CORE] = "core",
		[MSR_SAFE_SCOPE_MODULE] = "module",   [MSR_SAFE_SCOPE_L3] = "l3",
		[MSR_SAFE_SCOPE_PACKAGE] = "package",
	};
	unsigned int scope;

	for (scope = MSR_SAFE_SCOPE_THREAD; scope <= MSR_SAFE_SCOPE_PACKAGE; scope++)
		if (strcmp(reg->scope, names[scope]) == 0)
			return scope;
	return MSR_SAFE_SCOPE_UNKNOWN;
}

static void fill(struct msr_safe_register *reg, const struct msr_safe_registers *registers,
		 const struct reg *row, uint32_t msr, const struct field *field)
{
	*reg = (struct msr_safe_register){
		.msr = msr,
		.foreign = !msr_safe_model_has(registers->model, row->models),
		.scope = scope_of(row),
		.low = field ? field->low : 0,
		.high = field ? field->high : 63,
		.what = field ? field->what : row->what,
	};
	msr_safe_reg_name(row, msr, reg->name);
	if (field)
		snprintf(reg->name + strlen(reg->name), MSR_SAFE_NAME_SIZE, ".%s", field->name);
}

uint64_t msr_safe_field_mask(const struct msr_safe_register *reg)
{
	return UINT64_MAX >> (63 - (reg->high - reg->low)) << reg->low;
}

/* The model's layout of the register, or that of any other if it has none */
static const struct field *field_of(const struct msr_safe_registers *registers,
				    const struct reg *row, const struct field *from,
				    const struct model **model)
{
	const struct field *field;

	if (!from)
		*model = registers->model;
	field = msr_safe_tables_field(&registers->tables, *model, row, from);
	if (!field && !from && *model) {
		*model = NULL;
		field = msr_safe_tables_field(&registers->tables, NULL, row, NULL);
	}
	return field;
}

int msr_safe_registers_find(const struct msr_safe_registers *registers, const char *name,
			    struct msr_safe_register *reg)
{
	const char *point = strchr(name, '.');
	const struct model *model;
	const struct field *field = NULL;
	const struct reg *row;
	uint32_t msr;

	row = msr_safe_tables_named(&registers->tables, registers->model, name, strcspn(name, "."),
				    &msr);
	if (!row)
		return -ENOENT;
	while (point) {
		field = field_of(registers, row, field, &model);
		if (!field)
			return -ENOKEY;
		if (strcasecmp(field->name, point + 1) == 0)
			break;
	}
	fill(reg, registers, row, msr, field);
	return 0;
}

static const struct reg *row_at(const struct msr_safe_registers *registers, uint32_t msr)
{
	const struct reg *row;

	row = msr_safe_tables_reg(&registers->tables, registers->model, msr, NULL);
	if (!row && registers->model)
		row = msr_safe_tables_reg(&registers->tables, NULL, msr, NULL);
	return row;
}

int msr_safe_registers_at(const struct msr_safe_registers *registers, uint32_t msr,
			  struct msr_safe_register *reg)
{
	const struct reg *row = row_at(registers, msr);

	if (!row)
		return -ENOENT;
	fill(reg, registers, row, msr, NULL);
	return 0;
}

/* The lowest address of a row that is not below another; false if there is none. */
static bool address_from(const struct addresses *at, uint32_t from, uint32_t *msr)
{
	if (from > at->last)
		return false;
	*msr = at->first;
	if (from > at->first)
		*msr += (from - at->first + at->step - 1) / at->step * at->step;
	return true;
}

int msr_safe_registers_next(const struct msr_safe_registers *registers, uint32_t *msr,
			    struct msr_safe_register *reg)
{
	const struct tables *tables = &registers->tables;
	const struct reg *row, *found = NULL;
	uint32_t this, lowest = 0;

	for (row = tables->regs; row < tables->regs + tables->nr_regs; row++) {
		if (!msr_safe_model_has(registers->model, row->models) ||
		    !address_from(&row->at, *msr, &this) || (found && this >= lowest))
			continue;
		found = row;
		lowest = this;
	}
	if (!found)
		return -ENOENT;
	*msr = lowest;
	fill(reg, registers, found, lowest, NULL);
	return 0;
}

int msr_safe_registers_field(const struct msr_safe_registers *registers, uint32_t msr,
			     unsigned int nr, struct msr_safe_register *reg)
{
	const struct reg *row = row_at(registers, msr);
	const struct field *field = NULL;
	const struct model *model;

	if (!row)
		return -ENOENT;
	do {
		field = field_of(registers, row, field, &model);
		if (!field)
			return -ENOENT;
	} while (nr-- > 0);
	fill(reg, registers, row, msr, field);
	return 0;
}
