/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the records of one CPU of a session, while that CPU writes them.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "../msr_safe.h"

/* A reader of one CPU's records */
struct msr_safe_ring {
	const struct msr_ring *ring;
	const struct msr_stream *stream;
	uint64_t next; /* number of the record that is read next, from 0 */
	uint64_t lost; /* records that were overwritten before they were read */
	uint64_t last_tick; /* of the last record that was read */
};

/*
 * Begins to read, with the oldest record. MAP is the mapping of a session, NR the place of the
 * CPU in it, from 0. Returns 0, or -EINVAL if there is no such CPU.
 */
int msr_safe_ring_init(struct msr_safe_ring *reader, const void *map, uint32_t nr);

/*
 * Copies the next record, of map->record_size bytes. Returns whether there was one. No record is
 * torn, and none is returned twice. Those that the CPU has overwritten add to READER->lost.
 */
bool msr_safe_ring_next(struct msr_safe_ring *reader, struct msr_record *record);

/* The time stamp of a record in nanoseconds of CLOCK_MONOTONIC */
uint64_t msr_safe_ring_ns(const struct msr_ring *ring, uint64_t tsc);

#endif /* LIB_RING_H */
