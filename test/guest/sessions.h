/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions in tests: preparing one, and its mapping.
 */
#ifndef TEST_GUEST_SESSIONS_H
#define TEST_GUEST_SESSIONS_H

#include <pthread.h>

#include "guest.h"

#define SAMPLE_PATH "/dev/cpu/msr_sample"

struct session {
	int fd;
	uint64_t len;
	const struct msr_ring *ring;
};

/* Returns what ioctl(2) of the device did: a descriptor, or -1. */
int prepare_on(const char *path, struct msr_ops *head);
int try_prepare(struct msr_op *ops, unsigned int count, unsigned int slots);

/* A session of a device, with its mapping */
struct session map_session(const char *path, struct msr_ops *head);

/* One of the batch device; with stamps if so said */
struct session prepare(struct msr_op *ops, unsigned int count, unsigned int slots, bool stamps);

/* Unmaps and closes it. */
void end(const struct session *session);

/* Return what ioctl(2) of the session did. */
int run_fd(int fd, const uint64_t *values);
int start_fd(int fd, uint64_t period_ns, uint64_t hold_ns);
int stop_fd(int fd);

/* For so many seconds, writes these lists by turns, and takes CPU 3 offline and back. */
void change_lists_and_cpus(const char *const *lists, unsigned int count, unsigned int seconds);

/* Waits for threads that return NULL, or what is wrong. */
void join_content_threads(const pthread_t *threads, unsigned int count);

const struct msr_stream *stream_of(const struct session *session, unsigned int nr);
const struct msr_record *record_of(const struct session *session, unsigned int nr, uint64_t number);

#endif /* TEST_GUEST_SESSIONS_H */
