// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended operations of the batch device.
 */

#include <pthread.h>

#include "guest.h"

#define MAX_OPS 131072
#define UPDATES 100000

static struct msr_op *many; /* MAX_OPS + 1 of them */

static int allocate(void **state)
{
	(void)state;
	many = calloc(MAX_OPS + 1, sizeof(*many));
	return many ? 0 : -1;
}

static int run_head(void *head)
{
	return batch_ioctl(MSR_IOC_OPS, head);
}

static int run_ops(struct msr_op *ops, unsigned int count)
{
	struct msr_ops head = head_of(ops, count, 0);

	return run_head(&head);
}

/* Ends at a page that cannot be accessed; the last bytes before it */
static void *before_a_hole(size_t size)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(pages != MAP_FAILED);
	assert_int_equal(munmap(pages + 4096, 4096), 0);
	return pages + 4096 - size;
}

TEST(operations_read_and_write_the_registers_of_their_cpus, load_the_list, NULL)
{
	struct msr_op ops[40];
	unsigned int i, count;

	/* A few, and more than fit on the stack */
	for (count = 4; count <= ARRAY_SIZE(ops); count += 36) {
		for (i = 0; i < 4; i++) {
			poke(i, STORE_B, 0x2222222200000000 + i);
			ops[i] = extended_write(i, STORE_A, 0x3333333300000000 + i + count, 0);
		}
		for (; i < count; i++)
			ops[i] = extended_read(i % 4, STORE_B);
		assert_int_equal(run_ops(ops, count), 0);
		for (i = 0; i < count; i++) {
			assert_int_equal(ops[i].err, 0);
			if (i < 4)
				assert_int_equal(peek(i, STORE_A), 0x3333333300000000 + i + count);
			else
				assert_int_equal(ops[i].data, 0x2222222200000000 + i % 4);
		}
	}
}

TEST(operations_for_one_cpu_are_in_the_order_of_the_array, load_the_list, NULL)
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		many[i] = i % 2 ? extended_read(1, STORE_A) : extended_write(1, STORE_A, i, 0);
	assert_int_equal(run_ops(many, 2000), 0);
	for (i = 1; i < 2000; i += 2)
		assert_int_equal(many[i].data, i - 1);
}

TEST(the_result_is_the_number_that_failed_and_each_says_why, load_the_list, NULL)
{
	struct msr_op ops[] = {
		extended_write(0, STORE_A, 1, 0),
		extended_write(1, FAULTING, UINT64_C(1) << 40, 0),
		extended_read(0, STORE_D),
		extended_write(1, STORE_C, 9, 0),
		extended_read(4, STORE_A),
		extended_read(0x10001, STORE_A),
		extended_read(UINT32_MAX, STORE_A),
		extended_read(0, STORE_A),
		extended_write(0, STORE_B, 0, 0xffff),
	};
	static const int errs[] = {
		0, -EIO, -EACCES, -EROFS, -ENXIO, -ENXIO, -ENXIO, 0, -EROFS,
	};
	static const uint64_t masks[] = {
		UINT64_MAX, UINT64_MAX, 0,	    0,		UINT64_MAX,
		UINT64_MAX, UINT64_MAX, UINT64_MAX, 0xffff0000,
	};
	unsigned int i;

	poke(0, STORE_B, 0x1234);
	assert_int_equal(run_ops(ops, ARRAY_SIZE(ops)), 7);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_int_equal(ops[i].err, errs[i]);
		assert_int_equal(ops[i].wmask, masks[i]);
	}
	assert_int_equal(ops[7].data, 1);
	assert_int_equal(peek(0, STORE_B), 0x1234);
}

TEST(a_write_changes_the_bits_that_are_in_both_masks, load_the_list, NULL)
{
	struct msr_op ops[] = {
		extended_write(2, STORE_A, 0x5555555555555555, 0xff00),
		extended_write(2, STORE_B, 0x5555555555555555, 0x00ffff00),
		extended_write(3, STORE_B, 0x5555555555555555, 0),
		extended_write(3, STORE_A, 0x5555555555555555, UINT64_MAX),
	};

	poke(2, STORE_A, 0xaaaaaaaaaaaaaaaa);
	poke(2, STORE_B, 0xaaaaaaaaaaaaaaaa);
	poke(3, STORE_A, 0xaaaaaaaaaaaaaaaa);
	poke(3, STORE_B, 0xaaaaaaaaaaaaaaaa);
	assert_int_equal(run_ops(ops, ARRAY_SIZE(ops)), 0);
	assert_int_equal(peek(2, STORE_A), 0xaaaaaaaaaaaa55aa);
	assert_int_equal(peek(2, STORE_B), 0xaaaaaaaaaa55aaaa);
	assert_int_equal(peek(3, STORE_B), 0xaaaaaaaa5555aaaa);
	assert_int_equal(peek(3, STORE_A), 0x5555555555555555);
	assert_int_equal(ops[1].data, 0x5555555555555555);
}

struct owner {
	unsigned int byte;
	unsigned int lost;
};

/* Writes a byte of the register from its own CPU, and reads back what it wrote. */
static void *own_a_byte(void *arg)
{
	struct owner *owner = arg;
	unsigned int shift = 8 * owner->byte, i;
	int fd = open(BATCH_PATH, O_RDONLY);

	pin_to(owner->byte);
	for (i = 0; i < UPDATES / 2; i++) {
		struct msr_op ops[] = {
			extended_write(2, STORE_A, (uint64_t)(i & 0xff) << shift,
				       UINT64_C(0xff) << shift),
			extended_read(2, STORE_A),
		};
		struct msr_ops head = head_of(ops, 2, 0);

		if (ioctl(fd, MSR_IOC_OPS, &head) || (ops[1].data >> shift & 0xff) != (i & 0xff))
			owner->lost++;
	}
	close(fd);
	return NULL;
}

TEST(two_programs_that_own_a_byte_each_lose_no_update, load_the_list, NULL)
{
	struct owner owners[] = { { .byte = 0 }, { .byte = 1 } };
	pthread_t threads[2];
	unsigned int i;

	poke(2, STORE_A, 0x7777777777770000);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, own_a_byte, &owners[i]), 0);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(owners[0].lost, 0);
	assert_int_equal(owners[1].lost, 0);
	assert_int_equal(peek(2, STORE_A) >> 16, 0x777777777777);
}

TEST(time_stamps_are_taken_around_the_instruction, load_the_list, NULL)
{
	struct msr_op ops[] = {
		extended_read(1, STORE_A),
		extended_write(1, STORE_B, 0, 0),
		extended_write(1, FAULTING, UINT64_MAX, 0),
		extended_read(1, STORE_A),
		extended_read(1, STORE_D),
		extended_read(9, STORE_A),
	};
	uint64_t before, after, last;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i].flags |= i == 3 ? 0 : MSR_OP_TSC;
		ops[i].tsc_before = ops[i].tsc_after = 77;
	}
	pin_to(1);
	before = __builtin_ia32_rdtsc();
	assert_int_equal(run_ops(ops, ARRAY_SIZE(ops)), 3);
	after = __builtin_ia32_rdtsc();
	for (last = before, i = 0; i < 3; i++) {
		assert_true(ops[i].tsc_before > last);
		assert_true(ops[i].tsc_after > ops[i].tsc_before);
		last = ops[i].tsc_after;
	}
	assert_true(after > last);
	/* Not asked for, and not executed */
	assert_int_equal(ops[3].tsc_before, 77);
	assert_int_equal(ops[3].tsc_after, 77);
	for (i = 4; i < ARRAY_SIZE(ops); i++) {
		assert_int_equal(ops[i].tsc_before, 0);
		assert_int_equal(ops[i].tsc_after, 0);
	}
}

TEST(inputs_stay_as_they_were, load_the_list, NULL)
{
	struct msr_op op = extended_write(1, STORE_B, 0x1122334455667788, 0xff0000), before;

	op.probes = 5;
	before = op;
	before.wmask = 0xffff0000;
	op.err = 99;
	assert_int_equal(run_ops(&op, 1), 0);
	assert_memory_equal(&op, &before, sizeof(op));
}

TEST(the_longest_array_is_served_and_a_longer_one_is_e2big, load_the_list, NULL)
{
	unsigned int i;

	for (i = 0; i <= MAX_OPS; i++)
		many[i] = extended_read(i % 4, CPU_NUMBER);
	assert_int_equal(run_ops(many, MAX_OPS), 0);
	for (i = 0; i < MAX_OPS; i++)
		assert_int_equal(many[i].data, i % 4);
	assert_fails(run_ops(many, MAX_OPS + 1), E2BIG);
	assert_fails(run_ops(many, UINT32_MAX), E2BIG);
}

TEST(structures_may_be_longer_if_what_is_new_is_0, load_the_list, NULL)
{
	struct {
		struct msr_op op;
		uint64_t more[9];
	} ops[3] = { 0 };
	struct {
		struct msr_ops head;
		uint64_t more[100];
	} arg = { 0 };
	unsigned int i;

	for (i = 0; i < 3; i++)
		ops[i].op = extended_write(i, STORE_A, 40 + i, 0);
	arg.head = head_of(&ops[0].op, 3, 0);
	arg.head.size = sizeof(arg);
	arg.head.op_size = sizeof(ops[0]);
	assert_int_equal(run_head(&arg), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(peek(i, STORE_A), 40 + i);

	poke(0, STORE_A, 1);
	arg.more[99] = UINT64_C(1) << 63;
	assert_fails(run_head(&arg), E2BIG);
	arg.more[99] = 0;
	ops[2].more[8] = 1;
	assert_fails(run_head(&arg), E2BIG);
	assert_int_equal(peek(0, STORE_A), 1);
}

TEST(sizes_that_cannot_be_are_refused, load_the_list, NULL)
{
	static const struct {
		uint32_t size, op_size;
		int err;
	} sizes[] = {
		{ 0, 64, EINVAL },   { 39, 64, EINVAL },	{ 40, 0, EINVAL },
		{ 40, 63, EINVAL },  { 4097, 64, E2BIG },	{ UINT32_MAX, 64, E2BIG },
		{ 40, 4097, E2BIG }, { 40, UINT32_MAX, E2BIG },
	};
	struct msr_op op = extended_read(0, STORE_A);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct msr_ops head = head_of(&op, 1, 0);

		head.size = sizes[i].size;
		head.op_size = sizes[i].op_size;
		assert_fails(run_head(&head), sizes[i].err);
	}
}

TEST(what_must_be_0_and_is_not_is_einval, load_the_list, NULL)
{
	struct msr_op good = extended_write(0, STORE_A, 5, 0), ops[2];
	struct msr_ops heads[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(heads); i++)
		heads[i] = head_of(&good, 1, 0);
	heads[0].count = 0;
	heads[1].flags = 1;
	heads[2].slots = 1;
	heads[3].wake = 1;
	heads[4].map_len = UINT64_C(1) << 32;
	poke(0, STORE_A, 1);
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		assert_fails(run_head(&heads[i]), EINVAL);

	for (i = 0; i < 32; i++) {
		ops[0] = ops[1] = good;
		ops[1].flags |= UINT32_C(1) << i;
		if (i >= 2)
			assert_fails(run_ops(ops, 2), EINVAL);
	}
	ops[1] = good;
	ops[1].limit_us = 1;
	assert_fails(run_ops(ops, 2), EINVAL);
	ops[1] = extended_read(0, STORE_A);
	ops[1].mask = 1;
	assert_fails(run_ops(ops, 2), EINVAL);
	assert_int_equal(peek(0, STORE_A), 1);
}

TEST(memory_that_cannot_be_read_is_efault_and_nothing_is_executed, load_the_list, NULL)
{
	struct msr_op *ops = before_a_hole(sizeof(*ops));
	struct msr_ops *head = before_a_hole(sizeof(*head));

	poke(0, STORE_A, 1);
	*ops = extended_write(0, STORE_A, 5, 0);
	assert_fails(run_ops(ops, 2), EFAULT);
	assert_fails(run_ops(no_memory(), 1), EFAULT);
	assert_fails(run_head(no_memory()), EFAULT);
	assert_fails(run_head((char *)head + sizeof(*head) - 2), EFAULT);
	*(uint32_t *)((char *)head + 4) = sizeof(*head);
	assert_fails(run_head((char *)head + 4), EFAULT);
	*head = head_of(ops, 1, 0);
	head->size++;
	assert_fails(run_head(head), EFAULT);
	*head = head_of(ops, 1, 0);
	head->op_size += 8;
	assert_fails(run_head(head), EFAULT);
	assert_int_equal(peek(0, STORE_A), 1);
}

TEST(memory_that_cannot_be_written_is_efault, load_the_list, NULL)
{
	struct msr_op *op =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(op != MAP_FAILED);
	*op = extended_write(0, STORE_A, 5, 0);
	assert_int_equal(mprotect(op, 4096, PROT_READ), 0);
	assert_fails(run_ops(op, 1), EFAULT);
	assert_int_equal(peek(0, STORE_A), 5);
	munmap(op, 4096);
}

TEST(a_descriptor_for_writing_alone_is_ebadf, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct msr_ops head = head_of(&op, 1, 0);
	int fd = open_path(BATCH_PATH, O_WRONLY);

	assert_fails(ioctl(fd, MSR_IOC_OPS, &head), EBADF);
	close(fd);
}

TEST(without_a_list_every_operation_is_eacces, clear_list, NULL)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_write(1, STORE_A, 1, 1) };

	assert_int_equal(run_ops(ops, 2), 2);
	assert_int_equal(ops[0].err, -EACCES);
	assert_int_equal(ops[1].err, -EACCES);
	assert_int_equal(ops[1].wmask, 0);
}

TEST(a_cpu_that_is_offline_is_enxio, load_the_list, NULL)
{
	struct msr_op ops[] = { extended_read(3, STORE_A), extended_read(2, CPU_NUMBER) };

	ops[0].data = 0x55;
	assert_int_equal(set_online(3, false), 0);
	assert_int_equal(run_ops(ops, 2), 1);
	assert_int_equal(set_online(3, true), 0);
	assert_int_equal(ops[0].err, -ENXIO);
	assert_int_equal(ops[0].data, 0x55);
	assert_int_equal(ops[1].data, 2);
}

TEST_PROGRAM(allocate, NULL)
