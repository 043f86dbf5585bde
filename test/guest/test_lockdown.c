// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that is locked down. There is no way back, so these are the last
 * tests in a guest.
 */

#include "guest.h"
#include "shell.h"

static int session = -1;
static bool module_alone;

static void prepare_session(void)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_write(0, STORE_A, 1, 0) };
	struct msr_ops head = head_of(ops, 2, 1);
	int fd = open_path(BATCH_PATH, O_RDONLY);

	session = ioctl(fd, MSR_IOC_PREPARE, &head);
	close(fd);
}

static int lock_down(void **state)
{
	(void)state;
	load_list("0x402 0xff\n0x406 0\n");
	poke(0, STORE_A, 0x77);
	prepare_session();
	if (write_file("/sys/kernel/security/lockdown", "integrity") == 0)
		return 0;
	/* RHEL 8 can do so as it boots only. So it tells the module alone that it is locked down.
	 */
	module_alone = true;
	return load_other("/t/failstep.ko", "symbol=__kernel_is_locked_down nth=0 value=1");
}

TEST(a_read_works, NULL, NULL)
{
	uint64_t value = 0;
	int fd = open_cpu(0, "msr_safe", O_RDONLY);

	assert_int_equal(pread(fd, &value, 8, STORE_A), 8);
	assert_int_equal(value, 0x77);
	close(fd);
}

TEST(a_write_is_eperm, NULL, NULL)
{
	uint64_t value = 1;
	int fd = open_cpu(0, "msr_safe", O_RDWR);

	assert_fails(pwrite(fd, &value, 8, STORE_A), EPERM);
	assert_int_equal(pread(fd, &value, 8, STORE_A), 8);
	assert_int_equal(value, 0x77);
	close(fd);
}

TEST(in_a_batch_reads_work_and_each_write_is_eperm, NULL, NULL)
{
	struct msr_batch_op ops[] = {
		read_op(0, STORE_A), write_op(0, STORE_A, 1), write_op(1, STORE_A, 1),
		read_op(0, STORE_D), read_op(0, STORE_A),
	};
	static const int errs[] = { 0, -EPERM, -EPERM, -EACCES, 0 };
	unsigned int i;

	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EPERM);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, errs[i]);
	assert_int_equal(ops[4].msrdata, 0x77);
}

TEST(of_extended_operations_reads_work_and_writes_are_eperm, NULL, NULL)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_write(0, STORE_A, 1, 0) };
	struct msr_ops head = head_of(ops, 2, 0);
	int fd = open_path(BATCH_PATH, O_RDONLY);

	assert_int_equal(ioctl(fd, MSR_IOC_OPS, &head), 1);
	assert_int_equal(ops[0].err, 0);
	assert_int_equal(ops[0].data, 0x77);
	assert_int_equal(ops[1].err, -EPERM);
	head.slots = 1;
	assert_fails(ioctl(fd, MSR_IOC_PREPARE, &head), EPERM);
	close(fd);
}

/* It was prepared before the kernel was locked down. */
TEST(of_a_session_reads_work_and_writes_are_eperm, NULL, NULL)
{
	struct msr_run run = { .size = sizeof(run) };
	const struct msr_record *record;
	const char *ring;

	assert_int_equal(ioctl(session, MSR_IOC_RUN, &run), 1);
	ring = mmap(NULL, 8192, PROT_READ, MAP_SHARED, session, 0);
	assert_true(ring != MAP_FAILED);
	record = (const void *)(ring + 4096 + sizeof(struct msr_stream));
	assert_int_equal(record->failed, 1);
	assert_int_equal(record->word[0], 0x77);
	assert_int_equal(record->word[1], (uint64_t)-EPERM);
	munmap((void *)ring, 8192);
	close(session);
}

TEST(wrmsr_safe_says_that_a_write_is_not_permitted, NULL, NULL)
{
	assert_says("./wrmsr-safe 0x402 1 2>&1", 127, "MSR 0x00000402: Operation not permitted");
}

TEST(msr_doctor_says_that_the_kernel_is_locked_down, NULL, NULL)
{
	if (module_alone)
		skip(); /* the kernel is not */
	assert_says("./msr-doctor --no-self-test", 1,
		    "note     lockdown: the kernel is locked down: registers can only be read");
	assert_non_null(strstr(text,
			       "PROBLEM  list: it makes registers writable, and the locked kernel "
			       "refuses each write: EPERM"));
}

TEST_PROGRAM(lock_down, NULL)
