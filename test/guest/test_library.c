// SPDX-License-Identifier: GPL-2.0-only
/*
 * libmsrsafe on the module. The programs of the tree use most of it; this is what a client sees.
 */

#include "../../lib/libmsrsafe.h"
#include "guest.h"

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

	assert_int_equal(msr_safe_session_prepare(&session, fd, ops, 2, 4, 1, 0), 0);
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

	assert_int_equal(msr_safe_session_prepare(&session, fd, &op, 1, 4, 1, 0), -EACCES);
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

	assert_int_equal(msr_safe_session_prepare(&session, fd, &op, 1, 64, 1, 0), 0);
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
