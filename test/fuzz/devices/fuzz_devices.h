/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two modes of fuzz_devices have in common.
 */
#ifndef FUZZ_DEVICES_H
#define FUZZ_DEVICES_H

#include "../../guest/guest.h"
#include "model.h"

/* Random numbers: splitmix64 */
struct rng {
	uint64_t state;
};

uint64_t rnd(struct rng *rng);

static inline uint64_t below(struct rng *rng, uint64_t n)
{
	return rnd(rng) % n;
}

static inline bool one_in(struct rng *rng, unsigned int n)
{
	return !below(rng, n);
}

#define pick(rng, array) ((array)[below(rng, ARRAY_SIZE(array))])

/* A number that is special more often than chance would have it */
uint64_t rnd_value(struct rng *rng);

enum call {
	PREAD,
	PWRITE,
	READ,
	WRITE,
	READV,
	WRITEV,
	LSEEK,
	IOCTL,
	LIST_WRITE,
	LIST_READ,
	VERSION_READ,
	OPEN,
	CLOSE,
	CHMOD,
	HOTPLUG,
	PEEK,
	POKE,
	MOVE,
	PARAM,
	NR_CALLS,
};

extern const char *const call_names[NR_CALLS];

#define MAX_ERRNO 134

struct stats {
	uint64_t calls[NR_CALLS];
	uint64_t errs[MAX_ERRNO]; /* [0]: successes */
	uint64_t op_errs[MAX_ERRNO];
	uint64_t list_swaps;
	uint64_t hotplugs;
};

void count_call(struct stats *stats, enum call call, long result, int err);

struct options {
	uint64_t seed;
	uint64_t calls; /* 0: no limit */
	unsigned int seconds; /* 0: no limit */
	uint64_t print_from; /* the first call to print */
	bool revoke_on_change;
};

extern struct options options;

/* Whether a mode has done what it is to do. */
bool enough(uint64_t calls, uint64_t start);

/* Takes CAP_SYS_RAWIO from the calling thread, or gives it back. */
void set_rawio(bool on);

/*
 * Reads or writes a register past the module, through the kernel's own driver.
 * Return: false if that fails, as it does on a CPU that is offline.
 */
bool stock(unsigned int cpu, uint32_t msr, uint64_t *value, bool writing);

/* "EACCES" and so on */
const char *errno_name(int err);

/* Writes a random text, seldom a good list. Return: its length, up to @max. */
size_t random_text(struct rng *rng, char *text, size_t max);

/* A register that is worth a try */
uint32_t random_msr(struct rng *rng, const struct list *list);

/* The modes; each returns whether all was well. */
bool run_sequential(struct stats *stats);
bool run_concurrent(struct stats *stats);

#endif /* FUZZ_DEVICES_H */
