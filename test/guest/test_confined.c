// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs: those that a caller is kept to, and those that the module serves.
 */

#include <sched.h>

#include "sessions.h"

#define OWN_PATH "/sys/module/msr_safe/parameters/own_cpus_only"
#define CGROUP "/sys/fs/cgroup/confined"

static void allow_cpus(unsigned int first, unsigned int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int confine(void **state)
{
	return load_the_list(state) || write_file(OWN_PATH, "1");
}

static int release(void **state)
{
	(void)state;
	allow_cpus(0, 3);
	return write_file(OWN_PATH, "0");
}

TEST(a_caller_reaches_the_cpus_that_it_is_allowed_to_run_on, confine, release)
{
	struct msr_batch_op ops[20];
	uint64_t value;
	int fds[4];
	unsigned int cpu, i;

	for (cpu = 0; cpu < 4; cpu++)
		fds[cpu] = open_cpu(cpu, "msr_safe", O_RDWR);
	allow_cpus(1, 2);
	for (cpu = 0; cpu < 4; cpu++) {
		bool own = cpu == 1 || cpu == 2;

		poke(cpu, STORE_A, 7);
		value = 8;
		if (own) {
			assert_int_equal(pread(fds[cpu], &value, 8, CPU_NUMBER), 8);
			assert_int_equal(value, cpu);
			assert_int_equal(pwrite(fds[cpu], &value, 8, STORE_A), 8);
		} else {
			assert_fails(pread(fds[cpu], &value, 8, CPU_NUMBER), EACCES);
			assert_fails(pwrite(fds[cpu], &value, 8, STORE_A), EACCES);
		}
		assert_int_equal(peek(cpu, STORE_A), own ? cpu : 7);
		close(fds[cpu]);
	}
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = i % 5 == 4 ? read_op(77, CPU_NUMBER) : read_op(i % 5, CPU_NUMBER);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EACCES);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, i % 5 == 4		      ? -ENXIO :
					     i % 5 == 1 || i % 5 == 2 ? 0 :
									-EACCES);
	/* One alone, and the list's answer as well */
	ops[0] = read_op(3, CPU_NUMBER);
	assert_fails(run_batch(ops, 1), EACCES);
	ops[0] = read_op(1, STORE_D);
	assert_fails(run_batch(ops, 1), EACCES);
	ops[0] = read_op(1, CPU_NUMBER);
	assert_int_equal(run_batch(ops, 1), 0);
	assert_int_equal(write_file(OWN_PATH, "0"), 0);
	ops[0] = read_op(3, CPU_NUMBER);
	assert_int_equal(run_batch(ops, 1), 0);
}

TEST(extended_operations_and_waits_are_kept_to_them, confine, release)
{
	struct msr_op ops[] = { extended_read(1, CPU_NUMBER), extended_read(0, CPU_NUMBER) };
	struct msr_ops head = head_of(ops, 2, 0);
	int device = open_path(SAMPLE_PATH, O_RDONLY);

	allow_cpus(1, 2);
	assert_int_equal(ioctl(device, MSR_IOC_OPS, &head), 1);
	assert_int_equal(ops[0].err, 0);
	assert_int_equal(ops[1].err, -EACCES);
	ops[0] = extended_read(3, STORE_A);
	ops[0].flags = MSR_OP_POLL;
	ops[0].limit_us = 1000;
	head.count = 1;
	assert_int_equal(ioctl(device, MSR_IOC_OPS, &head), 1);
	assert_int_equal(ops[0].err, -EACCES);
	assert_int_equal(ops[0].probes, 1);
	close(device);
}

TEST(sessions_are_kept_to_them, confine, release)
{
	struct msr_op ops[] = { extended_read(1, CPU_NUMBER), extended_read(3, CPU_NUMBER) };
	struct msr_ops head = head_of(ops, 2, 2);
	struct session session;

	allow_cpus(1, 2);
	assert_fails(prepare_on(SAMPLE_PATH, &head), EACCES);
	assert_int_equal(ops[0].err, 0);
	assert_int_equal(ops[1].err, -EACCES);
	allow_cpus(0, 3);
	session = map_session(SAMPLE_PATH, &head);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	/* One that was prepared before is no way out. */
	allow_cpus(1, 2);
	assert_fails(run_fd(session.fd, NULL), EACCES);
	assert_fails(start_fd(session.fd, 1000000, 0), EACCES);
	assert_int_equal(stream_of(&session, 1)->head, 1);
	allow_cpus(0, 3);
	assert_int_equal(start_fd(session.fd, 1000000, 0), 0);
	assert_int_equal(stop_fd(session.fd), 0);
	end(&session);
}

static int look_from_cpuset(void *arg)
{
	struct msr_batch_op ops[4];
	cpu_set_t all;
	unsigned int i;

	(void)arg;
	if (write_file(CGROUP "/cgroup.procs", "0"))
		return 1;
	/* The set bounds what a task can ask for. */
	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(0, sizeof(all), &all))
		return 2;
	for (i = 0; i < 4; i++)
		ops[i] = read_op(i, CPU_NUMBER);
	run_batch(ops, 4);
	for (i = 0; i < 4; i++)
		if (ops[i].err != (i == 2 || i == 3 ? 0 : -EACCES))
			return 3;
	return 0;
}

static int no_cpuset(void **state)
{
	rmdir(CGROUP);
	return release(state);
}

TEST(a_job_reaches_the_cpus_of_its_cpuset, confine, no_cpuset)
{
	int err = write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");

	if (err == -EINVAL)
		skip(); /* a kernel without cpusets */
	assert_int_equal(err, 0);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
	assert_int_equal(write_file(CGROUP "/cpuset.cpus", "2-3"), 0);
	assert_int_equal(in_child(false, look_from_cpuset, NULL), 0);
}

static int serve_some(void **state)
{
	(void)state;
	if (unload_module() || load_module("cpus=0-2"))
		return -1;
	return load_the_list(NULL);
}

static int serve_all(void **state)
{
	(void)state;
	set_online(3, true);
	return unload_module() ?: load_module("");
}

/* How many function call interrupts a CPU has had */
static unsigned long interrupts_of(unsigned int cpu)
{
	char line[512], *at;
	unsigned long count = 0;
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned int i;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "CAL:");
		for (i = 0, at += 4; at != (char *)4 && i <= cpu; i++)
			count = strtoul(at, &at, 10);
	}
	fclose(file);
	return count;
}

TEST(a_cpu_that_is_not_served_has_no_node_and_is_enxio, serve_some, serve_all)
{
	struct msr_batch_op ops[20];
	struct msr_op op = extended_read(3, CPU_NUMBER);
	struct msr_ops head = head_of(&op, 1, 0);
	unsigned int i;
	int fd;

	assert_int_not_equal(access("/dev/cpu/3/msr_safe", F_OK), 0);
	assert_int_equal(access("/dev/cpu/2/msr_safe", F_OK), 0);
	assert_int_equal(set_online(3, false), 0);
	assert_int_equal(set_online(3, true), 0);
	assert_int_not_equal(access("/dev/cpu/3/msr_safe", F_OK), 0);
	/* From there, and from elsewhere */
	for (i = 2; i < 4; i++) {
		pin_to(i);
		ops[0] = read_op(3, CPU_NUMBER);
		ops[0].msrdata = 99;
		assert_fails(run_batch(ops, 1), ENXIO);
		assert_int_equal(ops[0].msrdata, 99);
		ops[0] = read_op(2, CPU_NUMBER);
		assert_int_equal(run_batch(ops, 1), 0);
		fd = open_path(SAMPLE_PATH, O_RDONLY);
		op = extended_read(3, CPU_NUMBER);
		op.flags = MSR_OP_POLL | MSR_OP_FROM_NOW;
		assert_int_equal(ioctl(fd, MSR_IOC_OPS, &head), 1);
		assert_int_equal(op.err, -ENXIO);
		close(fd);
		op = extended_read(3, CPU_NUMBER);
		assert_fails(try_prepare(&op, 1, 1), ENXIO);
	}
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = read_op(i % 4, CPU_NUMBER);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), ENXIO);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, i % 4 == 3 ? -ENXIO : 0);
	allow_cpus(0, 3);
}

TEST(a_cpu_that_is_not_served_gets_no_interrupt, serve_some, serve_all)
{
	struct msr_batch_op ops[4];
	unsigned long before[4], got[4];
	unsigned int i, round;

	pin_to(0);
	for (i = 0; i < 4; i++) {
		ops[i] = read_op(i, CPU_NUMBER);
		before[i] = interrupts_of(i);
	}
	for (round = 0; round < 1000; round++) {
		assert_fails(run_batch(ops, 4), ENXIO);
		if (round % 10 == 0)
			load_list("0xC0000103 0\n");
	}
	for (i = 0; i < 4; i++)
		got[i] = interrupts_of(i) - before[i];
	printf("# interrupts in 1000 batches and 100 lists: %lu %lu %lu %lu\n", got[0], got[1],
	       got[2], got[3]);
	assert_true(got[1] >= 1000 && got[2] >= 1000);
	/* Some are the kernel's own. */
	assert_true(got[3] < 500);
	allow_cpus(0, 3);
}

TEST(a_wrong_list_of_cpus_fails_the_load, NULL, serve_all)
{
	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module("cpus=x"), -EINVAL);
	assert_nothing_left();
	assert_int_equal(load_module("cpus=3-1"), -EINVAL);
	assert_nothing_left();
	assert_int_equal(load_module("cpus=0-500"), -EINVAL);
	assert_nothing_left();
	assert_int_equal(load_module("cpus=0-3"), 0);
	assert_int_equal(access("/dev/cpu/3/msr_safe", F_OK), 0);
}

TEST_PROGRAM(NULL, NULL)
