/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module does not look at: whether a list is wise.
 */
#ifndef ALLOWLIST_TOOL_LINT_H
#define ALLOWLIST_TOOL_LINT_H

#include "list.h"
#include "../../lib/tables.h"

struct findings {
	unsigned int denied; /* entries with bits that must not be writable */
	unsigned int others;
	unsigned int warnings; /* of lists that are good, too */
};

/* Says what it finds on standard error. The model may be NULL for one not known. */
struct findings lint(const struct tables *tables, const struct model *model,
		     const struct list *list);

/* The bits of a mask that are denied, and why: the reason of the first of them */
uint64_t denied_bits(const struct tables *tables, const struct model *model, uint32_t msr,
		     uint64_t mask, const char **reason);

#endif /* ALLOWLIST_TOOL_LINT_H */
