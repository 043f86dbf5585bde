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

struct session sampler(unsigned int cpus, unsigned int slots)
{
	struct msr_op ops[4];
	struct msr_ops head = head_of(ops, cpus, slots);
	unsigned int i;

	for (i = 0; i < cpus; i++)
		ops[i] = extended_read(i, CPU_NUMBER);
	return map_session(SAMPLE_PATH, &head);
}

struct session sampler_of(unsigned int cpu, unsigned int slots)
{
	struct msr_op op = extended_read(cpu, CPU_NUMBER);
	struct msr_ops head = head_of(&op, 1, slots);

	return map_session(SAMPLE_PATH, &head);
}

int open_as(uid_t uid, const char *path)
{
	struct stat status;
	int fd;

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(setresuid(uid, uid, 0), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(chmod(path, status.st_mode & 07777), 0);
	assert_true(fd >= 0);
	return fd;
}

int prepare_by(int device, unsigned int cpu, unsigned int slots)
{
	struct msr_op op = extended_read(cpu, CPU_NUMBER);
	struct msr_ops head = head_of(&op, 1, slots);

	return ioctl(device, MSR_IOC_PREPARE, &head);
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

int set_parameter(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/msr_safe/parameters/%s", name);
	return write_file(path, value);
}

void must_set(const char *name, const char *value)
{
	if (set_parameter(name, value))
		fail_msg("%s=%s", name, value);
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

uint64_t head_of_stream(const struct session *session, unsigned int nr)
{
	return __atomic_load_n(&stream_of(session, nr)->head, __ATOMIC_ACQUIRE);
}

const struct msr_record *record_of(const struct session *session, unsigned int nr, uint64_t number)
{
	return (const void *)((const char *)(stream_of(session, nr) + 1) +
			      (number & (session->ring->slots - 1)) * session->ring->record_size);
}

uint64_t points(const struct session *session, uint64_t behind_ns)
{
	const struct msr_ring *ring = session->ring;
	uint64_t first = ring->first_ns + behind_ns;

	return ring->stop_ns < first ? 0 : (ring->stop_ns - first) / ring->period_ns + 1;
}

uint64_t accounted(const struct session *session, unsigned int nr)
{
	const struct msr_stream *stream = stream_of(session, nr);

	return stream->head + stream->late + stream->throttled + stream->offline;
}

void assert_exact(const struct session *session, const uint64_t *before)
{
	unsigned int i;

	assert_int_equal(stop_fd(session->fd), 0);
	for (i = 0; i < session->ring->cpus; i++) {
		assert_int_equal(accounted(session, i) - (before ? before[i] : 0),
				 points(session, 0));
		assert_int_equal(stream_of(session, i)->state, MSR_STREAM_IDLE);
	}
}

void wait_for_records(const struct session *session, unsigned int nr, uint64_t count)
{
	uint64_t give_up = now_ns() + 20000 * MS;

	while (head_of_stream(session, nr) < count) {
		assert_true(now_ns() < give_up);
		usleep(1000);
	}
}

void wait_for_state(const struct session *session, unsigned int nr, uint32_t state)
{
	uint64_t give_up = now_ns() + 20000 * MS;

	while (__atomic_load_n(&stream_of(session, nr)->state, __ATOMIC_ACQUIRE) != state) {
		assert_true(now_ns() < give_up);
		usleep(1000);
	}
}
