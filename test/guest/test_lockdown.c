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
	return write_file("/sys/kernel/security/lockdown", "integrity");
}

static void a_read_works(void **state)
{
	uint64_t value = 0;
	int fd = open_cpu(0, "msr_safe", O_RDONLY);

	(void)state;
	assert_int_equal(pread(fd, &value, 8, STORE_A), 8);
	assert_int_equal(value, 0x77);
	close(fd);
}

static void a_write_is_eperm(void **state)
{
	uint64_t value = 1;
	int fd = open_cpu(0, "msr_safe", O_RDWR);

	(void)state;
	assert_fails(pwrite(fd, &value, 8, STORE_A), EPERM);
	assert_int_equal(pread(fd, &value, 8, STORE_A), 8);
	assert_int_equal(value, 0x77);
	close(fd);
}

static void in_a_batch_reads_work_and_each_write_is_eperm(void **state)
{
	struct msr_batch_op ops[] = {
		read_op(0, STORE_A), write_op(0, STORE_A, 1), write_op(1, STORE_A, 1),
		read_op(0, STORE_D), read_op(0, STORE_A),
	};
	static const int errs[] = { 0, -EPERM, -EPERM, -EACCES, 0 };
	unsigned int i;

	(void)state;
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EPERM);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, errs[i]);
	assert_int_equal(ops[4].msrdata, 0x77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_works),
		cmocka_unit_test(a_write_is_eperm),
		cmocka_unit_test(in_a_batch_reads_work_and_each_write_is_eperm),
	};

	return cmocka_run_group_tests(tests, lock_down, NULL);
}
