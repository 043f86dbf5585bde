/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doors: every way to read and to write a register through a file of the module.
 */
#ifndef TEST_GUEST_DOORS_H
#define TEST_GUEST_DOORS_H

#include "sessions.h"
#include "uring.h"

#define DOOR_CPUS 4

/* The CPUs that pollers of io_uring run on */
#define POLLERS 2

/*
 * The sessions of each CPU: one read; many with time stamps; one write; many operations with
 * time stamps, the last of them a write
 */
enum { RUN_READ, RUN_READS, RUN_WRITE, RUN_WRITES, RUNS };

/* What a caller has open. Opening a part may fail, and a door without it then returns the errno. */
struct doors {
	int cpu[DOOR_CPUS];
	int nonblocking[DOOR_CPUS];
	int batch;
	int sample;
	struct uring ring;
	struct uring worker;
	struct uring poller[POLLERS];
	struct session runs[DOOR_CPUS][RUNS];
	bool inline_by_worker;
};

enum door_kind {
	DOOR_CALLER, /* the kernel executes it as the caller */
	DOOR_INLINE, /* that, unless the kernel has a worker do it */
	DOOR_EITHER, /* as the caller, or has a worker do it */
	DOOR_WORKER, /* has a worker do it, which is not the caller */
	DOOR_SHUT, /* kernels refuse it; one that did not would do it as the caller */
};

/* The kernel, or the caller's rights, do not have this door. */
#define DOOR_ABSENT 1

/*
 * @read and @write: read or write STORE_A of a CPU. They return 0, a negative errno, or
 * DOOR_ABSENT. What they have not read they leave as it was. One may be NULL.
 */
struct door {
	const char *name;
	enum door_kind kind;
	int (*read)(struct doors *doors, const struct door *door, unsigned int cpu,
		    uint64_t *value);
	int (*write)(struct doors *doors, const struct door *door, unsigned int cpu,
		     uint64_t value);
	unsigned int how; /* for the functions */
};

extern const struct door all_doors[];
extern const unsigned int nr_doors;

/* What a door is with this kernel: not DOOR_INLINE */
enum door_kind kind_of(const struct doors *doors, const struct door *door);

void open_doors(struct doors *doors);
void close_doors(struct doors *doors);

#endif /* TEST_GUEST_DOORS_H */
