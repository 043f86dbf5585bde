// SPDX-License-Identifier: GPL-2.0-only
/*
 * The batch device.
 */

#include <ctype.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "guest.h"

#define LAST_CPU 3
#define MAX_OPS 131072

static struct msr_batch_op *many; /* MAX_OPS + 1 of them */

static int allocate(void **state)
{
	(void)state;
	many = calloc(MAX_OPS + 1, sizeof(*many));
	return many ? 0 : -1;
}

static int all_cpus_on(void **state)
{
	(void)state;
	set_online(LAST_CPU, true);
	return 0;
}

static int unpin(void **state)
{
	cpu_set_t set;
	unsigned int i;

	(void)state;
	CPU_ZERO(&set);
	for (i = 0; i < cpus_online(); i++)
		CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int run_version(unsigned int numops, uint32_t version, struct msr_batch_op *ops)
{
	struct msr_batch_array batch = { .numops = numops, .version = version, .ops = ops };

	return batch_ioctl(X86_IOC_MSR_BATCH, &batch);
}

TEST(the_node_is_0600, load_the_list, NULL)
{
	struct stat st;

	assert_int_equal(stat(BATCH_PATH, &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
}

TEST(reads_are_of_the_registers_on_their_cpus, load_the_list, NULL)
{
	struct msr_batch_op ops[8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		poke(i % 4, i < 4 ? STORE_A : STORE_B, 0x1111111100000000 + i);
		ops[i] = read_op(i % 4, i < 4 ? STORE_A : STORE_B);
		ops[i].isrdmsr = i % 2 ? 1 : 0x8000; /* anything but 0 */
		ops[i].err = 99;
	}
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_int_equal(ops[i].err, 0);
		assert_int_equal(ops[i].msrdata, 0x1111111100000000 + i);
	}
}

TEST(writes_are_to_the_registers_on_their_cpus, load_the_list, NULL)
{
	struct msr_batch_op ops[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = write_op(i, STORE_A, 0xffeeddcc00000000 + i);
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(peek(i, STORE_A), 0xffeeddcc00000000 + i);
}

TEST(a_masked_write_keeps_the_other_bits, load_the_list, NULL)
{
	struct msr_batch_op ops[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		poke(i, STORE_B, 0xaaaaaaaaaaaaaaaa);
		ops[i] = write_op(i, STORE_B, 0x5555555555555555);
	}
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(peek(i, STORE_B), 0xaaaaaaaa5555aaaa);
}

TEST(a_write_reports_err_and_wmask_alone, load_the_list, NULL)
{
	struct msr_batch_op op = write_op(1, STORE_B, 0x5555555555555555);

	poke(1, STORE_B, 0xaaaaaaaaaaaaaaaa);
	op.err = 99;
	assert_int_equal(run_batch(&op, 1), 0);
	assert_int_equal(op.err, 0);
	assert_int_equal(op.wmask, 0xffff0000);
	assert_int_equal(op.msrdata, 0x5555555555555555);
}

TEST(wmask_is_that_of_the_list_on_reads_and_writes, load_the_list, NULL)
{
	struct msr_batch_op ops[] = {
		read_op(0, STORE_A), write_op(0, STORE_A, 0), read_op(0, STORE_B),
		read_op(0, STORE_C), write_op(0, STORE_C, 0), read_op(0, STORE_D),
	};
	static const uint64_t masks[] = { UINT64_MAX, UINT64_MAX, 0xffff0000, 0, 0, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i].wmask = 0x1234;
	run_batch(ops, ARRAY_SIZE(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].wmask, masks[i]);
}

TEST(inputs_and_padding_stay_as_they_were, load_the_list, NULL)
{
	struct msr_batch_op ops[20], before[20];
	unsigned int i;

	memset(ops, 0xa5, sizeof(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i].cpu = i % 4;
		ops[i].msr = STORE_A;
	}
	memcpy(before, ops, sizeof(ops));
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		before[i].err = ops[i].err;
		before[i].msrdata = ops[i].msrdata;
		before[i].wmask = ops[i].wmask;
	}
	assert_memory_equal(ops, before, sizeof(ops));
}

/* One of each: what the list has to say, and the CPU. */
TEST(every_operation_is_executed_and_has_its_own_err, load_the_list, NULL)
{
	struct msr_batch_op ops[] = {
		write_op(0, STORE_A, 1),     write_op(1, FAULTING, UINT64_C(1) << 40),
		write_op(2, STORE_A, 2),     read_op(0, STORE_D),
		write_op(1, STORE_D, 9),     write_op(3, STORE_A, 3),
		write_op(1, STORE_C, 9),     read_op(4, STORE_A),
		write_op(65535, STORE_A, 9), read_op(0, STORE_A),
		read_op(3, CPU_NUMBER),	     read_op(1, STORE_C),
	};
	static const int errs[] = {
		0, -EIO, 0, -EACCES, -EACCES, 0, -EROFS, -ENXIO, -ENXIO, 0, 0, 0,
	};
	unsigned int i;

	poke(1, STORE_C, 0x77);
	poke(1, STORE_D, 0x77);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EIO);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, errs[i]);
	assert_int_equal(peek(0, STORE_A), 1);
	assert_int_equal(peek(2, STORE_A), 2);
	assert_int_equal(peek(3, STORE_A), 3);
	assert_int_equal(peek(1, STORE_D), 0x77);
	assert_int_equal(ops[9].msrdata, 1);
	assert_int_equal(ops[10].msrdata, 3);
	assert_int_equal(ops[11].msrdata, 0x77);
}

TEST(the_first_error_in_array_order_is_returned, load_the_list, NULL)
{
	static const struct {
		struct msr_batch_op op;
		int err;
	} bad[] = {
		{ { .cpu = 3, .msr = FAULTING, .msrdata = UINT64_C(1) << 40 }, EIO },
		{ { .cpu = 0, .msr = STORE_D, .isrdmsr = 1 }, EACCES },
		{ { .cpu = 1, .msr = STORE_C }, EROFS },
		{ { .cpu = 999, .msr = STORE_A, .isrdmsr = 1 }, ENXIO },
	};
	struct msr_batch_op ops[40];
	unsigned int i, j, first;

	/* Each kind first, the others behind it, in a small batch and a larger one */
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (first = 0; first < 30; first += 7) {
			for (j = 0; j < ARRAY_SIZE(ops); j++)
				ops[j] = read_op(j % 4, STORE_A);
			for (j = 0; j < ARRAY_SIZE(bad); j++)
				ops[first + j] = bad[(i + j) % ARRAY_SIZE(bad)].op;
			assert_fails(run_batch(ops, ARRAY_SIZE(ops)), bad[i].err);
			assert_int_equal(ops[0].err, first ? 0 : -bad[i].err);
			assert_int_equal(ops[39].err, 0);
		}
	}
}

TEST(a_read_that_failed_leaves_msrdata, load_the_list, NULL)
{
	struct msr_batch_op ops[] = { read_op(0, STORE_D), read_op(999, STORE_A) };

	ops[0].msrdata = ops[1].msrdata = 0x1234;
	assert_fails(run_batch(ops, 2), EACCES);
	assert_int_equal(ops[0].msrdata, 0x1234);
	assert_int_equal(ops[1].msrdata, 0x1234);
}

TEST(an_offline_cpu_is_enxio_and_the_others_are_executed, load_the_list, all_cpus_on)
{
	struct msr_batch_op ops[60];
	unsigned int i;

	assert_int_equal(set_online(LAST_CPU, false), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = read_op(i % 4, CPU_NUMBER);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), ENXIO);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_int_equal(ops[i].err, i % 4 == LAST_CPU ? -ENXIO : 0);
		if (i % 4 != LAST_CPU)
			assert_int_equal(ops[i].msrdata, i % 4);
	}
	/* Alone, too */
	ops[0] = read_op(LAST_CPU, CPU_NUMBER);
	ops[1] = read_op(LAST_CPU, CPU_NUMBER);
	assert_fails(run_batch(ops, 1), ENXIO);
	assert_fails(run_batch(ops, 2), ENXIO);
	assert_int_equal(ops[1].err, -ENXIO);
}

/* A batch for the caller's CPU, for one other, and for all go different ways. */
TEST(order_is_kept_on_each_cpu, load_the_list, unpin)
{
	static const unsigned int cpus[][4] = {
		{ 1, 1, 1, 1 },
		{ 2, 2, 2, 2 },
		{ 0, 1, 2, 3 },
		{ 3, 3, 0, 1 },
	};
	const unsigned int count = 20000;
	unsigned int i, way;

	pin_to(1);
	for (way = 0; way < ARRAY_SIZE(cpus); way++) {
		/* Each write is read back by the next operation on its CPU. */
		for (i = 0; i < count; i++) {
			unsigned int cpu = cpus[way][i / 2 % 4];

			many[i] = i % 2 ? read_op(cpu, STORE_A) : write_op(cpu, STORE_A, i + way);
		}
		assert_int_equal(run_batch(many, count), 0);
		for (i = 1; i < count; i += 2)
			assert_int_equal(many[i].msrdata, i - 1 + way);
	}
}

TEST(a_hundred_thousand_operations_are_served_in_one_call, load_the_list, NULL)
{
	const unsigned int count = 100000;
	unsigned int i;

	for (i = 0; i < count; i++)
		many[i] = read_op(i % 4, CPU_NUMBER);
	many[77777].msr = STORE_D;
	assert_fails(run_batch(many, count), EACCES);
	for (i = 0; i < count; i++) {
		assert_int_equal(many[i].err, i == 77777 ? -EACCES : 0);
		if (i != 77777)
			assert_int_equal(many[i].msrdata, i % 4);
	}
}

TEST(as_many_operations_as_the_header_says_are_served, load_the_list, NULL)
{
	unsigned int i;

	assert_int_equal(MSR_BATCH_MAX_OPS, MAX_OPS);
	for (i = 0; i < MAX_OPS; i++)
		many[i] = read_op(2, CPU_NUMBER);
	assert_int_equal(run_batch(many, MAX_OPS), 0);
	for (i = 0; i < MAX_OPS; i++)
		assert_int_equal(many[i].msrdata, 2);
}

/* Function call interrupts that a CPU has had */
static unsigned long interrupts_of(unsigned int cpu)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long count[4] = { 0 };
	char line[1024];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " CAL: %lu %lu %lu %lu", &count[0], &count[1], &count[2],
			   &count[3]) == 4)
			break;
	fclose(file);
	assert_true(count[cpu] > 0);
	return count[cpu];
}

/* An idle CPU that polls is woken without an interrupt; one that is busy is not. */
static pid_t keep_busy(unsigned int cpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		pin_to(cpu);
		for (;;)
			;
	}
	assert_true(pid > 0);
	return pid;
}

static void end_busy(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/*
 * It takes milliseconds, so at 50 microseconds a visit it takes many. No test of
 * how long each is: that is up to whatever the build machine does meanwhile.
 */
TEST(a_large_batch_is_executed_in_many_visits, load_the_list, unpin)
{
	unsigned long before;
	unsigned int i, way;
	pid_t busy[2];

	busy[0] = keep_busy(2);
	busy[1] = keep_busy(3);
	pin_to(1);
	for (way = 0; way < 2; way++) {
		for (i = 0; i < MAX_OPS; i++)
			many[i] = read_op(way ? 2 + i % 2 : 2, CPU_NUMBER);
		before = interrupts_of(2);
		assert_int_equal(run_batch(many, MAX_OPS), 0);
		assert_true(interrupts_of(2) - before >= 10);
	}
	end_busy(busy[0]);
	end_busy(busy[1]);
}

TEST(a_batch_that_is_refused_interrupts_nobody, load_the_list, unpin)
{
	unsigned long before;
	unsigned int i;

	pin_to(1);
	for (i = 0; i < MAX_OPS; i++)
		many[i] = read_op(2, STORE_D);
	before = interrupts_of(2);
	assert_fails(run_batch(many, MAX_OPS), EACCES);
	/* A few are the kernel's own; visits would be a hundred. */
	assert_true(interrupts_of(2) - before < 10);
	for (i = 0; i < MAX_OPS; i++)
		assert_int_equal(many[i].err, -EACCES);
}

TEST(more_operations_are_e2big, load_the_list, NULL)
{
	unsigned int i;

	poke(0, STORE_A, 0);
	for (i = 0; i < MAX_OPS + 1; i++)
		many[i] = write_op(0, STORE_A, 1);
	assert_fails(run_batch(many, MAX_OPS + 1), E2BIG);
	assert_fails(run_batch(many, UINT32_MAX), E2BIG);
	assert_int_equal(peek(0, STORE_A), 0);
}

TEST(no_operations_are_einval, load_the_list, NULL)
{
	assert_fails(run_batch(many, 0), EINVAL);
}

TEST(a_descriptor_not_open_for_reading_is_ebadf, load_the_list, NULL)
{
	struct msr_batch_op op = read_op(0, STORE_A);
	int fd = open_path(BATCH_PATH, O_WRONLY);

	assert_fails(run_batch_fd(fd, &op, 1), EBADF);
	close(fd);
	fd = open_path(BATCH_PATH, O_RDWR);
	assert_int_equal(run_batch_fd(fd, &op, 1), 0);
	close(fd);
}

TEST(another_command_is_enotty, load_the_list, NULL)
{
	struct msr_batch_op op = read_op(0, STORE_A);
	struct msr_batch_array batch = { .numops = 1, .ops = &op };
	int fd = open_path(BATCH_PATH, O_RDONLY);

	assert_fails(ioctl(fd, _IOWR('c', 0xA3, struct msr_batch_array), &batch), ENOTTY);
	assert_fails(ioctl(fd, _IOW('c', 0xA2, struct msr_batch_array), &batch), ENOTTY);
	assert_fails(ioctl(fd, _IOWR('c', 0xA2, uint32_t), &batch), ENOTTY);
	close(fd);
}

TEST(a_32_bit_program_is_enotty, load_the_list, NULL)
{
	struct msr_batch_array *batch = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = open_path(BATCH_PATH, O_RDONLY);

	batch->numops = 1;
	batch->ops = (struct msr_batch_op *)(batch + 1);
	*batch->ops = read_op(0, STORE_A);
	assert_int_equal(ioctl(fd, X86_IOC_MSR_BATCH, batch), 0);
	assert_int_equal(ioctl_of_32_bits(fd, X86_IOC_MSR_BATCH, batch), -ENOTTY);
	/* As wide as its own layout would be */
	assert_int_equal(ioctl_of_32_bits(fd, _IOC(_IOC_READ | _IOC_WRITE, 'c', 0xA2, 12), batch),
			 -ENOTTY);
	close(fd);
	munmap(batch, 4096);
}

TEST(a_batch_that_cannot_be_read_is_efault_and_executes_nothing, load_the_list, NULL)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct msr_batch_op *ops = (struct msr_batch_op *)(pages + 4096) - 2;
	int fd = open_path(BATCH_PATH, O_RDONLY);

	assert_fails(ioctl(fd, X86_IOC_MSR_BATCH, no_memory()), EFAULT);
	close(fd);
	assert_fails(run_batch(no_memory(), 1), EFAULT);
	assert_fails(run_batch((void *)(UINT64_MAX - 4095), 1), EFAULT);
	assert_fails(run_batch((void *)UINT64_C(0x00007ffffffff000), MAX_OPS), EFAULT);

	/* Its third operation is not there. */
	assert_int_equal(munmap(pages + 4096, 4096), 0);
	poke(0, STORE_A, 0x77);
	ops[0] = ops[1] = write_op(0, STORE_A, 1);
	assert_fails(run_batch(ops, 3), EFAULT);
	assert_fails(run_batch(ops, 100), EFAULT);
	assert_int_equal(peek(0, STORE_A), 0x77);
	munmap(pages, 4096);
}

TEST(a_batch_that_cannot_be_written_back_is_efault, load_the_list, NULL)
{
	struct msr_batch_op *ops =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ops[0] = write_op(0, STORE_A, 0x1357);
	assert_int_equal(mprotect(ops, 4096, PROT_READ), 0);
	assert_fails(run_batch(ops, 1), EFAULT);
	assert_int_equal(peek(0, STORE_A), 0x1357);
	munmap(ops, 4096);
}

static int word_fd = -1;

/* The errno of a batch that has this word in the place of its version, or 0 */
static int answer_to(uint32_t word)
{
	struct msr_batch_op op = read_op(0, STORE_A);
	struct msr_batch_array batch = { .numops = 1, .version = word, .ops = &op };

	if (ioctl(word_fd, X86_IOC_MSR_BATCH, &batch))
		return errno;
	assert_int_equal(op.msrdata, 0x77);
	return 0;
}

static void assert_served(uint32_t word)
{
	int err = answer_to(word);

	if (err)
		fail_msg("word 0x%08x: %s", word, strerror(err));
}

static void assert_all_served(const uint32_t *words, unsigned int count)
{
	while (count--)
		assert_served(*words++);
}

#define ASSERT_ALL_SERVED(words) assert_all_served(words, ARRAY_SIZE(words))

/* On the CPU that is read, so that no other is interrupted: many words are tried. */
static int before_words(void **state)
{
	load_the_list(state);
	pin_to(0);
	poke(0, STORE_A, 0x77);
	word_fd = open_path(BATCH_PATH, O_RDONLY);
	return 0;
}

static int after_words(void **state)
{
	close(word_fd);
	return unpin(state);
}

TEST(versions_that_are_served, before_words, after_words)
{
	static const uint32_t served[] = { 0x020000, 0x020001, 0x02000f, 0x020100, 0x02010f };

	ASSERT_ALL_SERVED(served);
}

TEST(other_versions_are_enoprotoopt_and_execute_nothing, load_the_list, NULL)
{
	static const uint32_t refused[] = {
		0x010000, 0x01000f, 0x010100, 0x010800, 0x010f0f, 0x020200,
		0x02020f, 0x020f00, 0x020f0f, 0x030000, 0x030100, 0x030f0f,
	};
	struct msr_batch_op op = write_op(0, STORE_A, 1);
	unsigned int i;

	poke(0, STORE_A, 0x77);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		assert_fails(run_version(1, refused[i], &op), ENOPROTOOPT);
	assert_int_equal(peek(0, STORE_A), 0x77);
}

TEST(a_word_that_no_release_can_have_is_served, before_words, after_words)
{
	static const uint32_t of_major_0[] = { 0, 0x000001, 0x000100, 0x000f0f, 0x00ffff };
	static const uint32_t over_major_3[] = { 0x040000, 0x040100, 0x040f0f, 0xff0000, 0xffffff };
	static const uint32_t over_minor_15[] = {
		0x011000, 0x011f0f, 0x01ff00, 0x021000, 0x02100f, 0x02ff00, 0x031000, 0x03ff0f,
	};
	static const uint32_t over_patch_15[] = {
		0x010010, 0x0100ff, 0x020010, 0x0200ff, 0x020110, 0x020210, 0x030010, 0x030fff,
	};
	static const uint32_t over_24_bits[] = {
		0x01000000, 0x01010000, 0x01020000, 0x01020200,
		0x01030000, 0x02020200, 0x80030000, 0xff020000,
	};

	ASSERT_ALL_SERVED(of_major_0);
	ASSERT_ALL_SERVED(over_major_3);
	ASSERT_ALL_SERVED(over_minor_15);
	ASSERT_ALL_SERVED(over_patch_15);
	ASSERT_ALL_SERVED(over_24_bits);
}

/* What programs that know of no version leave in its place; see msr_safe.h */
TEST(a_word_that_is_no_version_is_served, before_words, after_words)
{
	static const uint32_t upper_halves_of_pointers[] = { 0x55fb, 0x7f28, 0x7ffc, 0xffff8880 };
	static const uint32_t lower_halves_of_pointers[] = {
		0x5f3a12c0, 0xf7dd1000, 0x8ad9d010, 0x0042d2a0, 0x00020b10,
	};
	static const uint32_t negative_numbers[] = {
		-1, -2, -13, -256, -65536, -4000000, INT32_MIN
	};
	static const uint32_t fill_patterns[] = { 0xA5, 0x78787878, 0xA5A5A5A5 };

	ASSERT_ALL_SERVED(upper_halves_of_pointers);
	ASSERT_ALL_SERVED(lower_halves_of_pointers);
	ASSERT_ALL_SERVED(negative_numbers);
	ASSERT_ALL_SERVED(fill_patterns);
}

/* Up to three characters and a NUL byte; more NUL bytes can lie before and between them. */
TEST(the_tail_of_a_text_is_no_version_and_is_served, before_words, after_words)
{
	static const char *const tails[] = { "cpu", "lag", "ram", "z\n", "\r\n", "0", "" };
	uint32_t characters[4 + 95] = { '\0', '\t', '\n', '\r' };
	unsigned int count = 4, i, j, k;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		uint32_t word = 0;

		memcpy(&word, tails[i], strlen(tails[i]));
		assert_served(word);
	}
	for (i = ' '; i <= '~'; i++)
		if (!isupper(i)) /* half as many calls */
			characters[count++] = i;
	for (i = 0; i < count; i++)
		for (j = 0; j < count; j++)
			for (k = 0; k < count; k++)
				assert_served(characters[i] << 16 | characters[j] << 8 |
					      characters[k]);
}

TEST(a_text_of_four_characters_is_no_version_and_is_served, before_words, after_words)
{
	static const char *const texts[] = { "msr_", "cpu0", "/dev", "\n\n\n\n", "\t: 1", "ngs\t" };
	uint32_t word;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		memcpy(&word, texts[i], sizeof(word));
		assert_served(word);
	}
}

/* The bytes behind the NUL byte of a text belong to something else. */
TEST(a_text_that_ends_within_the_word_is_no_version_and_is_served, before_words, after_words)
{
	static const uint8_t behind[] = { 0, 1, 2, 3, 4, 15, 16, 'a', 0x7f, 0xff };
	unsigned int last, i, j;

	for (last = ' '; last <= '~'; last++)
		for (i = 0; i < ARRAY_SIZE(behind); i++)
			for (j = 0; j < ARRAY_SIZE(behind); j++)
				assert_served((uint32_t)behind[j] << 24 | behind[i] << 16 | last);
}

/* Major numbers 1 to 3, minor and patch numbers up to 15; those of 2.0 and 2.1 are served. */
TEST(up_to_major_number_4_only_releases_that_are_not_served_are_refused, before_words, after_words)
{
	static bool refused[0x050000];
	uint32_t word, major, minor, patch;
	unsigned int count = 0;

	for (major = 1; major <= 3; major++)
		for (minor = major == 2 ? 2 : 0; minor <= 15; minor++)
			for (patch = 0; patch <= 15; patch++, count++)
				refused[major << 16 | minor << 8 | patch] = true;
	assert_int_equal(count, 736); /* as docs/clients.md says */
	for (word = 0; word < ARRAY_SIZE(refused); word++) {
		int err = answer_to(word);

		if (err != (refused[word] ? ENOPROTOOPT : 0))
			fail_msg("word 0x%08x: %s", word, strerror(err));
	}
}

/* Round numbers, and one of 29 of all */
TEST(an_integer_from_0x040000_to_4_million_is_served, before_words, after_words)
{
	uint32_t word;

	for (word = 0x040000; word <= 4000000; word += 29)
		assert_served(word);
	for (word = 263000; word <= 4000000; word += 1000)
		assert_served(word);
}

static int user_opens(void *arg)
{
	(void)arg;
	return open(BATCH_PATH, O_RDONLY) < 0 ? errno : 0;
}

static int user_runs_a_batch(void *arg)
{
	struct msr_batch_op ops[] = {
		write_op(2, STORE_A, 0x4321),
		read_op(2, STORE_A),
		read_op(2, STORE_D),
	};
	int fd = open(BATCH_PATH, O_RDONLY);

	(void)arg;
	if (fd < 0 || run_batch_fd(fd, ops, 3) != -1 || errno != EACCES)
		return 1;
	return ops[0].err == 0 && ops[1].msrdata == 0x4321 && ops[2].err == -EACCES ? 0 : 2;
}

TEST(a_user_without_file_permission_cannot_open, load_the_list, NULL)
{
	assert_int_equal(in_child(true, user_opens, NULL), EACCES);
}

TEST(a_user_with_file_permission_needs_no_capability, load_the_list, NULL)
{
	assert_int_equal(chown(BATCH_PATH, 0, 1000), 0);
	assert_int_equal(chmod(BATCH_PATH, 0640), 0);
	assert_int_equal(in_child(true, user_runs_a_batch, NULL), 0);
	assert_int_equal(chmod(BATCH_PATH, 0600), 0);
}

TEST(it_is_not_read_or_written, load_the_list, NULL)
{
	int fd = open_path(BATCH_PATH, O_RDWR);
	char buf[64];

	assert_fails(read(fd, buf, sizeof(buf)), EINVAL);
	assert_fails(write(fd, buf, sizeof(buf)), EINVAL);
	close(fd);
}

/*
 * A process is killed in the middle of a batch in memory that it shares with
 * this one. What was executed and what was not must be told apart by err.
 */
static unsigned int kill_in_a_batch(unsigned int nr_cpus, useconds_t after, bool *too_late)
{
	struct msr_batch_op *ops = mmap(NULL, MAX_OPS * sizeof(*ops), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i, executed = 0, interrupted = 0, untouched = 0;
	bool ended[4] = { false };
	int status;
	pid_t pid;

	for (i = 0; i < MAX_OPS; i++) {
		ops[i] = read_op(i % nr_cpus, CPU_NUMBER);
		ops[i].err = 1;
		ops[i].msrdata = 0xdead;
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		run_batch(ops, MAX_OPS);
		pause();
	}
	usleep(after);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);

	for (i = 0; i < MAX_OPS; i++) {
		switch (ops[i].err) {
		case 0:
			assert_int_equal(ops[i].msrdata, i % nr_cpus);
			assert_false(ended[i % nr_cpus]);
			executed++;
			break;
		case -EINTR:
			assert_int_equal(ops[i].msrdata, 0xdead);
			ended[i % nr_cpus] = true;
			interrupted++;
			break;
		case 1:
			untouched++;
			break;
		default:
			fail_msg("err %d", ops[i].err);
		}
	}
	munmap(ops, MAX_OPS * sizeof(*ops));
	assert_true(untouched == 0 || untouched == MAX_OPS);
	*too_late = executed == MAX_OPS;
	return executed ? interrupted : 0;
}

TEST(a_fatal_signal_ends_a_batch_and_what_was_not_run_says_eintr, load_the_list, NULL)
{
	unsigned int nr_cpus;

	for (nr_cpus = 1; nr_cpus <= 4; nr_cpus += 3) {
		useconds_t after = 1000;
		unsigned int tries = 0;
		bool too_late;

		/* The signal is to fall into the batch: a quarter later each time, until it is over
		 */
		while (!kill_in_a_batch(nr_cpus, after, &too_late)) {
			assert_true(++tries < 600);
			after = too_late ? 1000 + 37 * tries : after / 4 * 5;
		}
	}
}

TEST_PROGRAM(allocate, NULL)
