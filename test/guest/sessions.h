/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions in tests: preparing one, and its mapping.
 */
#ifndef TEST_GUEST_SESSIONS_H
#define TEST_GUEST_SESSIONS_H

#include <pthread.h>

#include "guest.h"

#define SAMPLE_PATH "/dev/cpu/msr_sample"

#define MS UINT64_C(1000000) /* in nanoseconds */

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

/* One that can sample, of CPU_NUMBER of each of the first CPUs; or of this CPU alone */
struct session sampler(unsigned int cpus, unsigned int slots);
struct session sampler_of(unsigned int cpu, unsigned int slots);

/* Opens a device as a user without capabilities; the caller is root, and stays so. */
int open_as(uid_t uid, const char *path);

/* What ioctl(2) of an open device did: a descriptor of one operation for a CPU, or -1 */
int prepare_by(int device, unsigned int cpu, unsigned int slots);

/* Unmaps and closes it. */
void end(const struct session *session);

/* Return what ioctl(2) of the session did. */
int run_fd(int fd, const uint64_t *values);
int start_fd(int fd, uint64_t period_ns, uint64_t hold_ns);
int stop_fd(int fd);

/* Returns 0 or a negative errno. */
int set_parameter(const char *name, const char *value);
void must_set(const char *name, const char *value);

/* For so many seconds, writes these lists by turns, and takes CPU 3 offline and back. */
void change_lists_and_cpus(const char *const *lists, unsigned int count, unsigned int seconds);

/* Waits for threads that return NULL, or what is wrong. */
void join_content_threads(const pthread_t *threads, unsigned int count);

const struct msr_stream *stream_of(const struct session *session, unsigned int nr);
uint64_t head_of_stream(const struct session *session, unsigned int nr);
const struct msr_record *record_of(const struct session *session, unsigned int nr, uint64_t number);

/* How many points of the grid there were on a CPU that is so much behind the others */
uint64_t points(const struct session *session, uint64_t behind_ns);

/* Records and points without one, and runs */
uint64_t accounted(const struct session *session, unsigned int nr);

/* Stops the session. Since the counters were as in @before, each point has been counted once. */
void assert_exact(const struct session *session, const uint64_t *before);

/* Each waits for 20 seconds at most. */
void wait_for_records(const struct session *session, unsigned int nr, uint64_t count);
void wait_for_state(const struct session *session, unsigned int nr, uint32_t state);

#endif /* TEST_GUEST_SESSIONS_H */
