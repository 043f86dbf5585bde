// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions in tests: preparing one, and its mapping.
 */

#include "sessions.h"

int prepare_on(const char *path, struct msr_ops *head)
{
	int device = open_path(path, O_RDONLY);
	int fd = ioctl(device, MSR_IOC_PREPARE, head);
	int saved = errno;

	close(device);
	errno = saved;
	return fd;
}

int try_prepare(struct msr_op *ops, unsigned int count, unsigned int slots)
{
	struct msr_ops head = head_of(ops, count, slots);

	return prepare_on(BATCH_PATH, &head);
}

struct session map_session(const char *path, struct msr_ops *head)
{
	struct session session = { .fd = prepare_on(path, head), .len = head->map_len };

	assert_true(session.fd >= 0);
	session.ring = mmap(NULL, session.len, PROT_READ, MAP_SHARED, session.fd, 0);
	assert_true(session.ring != MAP_FAILED);
	return session;
}

struct session prepare(struct msr_op *ops, unsigned int count, unsigned int slots, bool stamps)
{
	struct msr_ops head = head_of(ops, count, slots);

	head.flags = stamps ? MSR_PREPARE_STAMPS : 0;
	return map_session(BATCH_PATH, &head);
}

void end(const struct session *session)
{
	munmap((void *)session->ring, session->len);
	close(session->fd);
}

int run_fd(int fd, const uint64_t *values)
{
	struct msr_run run = { .size = sizeof(run), .values = (uintptr_t)values };

	return ioctl(fd, MSR_IOC_RUN, &run);
}

int start_fd(int fd, uint64_t period_ns, uint64_t hold_ns)
{
	struct msr_start start = {
		.size = sizeof(start),
		.period_ns = period_ns,
		.hold_ns = hold_ns,
	};

	return ioctl(fd, MSR_IOC_START, &start);
}

int stop_fd(int fd)
{
	return ioctl(fd, MSR_IOC_STOP, 0);
}

void change_lists_and_cpus(const char *const *lists, unsigned int count, unsigned int seconds)
{
	uint64_t end_at = now_ns() + seconds * UINT64_C(1000000000);
	unsigned int i;

	for (i = 0; now_ns() < end_at; i++) {
		load_list(lists[i % count]);
		usleep(3000);
		if (i % 50 == 49)
			set_online(3, i % 100 == 99);
	}
}

void join_content_threads(const pthread_t *threads, unsigned int count)
{
	unsigned int i;
	void *wrong;

	for (i = 0; i < count; i++) {
		pthread_join(threads[i], &wrong);
		if (wrong)
			fail_msg("%s", (const char *)wrong);
	}
}

const struct msr_stream *stream_of(const struct session *session, unsigned int nr)
{
	return (const void *)((const char *)session->ring + 4096 + nr * session->ring->stride);
}

const struct msr_record *record_of(const struct session *session, unsigned int nr, uint64_t number)
{
	return (const void *)((const char *)(stream_of(session, nr) + 1) +
			      (number & (session->ring->slots - 1)) * session->ring->record_size);
}
