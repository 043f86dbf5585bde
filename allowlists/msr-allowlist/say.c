// SPDX-License-Identifier: GPL-2.0-only
/*
 * How msr-allowlist speaks of registers, and of what is wrong.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include "../../tools/common/say.h"
#include "msr-allowlist.h"

int wrong_usage(const char *why, const char *what)
{
	return usage_error(USAGE, why, what);
}

const struct reg *reg_like(const struct options *options, const struct model *model, uint32_t msr)
{
	const struct reg *reg = msr_safe_tables_reg(&options->tables, model, msr, NULL);

	return reg ? reg : msr_safe_tables_reg(&options->tables, NULL, msr, NULL);
}

void print_entry(const struct options *options, const struct model *model, const char *before,
		 uint32_t msr, uint64_t mask)
{
	const struct reg *reg = reg_like(options, model, msr);
	char name[REG_NAME_SIZE];

	printf("%s0x%08" PRIX32 " 0x%016" PRIX64, before, msr, mask);
	if (reg) {
		msr_safe_reg_name(reg, msr, name);
		printf(" # %-27s %-7s  %s", name, reg->scope, reg->what);
	}
	putchar('\n');
}

unsigned int say_refused(const struct list *list)
{
	unsigned int errors;

	if (!list->err)
		return 0;
	errors = list_say_errors(list);
	warnx("%s: %u error%s: the module refuses the list", list->path, errors,
	      errors == 1 ? "" : "s");
	return errors;
}

bool is_of_model(const struct options *options, const struct processor *processor,
		 const struct list *list)
{
	unsigned int family, model;
	const struct model *named;

	if (!list_names_model(list, &family, &model) || processor->family == 0 ||
	    (family == processor->family && model == processor->model))
		return true;
	named = msr_safe_tables_model(&options->tables, family, model);
	warnx("%s: it is a list for family %02Xh, model %02Xh%s%s, and this is family %02Xh, "
	      "model %02Xh%s%s",
	      list->path, family, model, named ? ", " : "", named ? named->name : "",
	      processor->family, processor->model, processor->known ? ", " : "",
	      processor->known ? processor->known->name : "");
	return false;
}
