/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the module, made from its documents: what a text is to the
 * allowlist, what a list has to say to an access, what the registers hold.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../../msr_allowlist_entry.h"
#include "../../../msr_safe.h"

#define MAX_CPUS 8
#define MAX_LIST_TEXT 131073

/* A list; each open descriptor of the allowlist device keeps that of its open. */
struct list {
	unsigned int refs;
	unsigned int count;
	struct msr_allowlist_entry *entries;
	uint32_t *slots; /* one more than the number of an entry, or 0 */
	uint32_t slot_mask;
	char *text; /* as it is read from the device */
	size_t len;
};

struct list *list_get(struct list *list);
void list_put(struct list *list);
const struct msr_allowlist_entry *list_find(const struct list *list, uint32_t addr);

/*
 * What writing a text does: fails with one of two errors (0: none), and puts a
 * list into force (NULL: the one before stays).
 */
struct verdict {
	int err;
	int other_err;
	struct list *list;
};

struct verdict judge_text(const char *text, size_t len);

/* What a register does in the guest, for as much as accesses can tell */
enum reg_kind {
	REG_STORE, /* 64 bits of storage a CPU */
	REG_PKRS, /* a general protection fault if one of bits 63:32 is written */
	REG_CPU, /* the number of the CPU; not to be written */
	REG_ZERO, /* reads 0, a write is ignored */
	REG_ANY, /* reads anything; not to be written */
	REG_UNKNOWN, /* not to be listed */
};

#define NR_STORES 18
#define STORE_ADDR(i) (0x402 + (i) / 2 * 4 + (i) % 2) /* MCi_ADDR and MCi_MISC */
#define PKRS 0x6E1
#define TSC_AUX 0xC0000103

enum reg_kind reg_kind(uint32_t addr);

/* The number of a REG_STORE, below NR_STORES */
unsigned int store_number(uint32_t addr);

/* The bits that a list may make writable; values of stores have no others set. */
uint64_t writable_bits(uint32_t addr);

/* Whether the guest survives whatever users do with this list */
bool list_is_harmless(const struct list *list);

/* The default list, and those of two classes */
#define NR_LISTS 3

struct model {
	struct list *lists[NR_LISTS];
	uint64_t publications; /* how often one of them has been replaced */
	struct list *list; /* by which the call under way is judged, one of them */
	bool exempt; /* the call under way may reach all CPUs */
	bool check_version;
	bool revoke_on_change;
	bool own_cpus_only;
	bool in_mask[MAX_CPUS]; /* the CPUs that the caller is allowed to run on */
	bool rawio; /* the caller has that capability */
	bool pkrs_holds; /* what is written to it without a fault */
	unsigned int nr_cpus;
	bool online[MAX_CPUS];
	uint64_t store[MAX_CPUS][NR_STORES];
	uint64_t pkrs[MAX_CPUS];
};

/* Puts a list into force, and takes over the reference. The default list narrows the others. */
void model_publish(struct model *model, unsigned int nr, struct list *list);

/* Whether a list allows nothing that another one does not */
bool list_is_within(const struct list *list, const struct list *bound);

/* Whether the call under way may reach a CPU; it may reach one that does not exist, to no avail. */
bool model_reaches(const struct model *model, unsigned int cpu);

/* What an operation ends with */
struct outcome {
	int err;
	uint64_t wmask;
	uint64_t data;
	bool any_data;
};

/* Judges and executes an operation; a write is one of the bits in the mask. */
struct outcome model_op(struct model *model, const struct msr_batch_op *op, uint64_t mask);

/* What an operation's err is by the list alone: 0, -EACCES or -EROFS */
int err_by_list(const struct list *list, const struct msr_batch_op *op);

static inline uint64_t masked(uint64_t old, uint64_t value, uint64_t wmask)
{
	return (old & ~wmask) | (value & wmask);
}

bool model_serves(const struct model *model, uint32_t version);

#endif /* FUZZ_MODEL_H */
