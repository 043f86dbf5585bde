/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads and children of a test. They work until stopping() or until they are killed, and
 * say with blame() what is wrong. The teardown of the test calls end_workers().
 */
#ifndef TEST_WORKERS_H
#define TEST_WORKERS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "guest.h"

/* Seconds, for what must end but may be slow */
#define PATIENCE 400

/* The time in so many seconds, as now_ns() tells it */
uint64_t deadline(unsigned int seconds);

/* In a worker: whether the test has told it to stop */
bool stopping(void);

/* In a worker: what is wrong, a constant text, for assert_workers_content() to say */
void blame(const char *what);

void start_thread(void (*function)(void *arg), void *arg);

/*
 * A child that becomes a user, if @uid is not 0, and enters a cgroup, if @cgroup_procs is
 * the path of one's cgroup.procs. It dies with the test program.
 */
pid_t start_child(uid_t uid, const char *cgroup_procs, void (*function)(void *arg), void *arg);

/* In a child: threads, which are told their numbers, until all have ended */
void run_threads(unsigned int count, void *(*function)(void *number));

/* In one of these threads: waits until there are all. */
void wait_for_threads(void);

/* Whether the child ends by itself in so many seconds; it is not waited for. */
bool ends_within(pid_t pid, unsigned int seconds);

/* Waits for the end of a child. Returns its status, as waitpid() does. */
int end_of_child(pid_t pid);

/* Kills a child. Returns its status. */
int kill_child(pid_t pid);

/* Tells all to stop, and waits until they do; fails if they do not, or one blames. */
void assert_workers_content(void);

/* Ends all, whatever they do; and forgets what they blamed. */
void end_workers(void);

#endif /* TEST_WORKERS_H */
