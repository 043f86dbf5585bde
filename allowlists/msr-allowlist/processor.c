// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processors: this one, and those that have a name.
 */

#include <string.h>

#include "msr-allowlist.h"

struct processor processor_of(const struct tables *tables, struct processor_id id)
{
	struct processor processor = {
		.family = id.family,
		.model = id.model,
		.known = msr_safe_tables_model(tables, id.family, id.model),
	};

	/* Families and models are the makers' own: another maker's may have the same. */
	if (processor.known && !msr_safe_model_has(processor.known, id.maker))
		processor.known = NULL;
	return processor;
}

struct processor processor_here(const struct tables *tables)
{
	return processor_of(tables, msr_safe_processor_here());
}

/* Reads one or two hexadecimal digits, and moves *@text past them. Returns how many. */
static unsigned int take_digits(const char **text, unsigned int *number)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	unsigned int count;
	const char *digit;

	*number = 0;
	for (count = 0; count < 2 && **text; count++, (*text)++) {
		digit = strchr(hex, **text);
		if (!digit)
			break;
		*number = *number << 4 | (digit - hex) % 16;
	}
	return count;
}

bool processor_named(const struct tables *tables, const char *name, struct processor *processor)
{
	const char *slash = strrchr(name, '/');

	if (slash)
		name = slash + 1;
	if (strncmp(name, "al_", 3) == 0)
		name += 3;
	if (take_digits(&name, &processor->family) != 2)
		return false;
	name += *name == '_';
	if (take_digits(&name, &processor->model) == 0 || (*name && *name != '-' && *name != '.'))
		return false;
	processor->known = msr_safe_tables_model(tables, processor->family, processor->model);
	return true;
}

bool processor_for(const struct options *options, const char *path, struct processor *processor)
{
	if (options->cpu) {
		if (processor_named(&options->tables, options->cpu, processor))
			return true;
		wrong_usage("not a model, as in 06_8F: ", options->cpu);
		return false;
	}
	if (path && strrchr(path, '/'))
		path = strrchr(path, '/') + 1;
	if (!path || strncmp(path, "al_", 3) != 0 ||
	    !processor_named(&options->tables, path, processor))
		*processor = processor_here(&options->tables);
	return true;
}
