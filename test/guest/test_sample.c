// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sampling: sessions that a timer executes on each CPU.
 */

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "../../lib/libmsrsafe.h"
#include "sessions.h"
#include "workers.h"

static volatile bool stop;

static int defaults(void **state)
{
	(void)state;
	set_online(3, true);
	return set_parameter("sample_max_hz", "10000") || set_parameter("sample_permille", "50") ||
	       set_parameter("poll_gap_us", "20");
}

TEST(a_timer_writes_a_record_at_the_points_of_the_grid, load_the_list, defaults)
{
	struct session session = sampler(4, 1024);
	uint64_t before = now_ns(), after;
	unsigned int i;
	uint64_t n;

	assert_int_equal(set_parameter("sample_permille", "1000"), 0);
	assert_int_equal(start_fd(session.fd, 2 * MS, 0), 0);
	assert_int_equal(session.ring->state, MSR_RING_SAMPLING);
	for (i = 0; i < 4; i++)
		assert_int_equal(stream_of(&session, i)->state, MSR_STREAM_SAMPLING);
	usleep(300000);
	assert_int_equal(session.ring->stop_ns, 0);
	assert_int_equal(stop_fd(session.fd), 0);
	after = now_ns();
	assert_int_equal(session.ring->state, MSR_RING_READY);
	assert_int_equal(session.ring->period_ns, 2 * MS);
	assert_int_equal(session.ring->hold_ns, 0);
	/* Without a first point: that of a grid which begins at 0 */
	assert_int_equal(session.ring->first_ns % (2 * MS), 0);
	assert_in_range(session.ring->first_ns, before + 1, before + 200 * MS);
	assert_in_range(session.ring->stop_ns, before + 300 * MS, after);
	assert_in_range(points(&session, 0), 100, 1000);
	for (i = 0; i < 4; i++) {
		const struct msr_stream *stream = stream_of(&session, i);
		uint64_t last = 0;

		assert_int_equal(accounted(&session, i), points(&session, 0));
		assert_int_equal(stream->state, MSR_STREAM_IDLE);
		assert_true(stream->head > 0);
		for (n = 0; n < stream->head; n++) {
			const struct msr_record *record = record_of(&session, i, n);
			uint64_t at = msr_safe_ring_ns(session.ring, record->tsc);
			uint64_t point = session.ring->first_ns + (record->tick - 1) * 2 * MS;

			assert_true(record->tick > last);
			last = record->tick;
			/* Not before its point, by more than clocks differ */
			assert_true(at + MS / 10 >= point);
			assert_int_equal(record->failed, 0);
			assert_int_equal(record->word[0], i);
		}
		assert_true(last <= points(&session, 0));
	}
	end(&session);
}

TEST(a_first_point_is_one_of_the_grid_be_it_past_or_to_come, load_the_list, defaults)
{
	struct session session = sampler(1, 64);
	struct msr_start start = { .size = sizeof(start), .period_ns = 3 * MS };
	uint64_t now = now_ns();

	start.first_ns = now + 100 * MS;
	assert_int_equal(ioctl(session.fd, MSR_IOC_START, &start), 0);
	assert_int_equal(session.ring->first_ns, start.first_ns);
	usleep(30000);
	assert_int_equal(stream_of(&session, 0)->head, 0);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(points(&session, 0), 0);
	assert_int_equal(accounted(&session, 0), 0);
	start.first_ns = now - 100 * MS + 1;
	now = now_ns();
	assert_int_equal(ioctl(session.fd, MSR_IOC_START, &start), 0);
	assert_true(session.ring->first_ns > now);
	assert_int_equal((session.ring->first_ns - start.first_ns) % (3 * MS), 0);
	end(&session);
}

TEST(staggered_cpus_are_spread_over_the_period, load_the_list, defaults)
{
	struct session session = sampler(4, 256);
	struct msr_start start = { .size = sizeof(start),
				   .flags = MSR_START_STAGGER,
				   .period_ns = 8 * MS };
	unsigned int i;
	uint64_t n;

	assert_int_equal(ioctl(session.fd, MSR_IOC_START, &start), 0);
	usleep(200000);
	assert_int_equal(stop_fd(session.fd), 0);
	for (i = 0; i < 4; i++) {
		const struct msr_stream *stream = stream_of(&session, i);

		assert_int_equal(accounted(&session, i), points(&session, i * 2 * MS));
		assert_true(stream->head > 0);
		for (n = 0; n < stream->head; n++) {
			const struct msr_record *record = record_of(&session, i, n);
			uint64_t at = msr_safe_ring_ns(session.ring, record->tsc);

			assert_true(at + MS / 10 >= session.ring->first_ns + i * 2 * MS +
							    (record->tick - 1) * 8 * MS);
		}
	}
	end(&session);
}

TEST(records_and_points_without_one_are_those_of_the_grid, load_the_list, defaults)
{
	struct session session = sampler(4, 4);
	uint64_t expected[4] = { 0 };
	unsigned int round, i;

	/* Also where a share is used up, and in runs between */
	for (round = 0; round < 12; round++) {
		assert_int_equal(set_parameter("sample_permille", round % 3 ? "50" : "1"), 0);
		assert_int_equal(start_fd(session.fd, 100000 + 7777 * round, 0), 0);
		usleep(20000 + 1313 * round);
		assert_int_equal(stop_fd(session.fd), 0);
		assert_int_equal(run_fd(session.fd, NULL), 0);
		for (i = 0; i < 4; i++) {
			expected[i] += points(&session, 0) + 1;
			assert_int_equal(accounted(&session, i), expected[i]);
			assert_int_equal(record_of(&session, i, stream_of(&session, i)->head - 1)
						 ->tick,
					 expected[i]);
		}
	}
	end(&session);
}

TEST(sampling_that_takes_more_than_its_share_is_throttled, load_the_list, defaults)
{
	struct session session = sampler(2, 4);
	unsigned int i;

	/* A thousandth of the period is less than the interrupt of a timer takes. */
	must_set("sample_permille", "1");
	assert_int_equal(start_fd(session.fd, MS / 10, 0), 0);
	usleep(300000);
	for (i = 0; i < 2; i++)
		assert_int_equal(stream_of(&session, i)->state, MSR_STREAM_SAMPLING);
	assert_exact(&session, NULL);
	for (i = 0; i < 2; i++)
		assert_true(stream_of(&session, i)->throttled > points(&session, 0) / 2);
	end(&session);
}

TEST(a_cpu_that_goes_offline_ends_its_timer_until_the_next_start, load_the_list, defaults)
{
	struct session session = sampler(4, 1024);
	uint64_t head, before[4];
	unsigned int i;

	must_set("sample_permille", "1000");
	assert_int_equal(start_fd(session.fd, 2 * MS, 0), 0);
	wait_for_records(&session, 3, 5);
	assert_int_equal(set_online(3, false), 0);
	wait_for_state(&session, 3, MSR_STREAM_ENDED);
	head = head_of_stream(&session, 3);
	assert_int_equal(set_online(3, true), 0);
	wait_for_records(&session, 0, head_of_stream(&session, 0) + 20);
	assert_int_equal(head_of_stream(&session, 3), head);
	assert_int_equal(stream_of(&session, 3)->state, MSR_STREAM_ENDED);
	assert_int_equal(stream_of(&session, 0)->state, MSR_STREAM_SAMPLING);
	assert_fails(start_fd(session.fd, 2 * MS, 0), EBUSY);
	assert_exact(&session, NULL);
	assert_true(stream_of(&session, 3)->offline >= 19);
	for (i = 0; i < 3; i++)
		assert_int_equal(stream_of(&session, i)->offline, 0);

	for (i = 0; i < 4; i++)
		before[i] = accounted(&session, i);
	assert_int_equal(start_fd(session.fd, 2 * MS, 0), 0);
	assert_int_equal(stream_of(&session, 3)->state, MSR_STREAM_SAMPLING);
	wait_for_records(&session, 3, head + 1);
	assert_int_equal(record_of(&session, 3, head)->word[0], 3);
	assert_exact(&session, before);
	end(&session);
}

TEST(a_cpu_that_is_offline_gets_no_timer_and_start_succeeds, load_the_list, defaults)
{
	struct session session = sampler(4, 64);

	assert_int_equal(set_online(3, false), 0);
	assert_int_equal(start_fd(session.fd, 2 * MS, 0), 0);
	assert_int_equal(stream_of(&session, 3)->state, MSR_STREAM_ENDED);
	assert_int_equal(set_online(3, true), 0);
	wait_for_records(&session, 0, 20);
	assert_exact(&session, NULL);
	assert_int_equal(stream_of(&session, 3)->head, 0);
	assert_int_equal(stream_of(&session, 3)->offline, points(&session, 0));
	end(&session);
}

static void *toggle_cpu_3(void *arg)
{
	while (!stop) {
		set_online(3, false);
		usleep(10000);
		set_online(3, true);
		usleep(10000);
	}
	return arg;
}

TEST(the_identity_holds_while_cpus_come_and_go, load_the_list, defaults)
{
	struct session session = sampler(4, 4);
	uint64_t expected = 0;
	unsigned int round, i;
	pthread_t thread;

	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, toggle_cpu_3, NULL), 0);
	for (round = 0; round < 40; round++) {
		assert_int_equal(start_fd(session.fd, 500000, 0), 0);
		usleep(40000 + 997 * round);
		assert_int_equal(stop_fd(session.fd), 0);
		expected += points(&session, 0);
		for (i = 0; i < 4; i++)
			assert_int_equal(accounted(&session, i), expected);
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_true(stream_of(&session, 3)->offline > 0);
	end(&session);
}

TEST(a_reader_that_is_too_slow_knows_how_many_records_it_lost, load_the_list, defaults)
{
	struct session session = sampler(2, 8);
	struct msr_record *record = malloc(session.ring->record_size);
	struct msr_safe_ring reader;
	uint64_t got = 0, last = 0;

	assert_int_equal(msr_safe_ring_init(&reader, session.ring, 2), -EINVAL);
	assert_int_equal(msr_safe_ring_init(&reader, session.ring, 1), 0);
	assert_false(msr_safe_ring_next(&reader, record));
	assert_int_equal(start_fd(session.fd, 200000, 0), 0);
	while (got < 60) {
		usleep(got % 20 ? 0 : 100000);
		if (!msr_safe_ring_next(&reader, record))
			continue;
		got++;
		assert_true(record->tick > last);
		assert_int_equal(record->word[0], 1);
		last = record->tick;
	}
	assert_int_equal(stop_fd(session.fd), 0);
	while (msr_safe_ring_next(&reader, record))
		got++;
	assert_true(reader.lost > 0);
	assert_int_equal(got + reader.lost, stream_of(&session, 1)->head);
	free(record);
	end(&session);
}

/* Eight reads with time stamps; where there was no time for all, the last ones say so. */
static void assert_whole(const struct msr_record *record)
{
	uint64_t last = record->tsc;
	unsigned int i;

	for (i = 0; i < 8 && record->word[3 * i + 1] == 1; i++) {
		assert_true(record->word[3 * i] >= last);
		last = record->word[3 * i + 2];
		assert_true(last > record->word[3 * i]);
	}
	assert_true(i > 0 && last - record->tsc < UINT32_MAX);
	assert_true(record->cycles >= last - record->word[0]);
	assert_int_equal(record->failed, 8 - i);
	assert_int_equal(record->word[24], 0xff & 0xff << i);
	for (; i < 8; i++) {
		assert_int_equal(record->word[3 * i + 1], (uint64_t)-ETIME);
		assert_int_equal(record->word[3 * i] | record->word[3 * i + 2], 0);
	}
}

TEST(no_record_of_a_million_is_torn, load_the_list, defaults)
{
	struct msr_op ops[8];
	struct msr_ops head = head_of(ops, 8, 2);
	struct msr_safe_ring reader = { 0 };
	struct session session;
	struct msr_record *record;
	uint64_t i, read = 0;

	for (i = 0; i < 8; i++)
		ops[i] = extended_read(1, CPU_NUMBER);
	head.flags = MSR_PREPARE_STAMPS;
	session = map_session(SAMPLE_PATH, &head);
	record = malloc(session.ring->record_size);
	assert_int_equal(set_parameter("sample_max_hz", "100000"), 0);
	assert_int_equal(set_parameter("sample_permille", "1000"), 0);
	assert_int_equal(start_fd(session.fd, 10000, 0), 0);
	pin_to(0);
	msr_safe_ring_init(&reader, session.ring, 0);
	for (i = 0; i < 1000000; i++) {
		const struct msr_stream *stream = stream_of(&session, 0);

		/* As often as not, one that is being overwritten */
		reader.next = stream->head ? stream->head - 1 - i % 2 * (stream->head > 1) : 0;
		reader.last_tick = 0;
		if (!msr_safe_ring_next(&reader, record))
			continue;
		assert_whole(record);
		read++;
	}
	assert_true(read > 1000);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(accounted(&session, 0), points(&session, 0));
	free(record);
	end(&session);
}

TEST(a_wrong_argument_of_start_or_stop_is_refused, load_the_list, defaults)
{
	struct session session = sampler(1, 4);
	struct {
		struct msr_start start;
		uint64_t more;
	} arg, good = { .start = { .size = sizeof(good), .period_ns = MS } };
	unsigned int i;

	for (i = 0; i < 10; i++) {
		arg = good;
		switch (i) {
		case 0:
			arg.start.size = 31;
			break;
		case 1:
			arg.start.flags = 2;
			break;
		case 2:
			arg.start.period_ns = 0;
			break;
		case 3:
			arg.start.period_ns = MSR_PERIOD_MIN_NS - 1;
			break;
		case 4:
			arg.start.period_ns = MSR_PERIOD_MAX_NS + 1;
			break;
		case 5:
			arg.start.hold_ns = MS - 1;
			break;
		case 6:
			arg.start.hold_ns = MSR_PERIOD_MAX_NS + 1;
			break;
		case 7:
			arg.start.first_ns = now_ns() + MSR_PERIOD_MAX_NS + 10000 * MS;
			break;
		case 8:
			arg.start.size = 4097;
			break;
		case 9:
			arg.more = 1;
			break;
		}
		assert_fails(ioctl(session.fd, MSR_IOC_START, &arg), i < 8 ? EINVAL : E2BIG);
		assert_int_equal(session.ring->state, MSR_RING_READY);
	}
	assert_fails(ioctl(session.fd, MSR_IOC_START, no_memory()), EFAULT);
	assert_fails(ioctl(session.fd, MSR_IOC_STOP, &arg), EINVAL);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(ioctl(session.fd, MSR_IOC_START, &good), 0);
	end(&session);
}

TEST(a_program_with_writes_or_of_too_many_operations_does_not_start, load_the_list, defaults)
{
	struct msr_op ops[MSR_SAMPLE_MAX_OPS + 1];
	struct msr_ops head = head_of(ops, MSR_SAMPLE_MAX_OPS, 2);
	struct session session;
	unsigned int i;

	for (i = 0; i <= MSR_SAMPLE_MAX_OPS; i++)
		ops[i] = extended_read(1, CPU_NUMBER);
	session = map_session(SAMPLE_PATH, &head);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	end(&session);
	head.count++;
	session = map_session(SAMPLE_PATH, &head);
	assert_fails(start_fd(session.fd, MS, 0), E2BIG);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	end(&session);
	ops[0] = extended_write(1, STORE_A, 1, 0);
	head.count = 2;
	session = map_session(SAMPLE_PATH, &head);
	assert_fails(start_fd(session.fd, MS, 0), EINVAL);
	end(&session);
}

TEST(the_batch_device_gives_no_right_to_sample, load_the_list, defaults)
{
	struct msr_op op = extended_read(0, CPU_NUMBER);
	struct session session = prepare(&op, 1, 1, false);
	struct msr_batch_array batch = { .numops = 1 };
	int fd = open_path(SAMPLE_PATH, O_RDONLY);
	struct stat status;

	assert_fails(start_fd(session.fd, MS, 0), EPERM);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_uid | status.st_gid, 0);
	assert_fails(ioctl(fd, X86_IOC_MSR_BATCH, &batch), ENOTTY);
	close(fd);
	fd = open_path(SAMPLE_PATH, O_WRONLY);
	assert_fails(ioctl(fd, MSR_IOC_OPS, &batch), EBADF);
	close(fd);
	end(&session);
}

static int open_sample(void *arg)
{
	(void)arg;
	return open(SAMPLE_PATH, O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

TEST(a_user_without_the_node_cannot_open_it, load_the_list, defaults)
{
	assert_int_equal(in_child(true, open_sample, NULL), 0);
}

TEST(a_session_that_samples_is_busy, load_the_list, defaults)
{
	struct session session = sampler(1, 4);

	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	assert_fails(start_fd(session.fd, MS, 0), EBUSY);
	assert_fails(run_fd(session.fd, NULL), EBUSY);
	/* Also when its timer has ended */
	must_set("sample_max_hz", "0");
	wait_for_state(&session, 0, MSR_STREAM_ENDED);
	must_set("sample_max_hz", "10000");
	assert_fails(start_fd(session.fd, MS, 0), EBUSY);
	assert_fails(run_fd(session.fd, NULL), EBUSY);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	end(&session);
}

/* The ring and the streams of up to two CPUs */
struct image {
	struct msr_ring ring;
	struct msr_stream streams[2];
};

static struct image image_of(const struct session *session)
{
	struct image image;
	unsigned int i;

	memset(&image, 0, sizeof(image));
	memcpy(&image.ring, session->ring, sizeof(image.ring));
	for (i = 0; i < session->ring->cpus; i++)
		memcpy(&image.streams[i], stream_of(session, i), sizeof(image.streams[i]));
	return image;
}

TEST(a_session_that_is_not_started_is_left_as_it_is_by_stop, load_the_list, defaults)
{
	struct session session = sampler(2, 4);
	struct image before = image_of(&session), after;
	unsigned int round;

	/* Before the first start; after a stop, a run; and when a list has ended it */
	for (round = 0; round < 3; round++) {
		assert_int_equal(stop_fd(session.fd), 0);
		after = image_of(&session);
		assert_memory_equal(&after, &before, sizeof(before));
		assert_int_equal(before.streams[1].state, MSR_STREAM_IDLE);
		if (round == 0) {
			assert_int_equal(start_fd(session.fd, MS, 0), 0);
			wait_for_records(&session, 0, 2);
			assert_int_equal(stop_fd(session.fd), 0);
			assert_int_equal(run_fd(session.fd, NULL), 0);
		} else {
			load_list("0x402 0\n");
		}
		before = image_of(&session);
	}
	assert_int_equal(before.ring.state, MSR_RING_REVOKED);
	end(&session);
}

TEST(a_start_that_fails_changes_nothing, load_the_list, defaults)
{
	struct session session = sampler(2, 4);
	struct image before, after;

	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	usleep(20000);
	assert_int_equal(stop_fd(session.fd), 0);
	before = image_of(&session);
	must_set("sample_max_hz", "0");
	assert_fails(start_fd(session.fd, MS, 0), EPERM);
	after = image_of(&session);
	assert_memory_equal(&after, &before, sizeof(before));
	must_set("sample_max_hz", "10000");
	assert_fails(start_fd(session.fd, MS, MS - 1), EINVAL);
	load_list("0x402 0\n");
	before.ring.state = MSR_RING_REVOKED;
	assert_fails(start_fd(session.fd, 100 * MS, 0), ESTALE);
	after = image_of(&session);
	assert_memory_equal(&after, &before, sizeof(before));
	end(&session);
}

static int no_failstep(void **state)
{
	unload_other("failstep");
	return set_parameter("sample_isolated", "0") || defaults(state);
}

/* The guest has no such CPUs: the kernel is made to say that all are. */
TEST(nohz_full_cpus_are_left_alone_unless_permitted, load_the_list, no_failstep)
{
	struct session session = sampler(2, 4);
	int err = load_other("/t/failstep.ko", "symbol=housekeeping_test_cpu nth=0 value=0");

	if (err == -ENOENT) {
		end(&session);
		skip(); /* a kernel that cannot have such CPUs */
	}
	assert_int_equal(err, 0);
	assert_fails(start_fd(session.fd, MS, 0), EPERM);
	assert_int_equal(session.ring->state, MSR_RING_READY);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(set_parameter("sample_isolated", "1"), 0);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	end(&session);
}

TEST(parameters_have_bounds, NULL, defaults)
{
	assert_int_equal(set_parameter("sample_max_hz", "100001"), -EINVAL);
	assert_int_equal(set_parameter("sample_max_hz", "100000"), 0);
	assert_int_equal(set_parameter("sample_permille", "1001"), -EINVAL);
	assert_int_equal(set_parameter("sample_permille", "-1"), -EINVAL);
	assert_int_equal(set_parameter("poll_gap_us", "0"), -EINVAL);
	assert_int_equal(set_parameter("poll_gap_us", "1000001"), -EINVAL);
	assert_int_equal(set_parameter("sample_isolated", "2"), -EINVAL);
}

TEST(after_the_write_of_a_list_there_is_no_record_and_nothing_is_counted, load_the_list, defaults)
{
	struct image before, after;
	unsigned int round, i;

	for (round = 0; round < 100; round++) {
		struct session session;

		load_the_list(NULL);
		session = sampler(2, 16);
		assert_int_equal(start_fd(session.fd, 100000, 0), 0);
		usleep(1000 + 137 * round % 3000);
		load_list("0x402 0\n");
		before = image_of(&session);
		assert_int_equal(before.ring.state, MSR_RING_REVOKED);
		usleep(2000);
		after = image_of(&session);
		/* That a timer has ended, it says when it would have run next. */
		for (i = 0; i < 2; i++)
			before.streams[i].state = after.streams[i].state;
		assert_memory_equal(&after, &before, sizeof(before));
		assert_int_equal(after.ring.stop_ns, 0);
		end(&session);
	}
}

TEST(a_session_that_a_list_has_ended_accounts_for_each_point_when_it_is_stopped, load_the_list,
     defaults)
{
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		struct session session;
		uint64_t heads[4];

		load_the_list(NULL);
		session = sampler(4, 16);
		assert_int_equal(start_fd(session.fd, 100000, 0), 0);
		usleep(1000 + 137 * round % 3000);
		load_list("0x402 0\n");
		for (i = 0; i < 4; i++)
			heads[i] = head_of_stream(&session, i);
		usleep(round % 3 * 2000);
		assert_exact(&session, NULL);
		for (i = 0; i < 4; i++)
			assert_int_equal(head_of_stream(&session, i), heads[i]);
		assert_int_equal(session.ring->state, MSR_RING_REVOKED);
		assert_true(session.ring->stop_ns > 0);
		assert_fails(start_fd(session.fd, MS, 0), ESTALE);
		assert_fails(run_fd(session.fd, NULL), ESTALE);
		end(&session);
	}
}

TEST(a_list_that_allows_it_lets_sampling_go_on, load_the_list, defaults)
{
	struct session session = sampler(2, 16);
	unsigned int round;

	assert_int_equal(start_fd(session.fd, 500000, 0), 0);
	for (round = 0; round < 50; round++)
		load_list(round % 2 ? "0xC0000103 0\n" : "0xC0000103 0\n0x402 0\n");
	assert_int_equal(session.ring->state, MSR_RING_SAMPLING);
	usleep(5000);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(accounted(&session, 1), points(&session, 0));
	end(&session);
}

static int poll_session(const struct session *session)
{
	struct pollfd fd = { .fd = session->fd, .events = POLLIN };

	return poll(&fd, 1, 20000) == 1 ? fd.revents : -1;
}

TEST(poll_says_that_a_session_is_always_ready, load_the_list, defaults)
{
	struct session session = sampler(2, 64);
	struct timeval patience = { .tv_sec = 20 };
	fd_set fds;

	assert_int_equal(poll_session(&session), POLLIN);
	FD_ZERO(&fds);
	FD_SET(session.fd, &fds);
	assert_int_equal(select(session.fd + 1, &fds, NULL, NULL, &patience), 1);
	assert_int_equal(start_fd(session.fd, 3600000 * MS, 0), 0);
	/* As often as it is asked */
	assert_int_equal(poll_session(&session), POLLIN);
	assert_int_equal(poll_session(&session), POLLIN);
	load_list("0x402 0\n");
	assert_int_equal(poll_session(&session), POLLIN);
	end(&session);
}

TEST(epoll_refuses_a_session, load_the_list, defaults)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct session session = sampler(2, 64);
	int epoll = epoll_create1(0);

	assert_fails(epoll_ctl(epoll, EPOLL_CTL_ADD, session.fd, &event), EPERM);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	assert_fails(epoll_ctl(epoll, EPOLL_CTL_ADD, session.fd, &event), EPERM);
	close(epoll);
	end(&session);
}

TEST(on_change_there_is_a_record_for_each_change, load_the_list, defaults)
{
	struct msr_op ops[] = { extended_read(1, STORE_A), extended_read(1, CPU_NUMBER) };
	struct msr_ops head = head_of(ops, 2, 64);
	const struct msr_stream *stream;
	struct session session;
	unsigned int i;

	poke(1, STORE_A, 100);
	session = map_session(SAMPLE_PATH, &head);
	stream = stream_of(&session, 0);
	assert_int_equal(start_fd(session.fd, 200000, 4 * MS), 0);
	assert_int_equal(session.ring->hold_ns, 4 * MS);
	usleep(50000);
	assert_int_equal(stream->head, 0);
	for (i = 0; i < 10; i++) {
		const struct msr_record *record = record_of(&session, 0, i);
		uint64_t before = now_ns(), at;

		poke(1, STORE_A, 101 + i);
		wait_for_records(&session, 0, i + 1);
		assert_int_equal(stream->head, i + 1);
		assert_int_equal(record->word[0], 101 + i);
		assert_int_equal(record->word[1], 1);
		/* Its time is that of a read before the change, not long before. */
		at = msr_safe_ring_ns(session.ring, record->tsc);
		assert_in_range(at, before - 1000 * MS, before + MS / 10 + (now_ns() - before));
	}
	usleep(20000);
	assert_int_equal(stream->head, 10);
	assert_int_equal(stop_fd(session.fd), 0);
	end(&session);
}

static void *change_again_and_again(void *arg)
{
	uint64_t value = 0;

	while (!stop) {
		poke(1, STORE_A, value++);
		usleep(1000);
	}
	return arg;
}

/* There is no grid then. */
TEST(on_change_records_and_throttled_reads_have_the_ticks, load_the_list, defaults)
{
	struct msr_op op = extended_read(1, STORE_A);
	struct msr_ops head = head_of(&op, 1, 4096);
	struct session session = map_session(SAMPLE_PATH, &head);
	const struct msr_stream *stream = stream_of(&session, 0);
	pthread_t thread;
	uint64_t i;

	/* Slots that are further apart than its reads */
	must_set("sample_max_hz", "500");
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, change_again_and_again, NULL), 0);
	assert_int_equal(start_fd(session.fd, MS / 10, MS / 2), 0);
	usleep(500000);
	assert_int_equal(stop_fd(session.fd), 0);
	stop = true;
	pthread_join(thread, NULL);
	assert_in_range(stream->head, 2, 4096);
	assert_true(stream->throttled > 0);
	assert_int_equal(stream->late, 0);
	assert_int_equal(stream->offline, 0);
	for (i = 1; i < stream->head; i++)
		assert_true(record_of(&session, 0, i)->tick > record_of(&session, 0, i - 1)->tick);
	assert_true(record_of(&session, 0, i - 1)->tick <= accounted(&session, 0));
	/* The next number is that of a run. */
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(record_of(&session, 0, i)->tick, accounted(&session, 0));
	end(&session);
}

static int sample_and_wait(void *arg)
{
	int device = open(SAMPLE_PATH, O_RDONLY), fd = prepare_by(device, 1, 16);

	if (fd < 0 || start_fd(fd, 100000, *(uint64_t *)arg))
		return 1;
	for (;;)
		pause();
}

TEST(a_sampler_can_be_killed_at_any_moment, load_the_list, defaults)
{
	struct session session;
	unsigned int round;

	for (round = 0; round < 100; round++) {
		uint64_t hold = round % 2 ? MS : 0;
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(sample_and_wait(&hold));
		usleep(137 * round);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	/* All that they had is free. */
	session = sampler(4, 16);
	assert_int_equal(start_fd(session.fd, 100000, 0), 0);
	end(&session);
}

#define STRESS_SECONDS 6

static const char *const stress_lists[] = {
	"0xC0000103 0\n0x402 0\n",
	"0xC0000103 0\n",
	"0x402 0\n",
	"0x402 0\n0xC0000103 0\n0x406 1\n",
};

/* Prepares, starts, stops and closes sessions of random sizes. Returns NULL if all was right. */
static void *sample_again_and_again(void *arg)
{
	unsigned int seed = (uintptr_t)arg, i, rounds;
	int device = open(SAMPLE_PATH, O_RDONLY);
	struct msr_op ops[20];

	while (!stop) {
		unsigned int count = 1 + rand_r(&seed) % ARRAY_SIZE(ops);
		struct msr_ops head = head_of(ops, count, 1U << rand_r(&seed) % 5);
		struct session session;

		for (i = 0; i < count; i++)
			ops[i] = extended_read(rand_r(&seed) % 4, CPU_NUMBER);
		session.fd = ioctl(device, MSR_IOC_PREPARE, &head);
		if (session.fd < 0 && errno != EACCES && errno != ENXIO)
			return "prepare";
		if (session.fd < 0)
			continue;
		session.ring = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, session.fd, 0);
		session.len = head.map_len;
		if (session.ring == MAP_FAILED)
			return "mmap";
		for (rounds = rand_r(&seed) % 6; rounds; rounds--) {
			uint64_t before[4], period = 100000 + rand_r(&seed) % 3000000;

			for (i = 0; i < session.ring->cpus; i++)
				before[i] = accounted(&session, i);
			if (start_fd(session.fd, period, 0)) {
				if (errno != ESTALE)
					return "start";
				continue;
			}
			usleep(rand_r(&seed) % 5000);
			if (stop_fd(session.fd))
				return "stop";
			for (i = 0; i < session.ring->cpus; i++)
				if (accounted(&session, i) - before[i] != points(&session, 0))
					return "points";
		}
		/* The last is left to sample, as often as not. */
		if (rand_r(&seed) % 2)
			start_fd(session.fd, 200000, 0);
		end(&session);
	}
	close(device);
	return NULL;
}

TEST(sampling_survives_lists_and_cpus_that_change, load_the_list, defaults)
{
	pthread_t threads[3];
	unsigned int i;

	stop = false;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sample_again_and_again,
						(void *)(i + 1UL)),
				 0);
	change_lists_and_cpus(stress_lists, ARRAY_SIZE(stress_lists), STRESS_SECONDS);
	stop = true;
	join_content_threads(threads, ARRAY_SIZE(threads));
}

static void start_and_stop(void *arg)
{
	const struct session *session = arg;

	for (;;) {
		start_fd(session->fd, 100000, 0);
		stop_fd(session->fd);
	}
}

static int end_children(void **state)
{
	end_workers();
	return defaults(state);
}

TEST(a_start_that_is_killed_leaves_a_session_that_can_be_started, load_the_list, end_children)
{
	struct session session = sampler(4, 16);
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		uint64_t before[4];
		pid_t pid = start_child(0, NULL, start_and_stop, &session);

		usleep(1000 + 331 * round % 20000);
		kill_child(pid);
		assert_int_equal(stop_fd(session.fd), 0);
		/* The grids that the child had are those of all CPUs. */
		for (i = 0; i < 4; i++) {
			before[i] = accounted(&session, i);
			assert_int_equal(before[i], before[0]);
			assert_int_equal(stream_of(&session, i)->state, MSR_STREAM_IDLE);
		}
		assert_int_equal(session.ring->state, MSR_RING_READY);
		assert_int_equal(start_fd(session.fd, MS, 0), 0);
		wait_for_records(&session, 3, head_of_stream(&session, 3) + 2);
		assert_exact(&session, before);
		assert_int_equal(run_fd(session.fd, NULL), 0);
	}
	end(&session);
}

TEST(a_session_that_samples_keeps_the_module_loaded, load_the_list, defaults)
{
	struct session session = sampler(4, 16);

	assert_int_equal(start_fd(session.fd, 100000, 0), 0);
	close(session.fd);
	/* The mapping keeps it going. */
	assert_int_equal(unload_module(), -EWOULDBLOCK);
	wait_for_records(&session, 0, 1);
	munmap((void *)session.ring, session.len);
}

TEST(fdinfo_shows_the_rate_and_the_counters, load_the_list, defaults)
{
	struct session session = sampler(2, 16);
	char path[64], text[1024], expected[256];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session.fd);
	assert_int_equal(start_fd(session.fd, 3 * MS, 0), 0);
	usleep(50000);
	fd = open_path(path, O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	assert_non_null(strstr(text, "msr-state:\tsampling\n"));
	assert_non_null(strstr(text, "msr-period:\t3000000 ns\n"));
	assert_int_equal(stop_fd(session.fd), 0);
	fd = open_path(path, O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	snprintf(expected, sizeof(expected),
		 "msr-runs:\t0\nmsr-period:\t3000000 ns\nmsr-records:\t%llu\nmsr-late:\t%llu\n"
		 "msr-throttled:\t%llu\nmsr-offline:\t0\n",
		 (unsigned long long)(stream_of(&session, 0)->head + stream_of(&session, 1)->head),
		 (unsigned long long)(stream_of(&session, 0)->late + stream_of(&session, 1)->late),
		 (unsigned long long)(stream_of(&session, 0)->throttled +
				      stream_of(&session, 1)->throttled));
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, "msr-state:\tready\n"));
	end(&session);
}

TEST_PROGRAM(NULL, NULL)
