// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the records of one CPU of a session, while that CPU writes them.
 *
 * The CPU and the reader share no lock. The CPU writes record n in this order: tick 0; the
 * record; its tick; head = n + 1. The reader loads in the opposite order: head, with acquire
 * semantics, so that it sees all of each record before that; the tick; the record; the tick
 * again, and head again, behind a fence, so that both are at least as new as any word that it
 * has copied. The record is whole if the tick is the same and not 0. It is record n, and not
 * the one that overwrites it, if head has not moved on by all slots. With head exactly at
 * n + slots the CPU may be writing that one, or have written it and not have set head. Ticks
 * ascend, so a tick that is not above that of the newest record tells record n.
 */

#include <errno.h>
#include <stddef.h>

#include "libmsrsafe.h"

#define FIRST_STREAM 4096 /* bytes from the start of the mapping */

int msr_safe_ring_init(struct msr_safe_ring *reader, const void *map, uint32_t nr)
{
	const struct msr_ring *ring = map;

	if (nr >= ring->cpus)
		return -EINVAL;
	*reader = (struct msr_safe_ring){
		.ring = ring,
		.stream = (const void *)((const char *)map + FIRST_STREAM + nr * ring->stride),
	};
	return 0;
}

static const struct msr_record *record_at(const struct msr_safe_ring *reader, uint64_t number)
{
	const struct msr_ring *ring = reader->ring;
	uint64_t slot = number & (ring->slots - 1);

	return (const void *)((const char *)(reader->stream + 1) + slot * ring->record_size);
}

static uint64_t load_tick(const struct msr_record *record)
{
	return __atomic_load_n(&record->tick, __ATOMIC_ACQUIRE);
}

static void copy_words(void *to, const void *from, uint32_t bytes)
{
	const uint64_t *source = from;
	uint64_t *target = to;
	uint32_t i;

	for (i = 0; i < bytes / sizeof(*target); i++)
		target[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
}

/* Copies record reader->next. Returns false if it is being or has been overwritten. */
static bool copy_record(const struct msr_safe_ring *reader, struct msr_record *record,
			uint64_t head)
{
	const struct msr_record *source = record_at(reader, reader->next);
	uint64_t newest = load_tick(record_at(reader, head - 1));
	uint64_t tick = load_tick(source);

	copy_words(record, source, reader->ring->record_size);
	record->tick = tick;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	head = __atomic_load_n(&reader->stream->head, __ATOMIC_RELAXED);
	if (!tick || tick != __atomic_load_n(&source->tick, __ATOMIC_RELAXED))
		return false;
	if (head - reader->next < reader->ring->slots)
		return true;
	return head - reader->next == reader->ring->slots && tick <= newest &&
	       tick > reader->last_tick;
}

bool msr_safe_ring_next(struct msr_safe_ring *reader, struct msr_record *record)
{
	const uint32_t slots = reader->ring->slots;

	for (;;) {
		uint64_t head = __atomic_load_n(&reader->stream->head, __ATOMIC_ACQUIRE);

		if (reader->next == head)
			return false;
		if (head - reader->next > slots) {
			reader->lost += head - slots - reader->next;
			reader->next = head - slots;
		}
		if (copy_record(reader, record, head)) {
			reader->next++;
			reader->last_tick = record->tick;
			return true;
		}
		reader->lost++;
		reader->next++;
	}
}

uint64_t msr_safe_ring_ns(const struct msr_ring *ring, uint64_t tsc)
{
	int64_t cycles = tsc - ring->start_tsc;

	return ring->start_ns + (int64_t)((__int128)cycles * 1000000 / (int64_t)ring->tsc_khz);
}
