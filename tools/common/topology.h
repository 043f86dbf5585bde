/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which package and core each online CPU belongs to, as the kernel says in sysfs.
 */
#ifndef COMMON_TOPOLOGY_H
#define COMMON_TOPOLOGY_H

#include "../../lib/libmsrsafe.h"

struct place {
	unsigned int cpu;
	int package, core; /* 0 where the kernel does not say */
	int die; /* Intel's; packages of others have their registers in common */
};

/* Places in the order of packages, dies, cores and CPUs */
struct topology {
	struct place *places;
	unsigned int count;
};

/* Reads it. Returns 0, or a negative errno after printing why it cannot be read. */
int topology_read(struct topology *topology);

void topology_free(struct topology *topology);

/* Whether the place is the first of its package and die, or of its core */
bool is_first_of_die(const struct topology *topology, unsigned int i);
bool is_first_of_core(const struct topology *topology, unsigned int i);

#endif /* COMMON_TOPOLOGY_H */
