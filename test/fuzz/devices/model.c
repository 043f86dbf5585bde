// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model. Slow and plain, and nothing in it is the module's own code.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../msr_version.h"
#include "model.h"

struct list *list_get(struct list *list)
{
	__atomic_add_fetch(&list->refs, 1, __ATOMIC_RELAXED);
	return list;
}

void list_put(struct list *list)
{
	if (__atomic_sub_fetch(&list->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(list->entries);
	free(list->slots);
	free(list->text);
	free(list);
}

/* The slot that has the address, or the free one to put it into */
static uint32_t *find_slot(const struct list *list, uint32_t addr)
{
	uint32_t i = (addr ^ addr >> 13) * 0x2545f491u >> 7 & list->slot_mask;

	while (list->slots[i] && list->entries[list->slots[i] - 1].msr != addr)
		i = (i + 1) & list->slot_mask;
	return &list->slots[i];
}

const struct msr_allowlist_entry *list_find(const struct list *list, uint32_t addr)
{
	uint32_t slot = *find_slot(list, addr);

	return slot ? &list->entries[slot - 1] : NULL;
}

/* An empty list with room for entries; no two of them take fewer than 4 bytes. */
static struct list *new_list(size_t text_len)
{
	struct list *list = calloc(1, sizeof(*list));
	size_t room = text_len / 4 + 1;
	uint32_t nr_slots = 4;

	while (nr_slots < 2 * room)
		nr_slots *= 2;
	list->refs = 1;
	list->entries = calloc(room, sizeof(*list->entries));
	list->slots = calloc(nr_slots, sizeof(*list->slots));
	list->slot_mask = nr_slots - 1;
	return list;
}

static struct list *finish_list(struct list *list)
{
	unsigned int i;

	list->text = malloc(32 + 30 * (size_t)list->count);
	list->len = sprintf(list->text, "# MSR      Write mask\n");
	for (i = 0; i < list->count; i++)
		list->len += sprintf(list->text + list->len, "0x%08X 0x%016llX\n",
				     list->entries[i].msr,
				     (unsigned long long)list->entries[i].wmask);
	return list;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static void set_errs(struct verdict *verdict, int err, int other_err)
{
	verdict->err = err;
	verdict->other_err = other_err;
}

/*
 * A number as kstrtoull() takes it: a plus sign or none, 0x and 0 before
 * hexadecimal and octal ones. Return: whether it is one, and small enough.
 */
static bool read_number(const char *s, const char *end, uint64_t max, uint64_t *value,
			struct verdict *verdict)
{
	bool overflow = false, digits = false;
	int base = 10;

	s += *s == '+';
	if (end - s >= 3 && s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (s < end && *s == '0') {
		base = 8;
	}
	for (*value = 0; s < end && digit(*s) < base; s++) {
		overflow |= *value > (UINT64_MAX - digit(*s)) / base;
		*value = *value * base + digit(*s);
		digits = true;
	}

	if (s < end || !digits)
		/* Too many digits with something else behind: wrong in both ways */
		set_errs(verdict, EINVAL, overflow ? ERANGE : 0);
	else if (overflow || *value > max)
		set_errs(verdict, ERANGE, 0);
	return !verdict->err;
}

/* The next word, or NULL; *end is behind it. */
static const char *next_word(const char *s, const char *text_end, const char **end)
{
	while (s < text_end && (is_space(*s) || *s == '#')) {
		if (*s == '#')
			while (s < text_end && *s != '\n')
				s++;
		else
			s++;
	}
	for (*end = s; *end < text_end && !is_space(**end); ++*end)
		;
	return s < text_end ? s : NULL;
}

/* Reads all entries; *twice says whether an address is listed twice. */
static void read_entries(const char *text, const char *end, struct list *list, bool *twice,
			 struct verdict *verdict)
{
	const char *word;

	while ((word = next_word(text, end, &text))) {
		uint64_t addr, wmask;
		uint32_t *slot;

		if (!read_number(word, text, UINT32_MAX, &addr, verdict))
			return;
		word = next_word(text, end, &text);
		if (!word) {
			set_errs(verdict, EILSEQ, 0);
			return;
		}
		if (!read_number(word, text, UINT64_MAX, &wmask, verdict))
			return;
		slot = find_slot(list, addr);
		*twice |= *slot;
		list->entries[list->count++] = (struct msr_allowlist_entry){ addr, wmask };
		*slot = list->count;
	}
	if (!list->count)
		set_errs(verdict, ENOMSG, 0);
}

struct verdict judge_text(const char *text, size_t len)
{
	struct verdict verdict = { 0 };
	struct list *list;
	bool twice = false;
	const char *nul;

	if (len > MAX_LIST_TEXT) {
		set_errs(&verdict, E2BIG, 0);
		return verdict;
	}
	list = new_list(len);
	if (len >= 1 && len <= 2 && is_space(text[0]) && is_space(text[len - 1])) {
		verdict.list = finish_list(list);
		return verdict;
	}
	nul = memchr(text, '\0', len);
	read_entries(text, nul ? nul : text + len, list, &twice, &verdict);
	if (nul)
		/* A number too large before the NUL byte: wrong in both ways */
		set_errs(&verdict, EINVAL, verdict.err == ERANGE || verdict.other_err ? ERANGE : 0);
	if (!verdict.err && twice) {
		set_errs(&verdict, ENOTUNIQ, 0);
		verdict.list = finish_list(new_list(0));
	} else if (!verdict.err) {
		verdict.list = finish_list(list_get(list));
	}
	list_put(list);
	return verdict;
}

unsigned int store_number(uint32_t addr)
{
	return (addr - 0x402) / 4 * 2 + addr % 2;
}

enum reg_kind reg_kind(uint32_t addr)
{
	if (addr >= 0x402 && addr <= 0x423 && addr & 2)
		return REG_STORE;
	switch (addr) {
	case PKRS:
		return REG_PKRS;
	case TSC_AUX:
		return REG_CPU;
	case 0xE7:
	case 0xE8:
	case 0x199:
	case 0x1B0:
	case 0x610:
		return REG_ZERO;
	case 0x10:
	case 0x8B:
	case 0x1A0:
	case 0x277:
	case 0xC0000080:
		return REG_ANY;
	}
	/* Unknown to QEMU, and not those of a hypervisor or of AMD's processors */
	if (addr <= 9 || (addr >= 0x10000 && addr < 0x40000000) ||
	    (addr >= 0x50000000 && addr < 0xC0000000) || addr >= 0xD0000000)
		return REG_ZERO;
	return REG_UNKNOWN;
}

/*
 * On processors of AMD, which QEMU's max is, the kernel takes a MCi_MISC with its
 * highest bit set for a counter of errors: it sets it up when the CPU comes, and
 * some kernels die of it, for they have no name for the bank.
 */
uint64_t writable_bits(uint32_t addr)
{
	switch (reg_kind(addr)) {
	case REG_STORE:
		return addr & 1 ? UINT64_MAX >> 4 : UINT64_MAX;
	case REG_PKRS:
	case REG_ZERO:
		return UINT64_MAX;
	default:
		return 0;
	}
}

bool list_is_harmless(const struct list *list)
{
	unsigned int i;

	for (i = 0; i < list->count; i++)
		if (reg_kind(list->entries[i].msr) == REG_UNKNOWN ||
		    list->entries[i].wmask & ~writable_bits(list->entries[i].msr))
			return false;
	return true;
}

bool list_is_within(const struct list *list, const struct list *bound)
{
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		const struct msr_allowlist_entry *most = list_find(bound, list->entries[i].msr);

		if (!most || list->entries[i].wmask & ~most->wmask)
			return false;
	}
	return true;
}

static struct list *narrowed(const struct list *list, const struct list *bound)
{
	struct list *both = new_list(4 * list->count);
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		struct msr_allowlist_entry entry = list->entries[i];
		const struct msr_allowlist_entry *most = list_find(bound, entry.msr);

		if (!most)
			continue;
		entry.wmask &= most->wmask;
		both->entries[both->count++] = entry;
		*find_slot(both, entry.msr) = both->count;
	}
	return finish_list(both);
}

static void replace(struct model *model, unsigned int nr, struct list *list)
{
	if (model->list == model->lists[nr])
		model->list = list;
	if (model->lists[nr])
		list_put(model->lists[nr]);
	model->lists[nr] = list;
}

void model_publish(struct model *model, unsigned int nr, struct list *list)
{
	unsigned int i;

	replace(model, nr, list);
	model->publications++;
	for (i = 1; !nr && i < NR_LISTS; i++)
		if (model->lists[i] && !list_is_within(model->lists[i], list))
			replace(model, i, narrowed(model->lists[i], list));
}

int err_by_list(const struct list *list, const struct msr_batch_op *op)
{
	const struct msr_allowlist_entry *entry = list_find(list, op->msr);

	if (!entry)
		return -EACCES;
	return !op->isrdmsr && !entry->wmask ? -EROFS : 0;
}

bool model_reaches(const struct model *model, unsigned int cpu)
{
	/* A CPU that does not exist, or is offline, has an error of its own. */
	return !model->own_cpus_only || model->exempt || cpu >= model->nr_cpus ||
	       !model->online[cpu] || model->in_mask[cpu];
}

static void execute_read(const struct model *model, const struct msr_batch_op *op,
			 struct outcome *outcome)
{
	switch (reg_kind(op->msr)) {
	case REG_STORE:
		outcome->data = model->store[op->cpu][store_number(op->msr)];
		break;
	case REG_PKRS:
		outcome->data = model->pkrs[op->cpu];
		break;
	case REG_CPU:
		outcome->data = op->cpu;
		break;
	case REG_ZERO:
		outcome->data = 0;
		break;
	default:
		outcome->any_data = true;
	}
}

static void execute_write(struct model *model, const struct msr_batch_op *op, uint64_t mask,
			  struct outcome *outcome)
{
	uint64_t *store, value;

	switch (reg_kind(op->msr)) {
	case REG_STORE:
		store = &model->store[op->cpu][store_number(op->msr)];
		*store = masked(*store, op->msrdata, mask);
		break;
	case REG_PKRS:
		value = masked(model->pkrs[op->cpu], op->msrdata, mask);
		if (value >> 32)
			outcome->err = -EIO;
		else if (model->pkrs_holds)
			model->pkrs[op->cpu] = value;
		break;
	default:
		break;
	}
}

/*
 * The list judges first; what it allows is then for the CPU to answer. Where a CPU is not the
 * caller's, that is what the operation says, whatever else would be wrong with it.
 */
struct outcome model_op(struct model *model, const struct msr_batch_op *op, uint64_t mask)
{
	const struct msr_allowlist_entry *entry = list_find(model->list, op->msr);
	struct outcome outcome = {
		.err = err_by_list(model->list, op),
		.wmask = entry ? entry->wmask : 0,
		.data = op->msrdata,
	};

	mask &= outcome.wmask;
	if (!outcome.err && !op->isrdmsr && !mask)
		outcome.err = -EROFS;
	if (!model_reaches(model, op->cpu))
		outcome.err = -EACCES;
	if (outcome.err)
		return outcome;
	if (op->cpu >= model->nr_cpus || !model->online[op->cpu])
		outcome.err = -ENXIO;
	else if (op->isrdmsr)
		execute_read(model, op, &outcome);
	else
		execute_write(model, op, mask, &outcome);
	return outcome;
}

/* A word above 24 bits has a large major number here, and is no version either. */
bool model_serves(const struct model *model, uint32_t version)
{
	uint32_t patch = version % 256;
	uint32_t minor = version / 256 % 256;
	uint32_t major = version / 65536;

	if (!model->check_version || major < 1 || major >= MSR_SAFE_VERSION_MAJOR + 2 ||
	    minor >= 16 || patch >= 16)
		return true;
	return major == MSR_SAFE_VERSION_MAJOR && minor < MSR_SAFE_VERSION_MINOR + 1;
}
