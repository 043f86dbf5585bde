// SPDX-License-Identifier: GPL-2.0-only
/*
 * check and diff: what can be said of lists without the module.
 */

#include <errno.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include "lint.h"
#include "msr-allowlist.h"

static unsigned int count_writable(const struct list *list)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < list->count; i++)
		count += list->entries[i].wmask != 0;
	return count;
}

static const char *plural(unsigned int count)
{
	return count == 1 ? "" : "s";
}

static int check(const struct options *options, const char *path)
{
	struct processor processor;
	struct findings findings;
	unsigned int errors;
	struct list list;
	int beyond = 0;

	if (!processor_for(options, path, &processor))
		return USAGE;
	if (list_read(&list, path))
		return NOT_GOOD;
	list_drop_repeats(&list);
	findings = lint(&options->tables, processor.known, &list);
	errors = say_refused(&list) + findings.denied + findings.others;
	if (list.err == -ENOTUNIQ)
		errors--; /* both name the first address that is listed twice */
	if (!options->force && !is_of_model(options, &processor, &list))
		errors++;
	if (options->class)
		beyond = say_beyond_default(&list);
	errors += beyond < 0 ? 1 : beyond;
	printf("%s: %zu entries, %u of them writable; as of family %02Xh, model %02Xh%s%s: ", path,
	       list.count, count_writable(&list), processor.family, processor.model,
	       processor.known ? ", " : ", which is not known",
	       processor.known ? processor.known->name : "");
	if (errors)
		printf("%u error%s", errors, plural(errors));
	else
		printf("nothing found");
	if (findings.warnings)
		printf(", %u warning%s", findings.warnings, plural(findings.warnings));
	printf("%s\n", list.err || beyond > 0 ? ": the module would refuse this list" : "");
	list_free(&list);
	return errors ? NOT_GOOD : GOOD;
}

int command_check(const struct options *options)
{
	int status = GOOD, i;

	for (i = 0; i < options->count && status != USAGE; i++) {
		int this = check(options, options->operands[i]);

		if (this != GOOD)
			status = this;
	}
	return status;
}

static const struct msr_allowlist_entry *find(const struct list *list, uint32_t msr)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->entries[i].msr == msr)
			return &list->entries[i];
	return NULL;
}

/* Prints what @list has and @other has not, or with another mask. Returns whether it did. */
static bool print_missing(const struct options *options, const struct model *model,
			  const char *sign, const struct list *list, const struct list *other)
{
	bool printed = false;
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct msr_allowlist_entry *entry = &list->entries[i];
		const struct msr_allowlist_entry *match = find(other, entry->msr);

		if (match && match->wmask == entry->wmask)
			continue;
		print_entry(options, model, sign, entry->msr, entry->wmask);
		printed = true;
	}
	return printed;
}

/* With --class, the list in force and a file; otherwise two files. */
int command_diff(const struct options *options)
{
	const char *first = options->class ? options->device : options->operands[0];
	const char *second = options->operands[options->class ? 0 : 1];
	struct processor processor;
	struct list a, b = { 0 };
	bool differ;

	if (!processor_for(options, first, &processor))
		return USAGE;
	if (list_read(&a, first))
		return NOT_GOOD;
	if (list_read(&b, second)) {
		list_free(&a);
		return NOT_GOOD;
	}
	say_refused(&a);
	say_refused(&b);
	differ = print_missing(options, processor.known, "-", &a, &b);
	differ |= print_missing(options, processor.known, "+", &b, &a);
	differ |= a.err || b.err;
	list_free(&a);
	list_free(&b);
	return differ ? NOT_GOOD : GOOD;
}
