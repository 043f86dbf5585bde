// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that is locked down. There is no way back, so these are the last
 * tests in a guest.
 */

#include "guest.h"

static int lock_down(void **state)
{
	(void)state;
	load_list("0x402 0xff\n0x406 0\n");
	poke(0, STORE_A, 0x77);
	if (write_file("/sys/kernel/security/lockdown", "integrity") == 0)
		return 0;
	/* RHEL 8 can do so as it boots only. So it tells the module alone that it is locked down.
	 */
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

TEST_PROGRAM(lock_down, NULL)
