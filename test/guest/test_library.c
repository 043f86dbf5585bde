// SPDX-License-Identifier: GPL-2.0-only
/*
 * libmsrsafe on the module. The programs of the tree use most of it; this is what a client sees.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "../../lib/libmsrsafe.h"
#include "guest.h"

#define MS INT64_C(1000000) /* in nanoseconds */

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int all_cpus_on(void **state)
{
	(void)state;
	return set_online(2, true) || set_online(3, true);
}

TEST(a_register_is_read_and_written_by_the_node_of_a_cpu, load_the_list, NULL)
{
	struct msr_safe_error error;
	uint64_t value;
	int fd = msr_safe_open_cpu(2, O_RDWR, &error);

	assert_true(fd >= 0);
	assert_int_equal(msr_safe_read(fd, CPU_NUMBER, &value), 0);
	assert_int_equal(value, 2);
	assert_int_equal(msr_safe_write(fd, STORE_A, 0x1234567890), 0);
	assert_int_equal(msr_safe_read(fd, STORE_A, &value), 0);
	assert_int_equal(value, 0x1234567890);
	assert_int_equal(msr_safe_write(fd, STORE_C, 1), -EACCES);
	assert_int_equal(msr_safe_read(fd, 0x10, &value), -EACCES);
	assert_int_equal(msr_safe_write(fd, FAULTING, UINT64_MAX), -EIO);
	close(fd);
	assert_int_equal(msr_safe_open_cpu(77, O_RDONLY, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/dev/cpu/77/msr_safe: No such file or directory"));
}

TEST(a_batch_can_be_longer_than_a_call_takes, load_the_list, NULL)
{
	size_t count = 2 * MSR_BATCH_MAX_OPS + 3, i;
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	int fd = msr_safe_open_batch(NULL);

	assert_true(fd >= 0);
	for (i = 0; i < count; i++)
		ops[i] = (struct msr_batch_op){ .cpu = i % 4, .isrdmsr = 1, .msr = CPU_NUMBER };
	assert_int_equal(msr_safe_batch(fd, ops, count), 0);
	for (i = 0; i < count; i++) {
		assert_int_equal(ops[i].err, 0);
		assert_int_equal(ops[i].msrdata, i % 4);
	}
	free(ops);
	close(fd);
}

TEST(a_field_is_written_with_a_mask, load_the_list, NULL)
{
	struct msr_op op = {
		.cpu = 1,
		.msr = STORE_A,
		.flags = MSR_OP_WRITE,
		.data = 0x5500,
		.mask = 0xFF00,
	};
	int fd = msr_safe_open_batch(NULL);

	poke(1, STORE_A, 0x112233);
	assert_int_equal(msr_safe_ops(fd, &op, 1), 0);
	assert_int_equal(op.err, 0);
	assert_int_equal(peek(1, STORE_A), 0x115533);
	close(fd);
}

TEST(a_session_is_prepared_run_and_closed, load_the_list, NULL)
{
	struct msr_op ops[] = {
		{ .cpu = 0, .msr = STORE_A, .flags = MSR_OP_WRITE },
		{ .cpu = 3, .msr = CPU_NUMBER },
	};
	struct msr_safe_session session;
	struct msr_safe_ring ring;
	struct msr_record *record;
	uint64_t value = 77;
	int fd = msr_safe_open_batch(NULL);

	assert_int_equal(msr_safe_session_prepare(&session, fd, ops, 2, 4, 0), 0);
	close(fd);
	assert_int_equal(session.ring->cpus, 2);
	assert_int_equal(msr_safe_session_run(&session, &value), 0);
	assert_int_equal(peek(0, STORE_A), 77);
	assert_int_equal(msr_safe_ring_init(&ring, session.ring, 1), 0);
	assert_int_equal(msr_safe_ring_init(&ring, session.ring, 2), -EINVAL);
	record = malloc(session.ring->record_size);
	assert_true(msr_safe_ring_next(&ring, record));
	assert_int_equal(record->word[0], 3);
	assert_false(msr_safe_ring_next(&ring, record));
	free(record);
	/* Writes cannot be sampled. */
	assert_true(msr_safe_session_start(&session, 1000000, 0, 0) < 0);
	msr_safe_session_close(&session);
	assert_int_equal(session.fd, -1);
	assert_null(session.ring);
	msr_safe_session_close(&session);
}

TEST(a_session_that_is_refused_leaves_nothing, load_the_list, NULL)
{
	struct msr_op op = { .cpu = 0, .msr = 0x10 };
	struct msr_safe_session session;
	int fd = msr_safe_open_batch(NULL);

	assert_int_equal(msr_safe_session_prepare(&session, fd, &op, 1, 4, 0), -EACCES);
	assert_int_equal(op.err, -EACCES);
	assert_int_equal(session.fd, -1);
	msr_safe_session_close(&session);
	close(fd);
}

TEST(a_session_samples_and_its_ring_is_read, load_the_list, NULL)
{
	struct msr_op op = { .cpu = 1, .msr = CPU_NUMBER };
	struct msr_safe_session session;
	struct msr_record *record;
	struct msr_safe_ring ring;
	int fd = msr_safe_open(MSR_SAFE_SAMPLE_PATH, O_RDONLY, NULL);
	unsigned int seen = 0;

	assert_int_equal(msr_safe_session_prepare(&session, fd, &op, 1, 64, 0), 0);
	close(fd);
	assert_int_equal(msr_safe_session_start(&session, 10000000, 0, 0), 0);
	usleep(300000);
	assert_int_equal(msr_safe_session_stop(&session), 0);
	assert_int_equal(msr_safe_ring_init(&ring, session.ring, 0), 0);
	record = malloc(session.ring->record_size);
	while (msr_safe_ring_next(&ring, record)) {
		assert_int_equal(record->word[0], 1);
		seen++;
	}
	assert_true(seen > 0);
	free(record);
	msr_safe_session_close(&session);
}

/* A session that reads a register of the last CPUs, and its readers */
struct sampler {
	struct msr_safe_session session;
	struct msr_safe_ring readers[4];
	struct msr_record *record;
	uint64_t records;
};

static void prepare_sampler(struct sampler *sampler, unsigned int count, uint32_t msr,
			    uint32_t slots)
{
	int fd = msr_safe_open(MSR_SAFE_SAMPLE_PATH, O_RDONLY, NULL);
	struct msr_op ops[4];
	unsigned int i;

	for (i = 0; i < count; i++)
		ops[i] = extended_read(4 - count + i, msr);
	assert_int_equal(msr_safe_session_prepare(&sampler->session, fd, ops, count, slots, 0), 0);
	close(fd);
	for (i = 0; i < count; i++)
		msr_safe_ring_init(&sampler->readers[i], sampler->session.ring, i);
	sampler->record = malloc(sampler->session.ring->record_size);
	sampler->records = 0;
}

static int wait_for(struct sampler *sampler, uint32_t records, int64_t timeout_ns)
{
	return msr_safe_session_wait(&sampler->session, sampler->readers,
				     sampler->session.ring->cpus, records, timeout_ns);
}

/* Reads all that there is. Return: how many records. */
static unsigned int read_all(struct sampler *sampler)
{
	unsigned int count = 0;
	uint32_t i;

	for (i = 0; i < sampler->session.ring->cpus; i++)
		while (msr_safe_ring_next(&sampler->readers[i], sampler->record))
			count++;
	sampler->records += count;
	return count;
}

/* Waits and reads until there is an error, and returns that. No wait that returns 0 is for nothing.
 */
static int read_until_error(struct sampler *sampler)
{
	int error;

	while ((error = wait_for(sampler, 10, 20000 * MS)) == 0)
		assert_true(read_all(sampler) > 0);
	return error;
}

static void end_sampler(struct sampler *sampler)
{
	msr_safe_session_close(&sampler->session);
	free(sampler->record);
}

TEST(a_wait_ends_when_there_are_records, load_the_list, NULL)
{
	struct sampler sampler;
	unsigned int i;

	prepare_sampler(&sampler, 2, CPU_NUMBER, 256);
	assert_int_equal(msr_safe_session_start(&sampler.session, 10 * MS, 0, 0), 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(wait_for(&sampler, 1 + i % 8, 20000 * MS), 0);
		assert_true(read_all(&sampler) > 0);
	}
	assert_int_equal(sampler.readers[0].lost + sampler.readers[1].lost, 0);
	assert_int_equal(msr_safe_session_stop(&sampler.session), 0);
	assert_int_equal(read_until_error(&sampler), -ENODATA);
	assert_int_equal(sampler.records,
			 sampler.readers[0].stream->head + sampler.readers[1].stream->head);
	end_sampler(&sampler);
}

TEST(a_wait_for_a_far_point_times_out, load_the_list, NULL)
{
	struct sampler sampler;
	uint64_t before;

	prepare_sampler(&sampler, 1, CPU_NUMBER, 4);
	assert_int_equal(wait_for(&sampler, 1, -1), -ENODATA); /* It has not been started. */
	do {
		msr_safe_session_stop(&sampler.session);
		assert_int_equal(msr_safe_session_start(&sampler.session, MSR_PERIOD_MAX_NS, 0, 0),
				 0);
		/* An hour of the grid may begin just now. */
		before = now_ns();
	} while (sampler.session.ring->first_ns < before + 10000 * MS);
	assert_int_equal(wait_for(&sampler, 1, 350 * MS), -ETIMEDOUT);
	assert_in_range(now_ns() - before, 350 * MS, 20000 * MS);
	end_sampler(&sampler);
}

TEST(a_wait_on_change_ends_after_the_change, load_the_list, NULL)
{
	struct sampler sampler;

	poke(3, STORE_A, 1);
	prepare_sampler(&sampler, 1, STORE_A, 16);
	assert_int_equal(msr_safe_session_start(&sampler.session, MS, 5 * MS, 0), 0);
	assert_int_equal(wait_for(&sampler, 4, 200 * MS), -ETIMEDOUT);
	poke(3, STORE_A, 2);
	assert_int_equal(wait_for(&sampler, 4, 20000 * MS), 0);
	assert_int_equal(read_all(&sampler), 1);
	assert_int_equal(sampler.record->word[0], 2);
	end_sampler(&sampler);
}

static void *take_registers_soon(void *arg)
{
	usleep(300000);
	write_list("0x40a 0\n");
	return arg;
}

TEST(a_wait_ends_when_a_list_ends_the_session, load_the_list, clear_list)
{
	struct sampler sampler;
	pthread_t thread;

	prepare_sampler(&sampler, 4, CPU_NUMBER, 64);
	assert_int_equal(msr_safe_session_start(&sampler.session, MS, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_registers_soon, NULL), 0);
	assert_int_equal(read_until_error(&sampler), -ESTALE);
	pthread_join(thread, NULL);
	assert_true(sampler.records > 0);
	end_sampler(&sampler);
}

static void *stop_soon(void *arg)
{
	struct sampler *sampler = arg;

	usleep(300000);
	return msr_safe_session_stop(&sampler->session) ? arg : NULL;
}

TEST(a_wait_ends_when_another_thread_stops_the_session, load_the_list, NULL)
{
	struct sampler sampler;
	pthread_t thread;
	void *wrong;

	prepare_sampler(&sampler, 2, CPU_NUMBER, 64);
	assert_int_equal(msr_safe_session_start(&sampler.session, MSR_PERIOD_MAX_NS, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &sampler), 0);
	assert_int_equal(read_until_error(&sampler), -ENODATA);
	pthread_join(thread, &wrong);
	assert_null(wrong);
	end_sampler(&sampler);
}

TEST(a_wait_goes_on_until_all_cpus_are_offline, load_the_list, all_cpus_on)
{
	struct sampler sampler;
	unsigned int i;

	prepare_sampler(&sampler, 2, CPU_NUMBER, 256);
	assert_int_equal(msr_safe_session_start(&sampler.session, 10 * MS, 0, 0), 0);
	assert_int_equal(set_online(3, false), 0);
	read_all(&sampler);
	for (i = 0; i < 5; i++) {
		assert_int_equal(wait_for(&sampler, 2, 20000 * MS), 0);
		assert_true(read_all(&sampler) > 0);
	}
	/* The timer of the CPU that is offline has ended, and is not waited for. */
	assert_int_equal(msr_safe_session_wait(&sampler.session, &sampler.readers[1], 1, 1,
					       20000 * MS),
			 -ENODATA);
	assert_int_equal(set_online(2, false), 0);
	assert_int_equal(read_until_error(&sampler), -ENODATA);
	/* It does not run again by itself. */
	assert_int_equal(set_online(3, true), 0);
	assert_int_equal(wait_for(&sampler, 1, 1000 * MS), -ENODATA);
	assert_int_equal(msr_safe_session_stop(&sampler.session), 0);
	assert_int_equal(msr_safe_session_start(&sampler.session, 10 * MS, 0, 0), 0);
	assert_int_equal(wait_for(&sampler, 1, 20000 * MS), 0);
	end_sampler(&sampler);
}

static void note_signal(int signal)
{
	(void)signal;
}

TEST(a_signal_ends_a_wait, load_the_list, NULL)
{
	const struct sigaction note = { .sa_handler = note_signal, .sa_flags = SA_RESTART };
	/* Again and again: one may come between two sleeps. */
	const struct itimerval soon = { { .tv_usec = 70000 }, { .tv_usec = 70000 } };
	const struct itimerval never = { 0 };
	struct sampler sampler;
	struct sigaction old;

	prepare_sampler(&sampler, 1, STORE_A, 16);
	assert_int_equal(msr_safe_session_start(&sampler.session, MS, 5 * MS, 0), 0);
	assert_int_equal(sigaction(SIGALRM, &note, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(wait_for(&sampler, 1, 20000 * MS), -EINTR);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	end_sampler(&sampler);
}

/* Its clock is a day ahead of that of the points. Return: 0, or what is wrong. */
static int wait_a_day_ahead(void *arg)
{
	struct sampler *sampler = arg;
	uint64_t before = now_ns();
	unsigned int i;

	if (before < UINT64_C(86400) * 1000 * MS)
		return 1;
	for (i = 0; i < 5; i++) {
		if (wait_for(sampler, 2, 20000 * MS))
			return 2;
		if (!read_all(sampler))
			return 3;
	}
	/* Four of the waits have a point before their last one. */
	return now_ns() - before < UINT64_C(150) * MS ? 4 : 0;
}

static int wait_in_time_namespace(void *arg)
{
	int err;

	if (unshare(CLONE_NEWTIME))
		return errno == EINVAL ? 100 : 101;
	err = write_file("/proc/self/timens_offsets", "monotonic 86400 0\n");
	return err ? 102 : in_child(false, wait_a_day_ahead, arg);
}

TEST(a_wait_in_a_time_namespace_is_as_long, load_the_list, NULL)
{
	struct sampler sampler;
	int result;

	prepare_sampler(&sampler, 1, CPU_NUMBER, 64);
	assert_int_equal(msr_safe_session_start(&sampler.session, 50 * MS, 0, 0), 0);
	result = in_child(false, wait_in_time_namespace, &sampler);
	end_sampler(&sampler);
	if (result == 100)
		skip(); /* a kernel without such namespaces */
	assert_int_equal(result, 0);
}

TEST(the_list_in_force_is_read_with_its_masks, load_the_list, NULL)
{
	const struct msr_allowlist_entry *entry;
	struct msr_safe_allowlist list;

	assert_int_equal(msr_safe_allowlist_read(&list, NULL, NULL), 0);
	assert_int_equal(list.count, 5);
	entry = msr_safe_allowlist_find(&list, STORE_B);
	assert_non_null(entry);
	assert_int_equal(entry->wmask, 0xffff0000);
	assert_null(msr_safe_allowlist_find(&list, 0x10));
	msr_safe_allowlist_free(&list);
	assert_int_equal(msr_safe_allowlist_read(&list, "/dev/null", NULL), -ENODEV);
}
