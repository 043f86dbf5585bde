// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended operations that wait for a register to change first.
 */

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "guest.h"
#include "sessions.h"

#define GAP_PATH "/sys/module/msr_safe/parameters/poll_gap_us"

static int defaults(void **state)
{
	(void)state;
	set_online(3, true);
	return write_file(GAP_PATH, "20");
}

static int run_on(const char *path, struct msr_op *ops, unsigned int count)
{
	struct msr_ops head = head_of(ops, count, 0);
	int fd = open_path(path, O_RDONLY);
	int result = ioctl(fd, MSR_IOC_OPS, &head);
	int saved = errno;

	close(fd);
	errno = saved;
	return result;
}

static int run_ops(struct msr_op *ops, unsigned int count)
{
	return run_on(SAMPLE_PATH, ops, count);
}

/* A wait of a register of a CPU, for as long as can be */
static struct msr_op wait_op(unsigned int cpu, uint32_t msr, uint64_t from)
{
	return (struct msr_op){
		.cpu = cpu,
		.msr = msr,
		.flags = MSR_OP_POLL,
		.data = from,
		.limit_us = MSR_POLL_MAX_US,
	};
}

/* Writes a register, or a list, after a while. */
struct change {
	unsigned int cpu;
	uint64_t value;
	const char *list;
};

static void *change_soon(void *arg)
{
	const struct change *change = arg;

	usleep(50000);
	if (change->list)
		load_list(change->list);
	else
		poke(change->cpu, STORE_A, change->value);
	return NULL;
}

static int run_while(struct change change, struct msr_op *ops, unsigned int count)
{
	pthread_t thread;
	int result;

	assert_int_equal(pthread_create(&thread, NULL, change_soon, &change), 0);
	result = run_ops(ops, count);
	pthread_join(thread, NULL);
	return result;
}

TEST(a_wait_ends_when_the_register_changes_and_the_others_follow, load_the_list, defaults)
{
	unsigned int cpu, count, i;

	/* For the caller's CPU and another; with a few operations, and more than fit on the stack
	 */
	for (cpu = 1; cpu < 3; cpu++) {
		for (count = 3; count <= 30; count += 27) {
			struct msr_op ops[30];

			pin_to(1);
			poke(cpu, STORE_A, 5);
			poke(3, STORE_B, 0);
			ops[0] = wait_op(cpu, STORE_A, 5);
			ops[0].flags |= MSR_OP_TSC;
			ops[1] = extended_read(cpu, STORE_A);
			ops[2] = extended_write(3, STORE_B, 0xff0000, 0);
			for (i = 3; i < count; i++)
				ops[i] = extended_read(i % 4, CPU_NUMBER);
			assert_int_equal(run_while((struct change){ cpu, 6, NULL }, ops, count), 0);
			for (i = 0; i < count; i++)
				assert_int_equal(ops[i].err, 0);
			assert_int_equal(ops[0].data, 6);
			assert_int_equal(ops[0].wmask, UINT64_MAX);
			assert_true(ops[0].probes > 1);
			assert_true(ops[0].tsc_after > ops[0].tsc_before && ops[0].tsc_before);
			assert_int_equal(ops[1].data, 6);
			assert_int_equal(peek(3, STORE_B), 0xff0000);
			for (i = 3; i < count; i++)
				assert_int_equal(ops[i].data, i % 4);
		}
	}
}

TEST(a_register_that_differs_already_is_read_once, load_the_list, defaults)
{
	struct msr_op op = wait_op(2, STORE_A, 4);

	poke(2, STORE_A, 5);
	assert_int_equal(run_ops(&op, 1), 0);
	assert_int_equal(op.data, 5);
	assert_int_equal(op.probes, 1);
}

TEST(from_now_the_first_read_is_what_it_is_compared_with, load_the_list, defaults)
{
	struct msr_op op = wait_op(2, STORE_A, 4);

	poke(2, STORE_A, 5);
	op.flags |= MSR_OP_FROM_NOW;
	assert_int_equal(run_while((struct change){ 2, 4, NULL }, &op, 1), 0);
	assert_int_equal(op.data, 4);
	assert_true(op.probes > 1);
	op.limit_us = 0;
	assert_int_equal(run_ops(&op, 1), 1);
	assert_int_equal(op.err, -ETIME);
	assert_int_equal(op.probes, 1);
}

TEST(only_bits_of_the_mask_are_compared, load_the_list, defaults)
{
	struct msr_op op = wait_op(2, STORE_A, 0xf00);

	poke(2, STORE_A, 0xf0f);
	op.mask = 0xff00;
	op.limit_us = 10000;
	assert_int_equal(run_ops(&op, 1), 1);
	assert_int_equal(op.err, -ETIME);
	op.mask = 0x0f00;
	op.data = 0x0e00;
	assert_int_equal(run_ops(&op, 1), 0);
}

TEST(a_wait_ends_within_its_limit_and_the_others_follow, load_the_list, defaults)
{
	unsigned int cpu;

	pin_to(1);
	for (cpu = 1; cpu < 3; cpu++) {
		struct msr_op ops[] = { wait_op(cpu, STORE_A, 7), extended_read(0, CPU_NUMBER) };
		uint64_t before = now_ns();

		poke(cpu, STORE_A, 7);
		ops[0].limit_us = 30000;
		ops[1].data = 99;
		assert_int_equal(run_ops(ops, 2), 1);
		assert_in_range(now_ns() - before, 30000000, UINT64_C(20000000000));
		assert_int_equal(ops[0].err, -ETIME);
		assert_int_equal(ops[0].data, 7);
		assert_true(ops[0].probes > 1);
		assert_int_equal(ops[1].err, 0);
		assert_int_equal(ops[1].data, 0);
		ops[0].limit_us = 0;
		assert_int_equal(run_ops(ops, 1), 1);
		assert_int_equal(ops[0].err, -ETIME);
		assert_int_equal(ops[0].probes, 1);
	}
}

TEST(what_cannot_be_waited_for_says_why_and_the_others_follow, load_the_list, defaults)
{
	struct msr_op ops[] = { wait_op(0, STORE_D, 0), extended_read(1, CPU_NUMBER) };

	assert_int_equal(run_ops(ops, 2), 1);
	assert_int_equal(ops[0].err, -EACCES);
	assert_int_equal(ops[1].data, 1);
	ops[0] = wait_op(4, STORE_A, 0);
	assert_int_equal(run_ops(ops, 2), 1);
	assert_int_equal(ops[0].err, -ENXIO);
	assert_int_equal(set_online(3, false), 0);
	ops[0] = wait_op(3, STORE_A, 0);
	assert_int_equal(run_ops(ops, 2), 1);
	assert_int_equal(ops[0].err, -ENXIO);
}

TEST(before_a_list_is_written_nothing_can_be_waited_for, NULL, defaults)
{
	unsigned int cpu;

	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module(""), 0);
	pin_to(1);
	for (cpu = 1; cpu < 3; cpu++) {
		struct msr_op op = wait_op(cpu, STORE_A, 0);

		poke(cpu, STORE_A, 7);
		assert_int_equal(run_ops(&op, 1), 1);
		assert_int_equal(op.err, -EACCES);
		assert_int_equal(op.data, 0);
		assert_int_equal(op.wmask, 0);
	}
}

TEST(a_new_list_counts_for_the_next_read_and_its_writer_does_not_wait, load_the_list, defaults)
{
	unsigned int cpu;

	pin_to(1);
	for (cpu = 1; cpu < 3; cpu++) {
		struct msr_op ops[] = { wait_op(cpu, STORE_A, 7), extended_read(cpu, STORE_A) };

		load_the_list(NULL);
		poke(cpu, STORE_A, 7);
		assert_int_equal(run_while((struct change){ .list = "0x40a 0\n" }, ops, 2), 2);
		/* Not -ETIME: the list was written during the wait. */
		assert_int_equal(ops[0].err, -EACCES);
		assert_int_equal(ops[1].err, -EACCES);
	}
}

static void ignore(int signal)
{
	(void)signal;
}

TEST(a_signal_ends_the_call_and_nothing_else_is_executed, load_the_list, defaults)
{
	struct sigaction action = { .sa_handler = ignore };
	unsigned int cpu, count, i;

	sigaction(SIGALRM, &action, NULL);
	pin_to(1);
	for (cpu = 1; cpu < 3; cpu++) {
		for (count = 2; count <= 20; count += 18) {
			struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
			struct msr_op ops[20];

			poke(cpu, STORE_A, 7);
			poke(0, STORE_B, 0);
			ops[0] = wait_op(cpu, STORE_A, 7);
			for (i = 1; i < count; i++)
				ops[i] = extended_write(0, STORE_B, 0xffff0000, 0);
			setitimer(ITIMER_REAL, &soon, NULL);
			assert_fails(run_ops(ops, count), EINTR);
			for (i = 0; i < count; i++)
				assert_int_equal(ops[i].err, -EINTR);
			assert_int_equal(peek(0, STORE_B), 0);
		}
	}
}

TEST(a_wrong_wait_is_einval_and_nothing_is_executed, load_the_list, defaults)
{
	struct msr_op good[] = { wait_op(0, STORE_A, 1), extended_write(0, STORE_A, 5, 0) };
	unsigned int i;

	poke(0, STORE_A, 1);
	for (i = 0; i < 5; i++) {
		struct msr_op ops[] = { good[0], good[1] };

		switch (i) {
		case 0:
			ops[0].flags |= MSR_OP_WRITE;
			break;
		case 1:
			ops[0].limit_us = MSR_POLL_MAX_US + 1;
			break;
		case 2:
			ops[0].flags = MSR_OP_FROM_NOW;
			ops[0].limit_us = 0;
			break;
		case 3:
			ops[0] = good[1];
			ops[1] = good[0];
			break;
		case 4:
			ops[0].flags = 0;
			break;
		}
		assert_fails(run_ops(ops, 2), EINVAL);
		assert_int_equal(peek(0, STORE_A), 1);
	}
}

TEST(the_batch_device_gives_no_right_to_wait, load_the_list, defaults)
{
	struct msr_op ops[] = { wait_op(0, STORE_A, 0), extended_write(0, STORE_A, 5, 0) };
	struct msr_ops head = head_of(ops, 1, 1);

	poke(0, STORE_A, 1);
	assert_fails(run_on(BATCH_PATH, ops, 2), EPERM);
	assert_int_equal(peek(0, STORE_A), 1);
	/* A session does not wait. */
	assert_fails(prepare_on(SAMPLE_PATH, &head), EINVAL);
	/* Without a wait both devices do the same. */
	assert_int_equal(run_on(SAMPLE_PATH, ops + 1, 1), 0);
	assert_int_equal(peek(0, STORE_A), 5);
}

TEST_PROGRAM(NULL, NULL)
