// SPDX-License-Identifier: GPL-2.0-only

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lint.h"

static unsigned int line_of(const struct list *list, const struct msr_allowlist_entry *entry)
{
	return list->lines[entry - list->entries];
}

static void say(const struct list *list, const struct msr_allowlist_entry *entry,
		const char *format, ...)
{
	va_list args;

	fprintf(stderr, "msr-allowlist: %s: line %u: 0x%" PRIX32 ": ", list->path,
		line_of(list, entry), entry->msr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

uint64_t denied_bits(const struct tables *tables, const struct model *model, uint32_t msr,
		     uint64_t mask, const char **reason)
{
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < tables->nr_denials; i++) {
		const struct denial *denial = &tables->denials[i];

		if (!addresses_have(&denial->at, msr) || !(mask & denial->bits) ||
		    !msr_safe_model_has(model, denial->models))
			continue;
		if (!bits)
			*reason = denial->reason;
		bits |= mask & denial->bits;
	}
	return bits;
}

/*
 * The name that the comment behind an entry gives the register: its first word, if it
 * is in capitals and has a _, or is another register's. IA32_ and MSR_ do not count.
 */
static bool commented_name(const struct list *list, const struct msr_allowlist_entry *entry,
			   char *name)
{
	const char *p = list->text, *end;
	unsigned int line;
	size_t len;

	for (line = 1; line < line_of(list, entry); line++)
		p = strchr(p, '\n') + 1;
	end = p + strcspn(p, "\n");
	do
		p = memchr(p, '#', end - p);
	while (p && p > list->text && !isspace((unsigned char)p[-1]) && ++p);
	if (!p)
		return false;
	p += strspn(p, "# \t\"");
	if (p > end)
		return false;
	if (strncmp(p, "IA32_", 5) == 0)
		p += 5;
	else if (strncmp(p, "MSR_", 4) == 0)
		p += 4;
	len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	if (len == 0 || len >= REG_NAME_SIZE)
		return false;
	memcpy(name, p, len);
	name[len] = '\0';
	return true;
}

static bool like_a_name(const char *name)
{
	return strchr(name, '_') && !name[strcspn(name, "abcdefghijklmnopqrstuvwxyz")];
}

/* Another register of that name, for the model if it has one. */
static const struct reg *named(const struct tables *tables, const struct model *model,
			       const char *name, uint32_t *msr)
{
	char other[REG_NAME_SIZE];
	size_t i;

	for (i = 0; i < tables->nr_regs; i++) {
		const struct reg *reg = &tables->regs[i];

		if (!msr_safe_model_has(model, reg->models))
			continue;
		for (*msr = reg->at.first; *msr <= reg->at.last; *msr += reg->at.step) {
			msr_safe_reg_name(reg, *msr, other);
			if (strcmp(name, other) == 0)
				return reg;
		}
	}
	return NULL;
}

static bool lint_name(const struct tables *tables, const struct model *model,
		      const struct list *list, const struct msr_allowlist_entry *entry)
{
	char name[REG_NAME_SIZE], right[REG_NAME_SIZE] = "";
	const struct reg *reg = NULL;
	uint32_t msr;

	if (!commented_name(list, entry, name))
		return false;
	/* One register has several names, by models. */
	while ((reg = msr_safe_tables_reg(tables, NULL, entry->msr, reg))) {
		char this[REG_NAME_SIZE];

		msr_safe_reg_name(reg, entry->msr, this);
		if (strcmp(name, this) == 0)
			return false;
		if (!*right || (model && msr_safe_model_has(model, reg->models)))
			strcpy(right, this);
	}
	if (named(tables, model, name, &msr))
		say(list, entry, "%s is 0x%" PRIX32 "%s%s", name, msr, *right ? ", this is " : "",
		    right);
	else if (*right && like_a_name(name))
		say(list, entry, "named %s, but this is %s", name, right);
	else
		return false;
	return true;
}

static bool lint_twice(const struct list *list, const struct msr_allowlist_entry *entry)
{
	const struct msr_allowlist_entry *before;

	for (before = list->entries; before < entry; before++) {
		if (before->msr == entry->msr) {
			say(list, entry, "listed on line %u already", line_of(list, before));
			return true;
		}
	}
	return false;
}

/* Bits that are not denied, but not among those of the table either */
static bool lint_bits(const struct tables *tables, const struct model *model,
		      const struct list *list, const struct msr_allowlist_entry *entry,
		      uint64_t denied)
{
	const struct reg *reg = NULL;
	uint64_t safe = 0, unsafe;
	char name[REG_NAME_SIZE];

	while ((reg = msr_safe_tables_reg(tables, model, entry->msr, reg))) {
		safe |= reg->on | reg->site;
		msr_safe_reg_name(reg, entry->msr, name);
	}
	unsafe = entry->wmask & ~safe & ~denied;
	if (!unsafe)
		return false;
	say(list, entry,
	    "%s: bits 0x%" PRIX64 " are reserved, or not known to be safe; 0x%" PRIX64 " are", name,
	    unsafe, safe);
	return true;
}

/* What kind of writers a register has that the module does not keep apart from its own */
static const char *other_writers(const struct reg *reg)
{
	if (strcmp(reg->scope, "thread") != 0)
		return "other CPUs that share the register";
	if (strncmp(reg->group, "counters", strlen("counters")) == 0)
		return "perf, which writes in interrupts that cannot be masked";
	return NULL;
}

/*
 * A write with a mask reads the register first. What another writer changes in the bits
 * outside the mask between that and the write is lost.
 */
static bool warn_of_partial_mask(const struct tables *tables, const struct model *model,
				 const struct list *list, const struct msr_allowlist_entry *entry)
{
	const char *reason, *writers = NULL;
	const struct reg *reg = NULL;
	uint64_t bits = denied_bits(tables, model, entry->msr, UINT64_MAX, &reason);

	while ((reg = msr_safe_tables_reg(tables, model, entry->msr, reg))) {
		bits |= reg->on | reg->site;
		if (!writers)
			writers = other_writers(reg);
	}
	bits &= ~entry->wmask;
	if (!entry->wmask || !writers || !bits)
		return false;
	say(list, entry,
	    "warning: a write can undo what is changed in bits 0x%" PRIX64
	    " at the same time by %s",
	    bits, writers);
	return true;
}

struct findings lint(const struct tables *tables, const struct model *model,
		     const struct list *list)
{
	struct findings findings = { 0 };
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct msr_allowlist_entry *entry = &list->entries[i];
		const char *reason;
		uint64_t denied = denied_bits(tables, model, entry->msr, entry->wmask, &reason);

		if (denied) {
			findings.denied++;
			say(list, entry, "bits 0x%" PRIX64 " must not be writable: %s", denied,
			    reason);
		}
		if (msr_safe_tables_reg(tables, model, entry->msr, NULL)) {
			findings.others += lint_bits(tables, model, list, entry, denied);
		} else if (!denied) {
			findings.others++;
			say(list, entry,
			    msr_safe_tables_reg(tables, NULL, entry->msr, NULL) ?
				    "a register of other models, not known of this one" :
				    "not a register that is known");
		}
		findings.others += lint_twice(list, entry);
		findings.others += lint_name(tables, model, list, entry);
		findings.warnings += warn_of_partial_mask(tables, model, list, entry);
	}
	return findings;
}
