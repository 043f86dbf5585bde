// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving and restoring a node that is made up here: registers that hold what is
 * written to them, and those that do not; CPUs that come and go; lists that change.
 */

#include <getopt.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "unit.h"
#include "../../msrsave/msrsave.h"
#include "../../msrsave/state.h"
#include "../../lib/allowlist.h"
#include "../../lib/processor.h"

#define MOST_CPUS 65536
#define MOST_REGISTERS 512

enum conduct {
	PLAIN, /* holds what is written */
	ABSENT, /* on CPUs from @limit on */
	COUNTER, /* goes up with each reading */
	SLOW_COUNTER, /* goes up with every third pause, and once after a write */
	RUNAWAY, /* a counter that ignores writes */
	STUCK, /* bits of @limit cannot be changed */
	CLAMPED, /* to @limit, after it has once been read */
	RETURNING, /* is as it should be at every other reading after a pause */
	LOG, /* a write only clears bits */
	TOGGLING, /* bit 0 with each pause, @limit set: somebody fights for it */
	DEPENDENT, /* takes writes only while bit 0 of register @limit is set */
	FAULTING, /* a write faults */
	FAULTING_FIRST, /* a write faults while bit 0 of register @limit is clear */
	UNREADABLE, /* for another reason than that it is absent, on CPUs from @limit on */
};

struct fake {
	uint32_t msr;
	enum conduct kind;
	uint64_t mask, limit;
	uint64_t *values; /* one of each CPU */
};

static struct {
	struct fake registers[MOST_REGISTERS];
	size_t count;
	struct msr_safe_cpus online;
	const char *host;
	unsigned int batches, pauses, writes, fsyncs;
	unsigned int field_calls;
	int no_fields; /* an errno */
	uint64_t other_writer; /* bits that it changes */
	unsigned int failing_batch, leaving_batch, coming_batch, changing_batch, failing_fsync;
	int failure;
	bool no_batch, no_list, no_online, cpufreq;
	struct processor_id processor;
} node;

static char folder[] = "/tmp/test_msrsave.XXXXXX", path[64];

static struct fake *find(uint32_t msr)
{
	size_t i;

	for (i = 0; i < node.count; i++)
		if (node.registers[i].msr == msr)
			return &node.registers[i];
	return NULL;
}

static struct fake *add_register(uint32_t msr, uint64_t mask, enum conduct kind, uint64_t limit)
{
	struct fake *fake = &node.registers[node.count++];

	*fake = (struct fake){ msr, kind, mask, limit, calloc(MOST_CPUS, sizeof(uint64_t)) };
	assert_non_null(fake->values);
	return fake;
}

int __wrap_msr_safe_open_batch(struct msr_safe_error *error);
int __wrap_msr_safe_open_batch(struct msr_safe_error *error)
{
	return node.no_batch ? msr_safe_explain(error, MSR_SAFE_BATCH_PATH, -EACCES) : 1000;
}

int __wrap_msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
				   struct msr_safe_error *error);
int __wrap_msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
				   struct msr_safe_error *error)
{
	size_t i;

	assert_null(path);
	*list = (struct msr_safe_allowlist){ 0 };
	if (node.no_list)
		return msr_safe_explain(error, MSR_SAFE_ALLOWLIST_PATH, -EACCES);
	for (i = 0; i < node.count; i++)
		assert_int_equal(msr_safe_allowlist_add(list, node.registers[i].msr,
							node.registers[i].mask),
				 0);
	return 0;
}

int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set);
int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set)
{
	*set = node.online;
	return node.no_online ? -EPROTO : 0;
}

struct processor_id __wrap_msr_safe_processor_here(void);
struct processor_id __wrap_msr_safe_processor_here(void)
{
	return node.processor;
}

bool __wrap_cpufreq_active(unsigned int cpu);
bool __wrap_cpufreq_active(unsigned int cpu)
{
	(void)cpu;
	return node.cpufreq;
}

int __wrap_gethostname(char *name, size_t size);
int __wrap_gethostname(char *name, size_t size)
{
	snprintf(name, size, "%s", node.host);
	return 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	errno = EIO;
	return ++node.fsyncs == node.failing_fsync ? -1 : 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	size_t i, cpu;

	(void)time;
	(void)left;
	node.pauses++;
	for (i = 0; i < node.count; i++) {
		for (cpu = 0; cpu < 256; cpu++) {
			if (node.registers[i].kind == RETURNING)
				node.registers[i].values[cpu] = node.pauses % 2 ? 0x10 : 0;
			if (node.registers[i].kind == TOGGLING)
				node.registers[i].values[cpu] =
					(node.registers[i].values[cpu] ^ 1) |
					node.registers[i].limit;
			if (node.registers[i].kind == SLOW_COUNTER && node.pauses % 3 == 0)
				node.registers[i].values[cpu]++;
		}
	}
	return 0;
}

static int read_fake(struct fake *fake, unsigned int cpu, uint64_t *value)
{
	if (fake->kind == ABSENT && cpu >= fake->limit)
		return -EIO;
	if (fake->kind == UNREADABLE && cpu >= fake->limit)
		return -EPERM;
	if (fake->kind == COUNTER || fake->kind == RUNAWAY)
		fake->values[cpu] += 1000 + cpu;
	*value = fake->values[cpu];
	return 0;
}

static int write_fake(struct fake *fake, unsigned int cpu, uint64_t value)
{
	uint64_t *held = &fake->values[cpu];

	node.writes++;
	value = (value & fake->mask) | (*held & ~fake->mask);
	switch (fake->kind) {
	case ABSENT:
		if (cpu >= fake->limit)
			return -EIO;
		break;
	case FAULTING:
		return -EIO;
	case RUNAWAY:
		return 0;
	case FAULTING_FIRST:
		if (!(find(fake->limit)->values[cpu] & 1))
			return -EIO;
		break;
	case STUCK:
		value = (value & ~fake->limit) | (*held & fake->limit);
		break;
	case CLAMPED:
		if (value > fake->limit)
			value = fake->limit;
		break;
	case DEPENDENT:
		if (!(find(fake->limit)->values[cpu] & 1))
			return 0;
		break;
	case RETURNING:
		value = 0x10;
		break;
	case LOG:
		value &= *held;
		break;
	case TOGGLING:
		value |= fake->limit;
		break;
	case SLOW_COUNTER:
		value++;
		break;
	default:
		break;
	}
	*held = value;
	return 0;
}

int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count);
int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count)
{
	struct msr_batch_op *op;
	struct fake *fake;

	assert_int_equal(fd, 1000);
	if (++node.batches == node.failing_batch)
		return -node.failure;
	if (node.batches == node.leaving_batch)
		node.online.bits[0] &= ~(1 << 2);
	if (node.batches == node.coming_batch)
		msr_safe_cpus_add(&node.online, 5);
	if (node.batches == node.changing_batch)
		node.registers[0].mask ^= 0x80;
	for (op = ops; op < ops + count; op++) {
		fake = find(op->msr);
		op->wmask = fake ? fake->mask : 0;
		if (!fake)
			op->err = -EACCES;
		else if (!op->isrdmsr && !fake->mask)
			op->err = -EROFS;
		else if (!msr_safe_cpus_has(&node.online, op->cpu))
			op->err = -ENXIO;
		else if (op->isrdmsr)
			op->err = read_fake(fake, op->cpu, (uint64_t *)&op->msrdata);
		else
			op->err = write_fake(fake, op->cpu, op->msrdata);
	}
	return 0;
}

int __wrap_msr_safe_ops(int fd, struct msr_op *ops, size_t count);
int __wrap_msr_safe_ops(int fd, struct msr_op *ops, size_t count)
{
	struct msr_op *op;

	assert_int_equal(fd, 1000);
	node.field_calls++;
	if (node.no_fields)
		return -node.no_fields;
	for (op = ops; op < ops + count; op++) {
		struct fake *fake = find(op->msr);
		uint64_t held = fake->values[op->cpu] ^ node.other_writer;

		/* Another program writes its own bits just before. */
		fake->values[op->cpu] = held;
		assert_int_equal(op->flags, MSR_OP_WRITE);
		op->err = write_fake(fake, op->cpu, (held & ~op->mask) | (op->data & op->mask));
	}
	return 0;
}

/* Four CPUs and three registers, of which the first two can be written */
static int make_node(void **state)
{
	unsigned int cpu;

	(void)state;
	/* As messages have it */
	program_invocation_short_name = (char *)"msrsave";
	memset(&node, 0, sizeof(node));
	node.host = "node17";
	node.processor.maker = "";
	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-3"), 0);
	add_register(0x199, 0xFFFF, PLAIN, 0);
	add_register(0x610, 0x00FFFFFF00FFFFFF, PLAIN, 0);
	add_register(0x10, 0, PLAIN, 0);
	for (cpu = 0; cpu < 4; cpu++) {
		node.registers[0].values[cpu] = 0xAB1000 + cpu;
		node.registers[1].values[cpu] = UINT64_C(0x8100112280334455);
		node.registers[2].values[cpu] = 77;
	}
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state", folder);
	return 0;
}

static int remove_node(void **state)
{
	(void)state;
	while (node.count > 0)
		free(node.registers[--node.count].values);
	unlink(path);
	return rmdir(folder);
}

static char said[1 << 16], printed[1 << 16];

static void take_stream(int fd, FILE *file, int saved, char *text, size_t size)
{
	dup2(saved, fd);
	close(saved);
	rewind(file);
	memset(text, 0, size);
	assert_true(fread(text, 1, size - 1, file) < size - 1);
	fclose(file);
}

/* Runs msrsave with these words; what it prints is in printed, its messages in said. */
static int run_words(const char *const words[])
{
	char *argv[16] = { (char *)"msrsave" };
	FILE *out_file = tmpfile(), *err_file = tmpfile();
	struct options options;
	int argc, out, err, status;

	for (argc = 1; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	argv[argc++] = path;
	node.batches = 0;
	node.writes = 0;
	fflush(stdout);
	out = dup(1);
	err = dup(2);
	dup2(fileno(out_file), 1);
	dup2(fileno(err_file), 2);
	optind = 0;
	status = parse_argv(&options, argc, argv);
	if (status < 0)
		status = USAGE;
	else if (status > 0)
		status = options.restore ? restore(&options) : save(&options);
	fflush(stdout);
	take_stream(1, out_file, out, printed, sizeof(printed));
	take_stream(2, err_file, err, said, sizeof(said));
	return status;
}

#define RUN(...) run_words((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: \"%s\", but: %s", text, said);
}

static void assert_printed(const char *text)
{
	if (!strstr(printed, text))
		fail_msg("not printed: \"%s\", but: %s", text, printed);
}

static unsigned int lines_of(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* Makes all values other ones. */
static void disturb(void)
{
	unsigned int cpu;
	size_t i;

	for (i = 0; i < node.count; i++)
		for (cpu = 0; cpu < 256; cpu++)
			node.registers[i].values[cpu] ^= UINT64_C(0x4433221144332211) + cpu;
}

static struct state load(void)
{
	struct state state;

	assert_null(state_load(&state, path));
	return state;
}

TEST(writable_bits_of_all_cpus_are_saved, make_node, remove_node)
{
	struct state state;
	unsigned int cpu, i;

	assert_int_equal(msr_safe_cpus_parse(&node.online, "1,3,300,65535"), 0);
	node.registers[0].values[65535] = 0x12345678;
	assert_int_equal(RUN(), 0);
	assert_string_equal(said, "");
	assert_string_equal(printed, "");
	state = load();
	assert_string_equal(state.host, "node17");
	assert_string_equal(state.version, MSR_SAFE_VERSION_STR);
	assert_int_equal(strlen(state.time), strlen("2026-11-22T23:40:00Z"));
	assert_memory_equal(&state.cpus, &node.online, sizeof(node.online));
	assert_int_equal(state.list.count, 3);
	assert_int_equal(state.list.entries[2].msr, 0x10);
	assert_int_equal(state.count, 2 * 4);
	i = 0;
	msr_safe_for_each_cpu(cpu, &node.online)
	{
		assert_int_equal(state.values[i].cpu, cpu);
		assert_int_equal(state.values[i].msr, 0x199);
		assert_int_equal(state.values[i].value, node.registers[0].values[cpu] & 0xFFFF);
		assert_int_equal(state.values[i + 4].cpu, cpu);
		assert_int_equal(state.values[i + 4].msr, 0x610);
		assert_int_equal(state.values[i + 4].value,
				 node.registers[1].values[cpu] & 0x00FFFFFF00FFFFFF);
		i++;
	}
	state_free(&state);
}

TEST(writable_bits_of_all_cpus_are_restored_and_no_others, make_node, remove_node)
{
	uint64_t before[3][4], disturbed[3][4];
	unsigned int i, cpu;

	assert_int_equal(RUN(), 0);
	for (i = 0; i < 3; i++)
		memcpy(before[i], node.registers[i].values, sizeof(before[i]));
	disturb();
	for (i = 0; i < 3; i++)
		memcpy(disturbed[i], node.registers[i].values, sizeof(before[i]));
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	for (i = 0; i < 3; i++)
		for (cpu = 0; cpu < 4; cpu++)
			assert_int_equal(node.registers[i].values[cpu],
					 (before[i][cpu] & node.registers[i].mask) |
						 (disturbed[i][cpu] & ~node.registers[i].mask));
}

TEST(what_does_not_differ_is_not_written, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(node.writes, 0);
	node.registers[0].values[2] ^= 1;
	node.registers[1].values[1] ^= UINT64_C(1) << 63; /* cannot be written */
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(node.writes, 1);
}

TEST(a_large_node_is_a_few_batches, make_node, remove_node)
{
	size_t i;

	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-255"), 0);
	for (i = 0; i < 297; i++)
		add_register(0x1000 + i, UINT64_MAX, PLAIN, 0);
	assert_int_equal(RUN(), 0);
	assert_int_equal(node.batches, 1);
	disturb();
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(node.batches, 4); /* read, write, read, nothing to write */
	assert_int_equal(node.writes, 299 * 256);
	assert_int_equal(node.pauses, 0);
}

TEST(a_register_that_no_cpu_has_is_one_warning_and_left_out, make_node, remove_node)
{
	struct state state;

	add_register(0x1B0, 0xF, ABSENT, 0);
	assert_int_equal(RUN(), 0);
	assert_string_equal(said,
			    "msrsave: Warning: Failed to read msr value of 0x000001B0, CPUs 0-3: "
			    "the processor does not have it: left out\n");
	state = load();
	assert_int_equal(state.count, 12);
	assert_true(state.values[11].absent);
	state_free(&state);
	disturb();
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("-q"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("-v"), 0);
	assert_printed("/state: 8 values of 4 CPUs saved\n");
}

TEST(a_register_that_some_cpus_have_is_restored_there, make_node, remove_node)
{
	add_register(0x1B0, 0xF, ABSENT, 2)->values[1] = 5;
	assert_int_equal(RUN(), 0);
	assert_int_equal(lines_of(said), 1);
	assert_said("0x000001B0, CPUs 2-3: ");
	disturb();
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(find(0x1B0)->values[1] & 0xF, 5);
}

TEST(a_cpu_that_leaves_while_it_is_saved_is_named, make_node, remove_node)
{
	struct state state;

	node.leaving_batch = 1;
	assert_int_equal(RUN(), 1);
	assert_string_equal(said, "msrsave: CPU 2: went offline meanwhile: not saved\n");
	state = load();
	assert_int_equal(msr_safe_cpus_count(&state.cpus), 3);
	assert_false(msr_safe_cpus_has(&state.cpus, 2));
	assert_int_equal(state.count, 6);
	state_free(&state);
}

TEST(if_all_cpus_leave_nothing_is_saved, make_node, remove_node)
{
	node.leaving_batch = 1;
	assert_int_equal(RUN("-c", "2"), 3);
	assert_string_equal(said, "msrsave: CPU 2: went offline meanwhile: not saved\n");
	assert_int_not_equal(access(path, F_OK), 0);
}

TEST(a_cpu_that_leaves_while_it_is_restored_is_named, make_node, remove_node)
{
	uint64_t before;

	before = node.registers[0].values[3];
	assert_int_equal(RUN(), 0);
	disturb();
	node.leaving_batch = 2;
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x00000199, CPU 2: not restored: No such device or address\n");
	assert_said("0x00000610, CPU 2: not restored: ");
	assert_int_equal(node.registers[0].values[3] & 0xFFFF, before & 0xFFFF);
}

TEST(a_cpu_that_comes_while_it_is_restored_is_named, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	disturb();
	node.coming_batch = 1;
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said, "msrsave: CPU 5: came online meanwhile: not restored\n");
	assert_int_equal(node.registers[0].values[3] & 0xFFFF, 0x1003);
	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-3"), 0);
	assert_int_equal(RUN("-r", "-c", "0-3"), 0);
	assert_string_equal(said, "");
}

TEST(cpus_that_came_or_went_are_named_and_the_others_restored, make_node, remove_node)
{
	uint64_t before = node.registers[0].values[1];

	assert_int_equal(RUN(), 0);
	disturb();
	assert_int_equal(msr_safe_cpus_parse(&node.online, "1,3-5"), 0);
	assert_int_equal(RUN("-r"), 1);
	assert_said("msrsave: CPUs 0,2: not online: not restored\n");
	assert_said("msrsave: CPUs 4-5: not in the file: not restored\n");
	assert_int_equal(lines_of(said), 2);
	assert_int_equal(node.registers[0].values[1] & 0xFFFF, before & 0xFFFF);

	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-4"), 0);
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said, "msrsave: CPU 4: not in the file: not restored\n");
	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-2"), 0);
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said, "msrsave: CPU 3: not online: not restored\n");

	assert_int_equal(msr_safe_cpus_parse(&node.online, "4-5"), 0);
	assert_int_equal(RUN("-r"), 3);
	assert_int_equal(node.batches, 0);
}

TEST(only_the_cpus_asked_for_are_saved, make_node, remove_node)
{
	struct state state;

	assert_int_equal(RUN("--cpus", "1-2"), 0);
	state = load();
	assert_int_equal(msr_safe_cpus_count(&state.cpus), 2);
	assert_int_equal(state.count, 4);
	state_free(&state);
	assert_int_equal(RUN("-c", "3-4"), 1);
	assert_string_equal(said, "msrsave: CPU 4: not online: not saved\n");
	unlink(path);
	assert_int_equal(RUN("-c", "4"), 3);
	assert_int_not_equal(access(path, F_OK), 0);
}

TEST(only_the_cpus_asked_for_are_restored, make_node, remove_node)
{
	uint64_t before[4], disturbed[4];

	memcpy(before, node.registers[0].values, sizeof(before));
	assert_int_equal(RUN(), 0);
	disturb();
	memcpy(disturbed, node.registers[0].values, sizeof(before));
	assert_int_equal(RUN("-r", "-c", "1"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.registers[0].values[0], disturbed[0]);
	assert_int_equal(node.registers[0].values[1] & 0xFFFF, before[1] & 0xFFFF);
	assert_int_equal(node.registers[0].values[2], disturbed[2]);
	assert_int_equal(RUN("-r", "-c", "2,9"), 1);
	assert_string_equal(said, "msrsave: CPU 9: not online: not restored\n");
}

/* The list lets more be written now than was saved. */
static void save_and_grow_the_list(void)
{
	unsigned int cpu;

	assert_int_equal(RUN(), 0);
	node.registers[0].mask = 0xFFFFFF;
	for (cpu = 0; cpu < 4; cpu++)
		node.registers[0].values[cpu] = 0x120000;
	node.field_calls = 0;
}

TEST(the_cpus_of_the_file_are_restored_and_others_not_named, make_node, remove_node)
{
	uint64_t before[4], disturbed[4];

	memcpy(before, node.registers[0].values, sizeof(before));
	assert_int_equal(RUN("-c", "1-2"), 0);
	disturb();
	memcpy(disturbed, node.registers[0].values, sizeof(before));
	assert_int_equal(RUN("-r", "-c", "saved"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.registers[0].values[0], disturbed[0]);
	assert_int_equal(node.registers[0].values[1] & 0xFFFF, before[1] & 0xFFFF);
	assert_int_equal(node.registers[0].values[2] & 0xFFFF, before[2] & 0xFFFF);
	assert_int_equal(node.registers[0].values[3], disturbed[3]);
	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-1,3"), 0);
	assert_int_equal(RUN("-r", "-c", "saved"), 1);
	assert_string_equal(said, "msrsave: CPU 2: not online: not restored\n");
	assert_int_equal(RUN("-c", "saved"), 2);
}

TEST(bits_that_were_not_saved_are_left_to_others_who_write_them, make_node, remove_node)
{
	save_and_grow_the_list();
	/* Changed by another program, after they were read and before the write */
	node.other_writer = 0x050000;
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.field_calls, 1);
	assert_int_equal(node.registers[0].values[0], 0x171000);
	assert_int_equal(node.registers[0].values[3], 0x171003);
}

TEST(a_module_without_extended_operations_is_written_by_batches, make_node, remove_node)
{
	save_and_grow_the_list();
	node.no_fields = ENOTTY;
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.registers[0].values[3], 0x121003);

	node.registers[0].values[3] = 0;
	node.no_fields = EINTR;
	assert_int_equal(RUN("-r"), 1);
	assert_non_null(strstr(said, "/dev/cpu/msr_batch: Interrupted system call"));
	assert_non_null(strstr(said, "not known to be restored as a whole"));
}

TEST(a_list_that_changes_while_saving_saves_nothing, make_node, remove_node)
{
	struct stat before, after;

	assert_int_equal(RUN(), 0);
	assert_int_equal(stat(path, &before), 0);
	node.changing_batch = 1;
	assert_int_equal(RUN(), 3);
	assert_string_equal(said,
			    "msrsave: /dev/cpu/msr_allowlist: the list was changed meanwhile\n");
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

TEST(a_list_that_changes_while_restoring_writes_nothing, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	disturb();
	node.changing_batch = 1;
	assert_int_equal(RUN("-r"), 3);
	assert_string_equal(said,
			    "msrsave: /dev/cpu/msr_allowlist: the list was changed meanwhile\n");
	assert_int_equal(node.writes, 0);
}

TEST(a_file_of_another_host_is_refused_unless_forced, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	disturb();
	node.host = "node18";
	assert_int_equal(RUN("-r"), 3);
	assert_said("/state: it was saved on the host node17, and this is node18\n");
	assert_int_equal(node.batches, 0);
	assert_int_equal(RUN("-r", "-n"), 3);
	assert_int_equal(RUN("-r", "--force"), 0);
	assert_int_not_equal(node.writes, 0);
}

TEST(a_host_is_known_by_its_first_label, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	node.host = "node17.cluster.example";
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN(), 0);
	node.host = "node17";
	assert_int_equal(RUN("-r"), 0);
	node.host = "node1";
	assert_int_equal(RUN("-r"), 3);
	node.host = "node177.cluster.example";
	assert_int_equal(RUN("-r"), 3);
}

TEST(a_list_that_lost_nothing_saved_is_no_other, make_node, remove_node)
{
	add_register(0x1B0, 0xF, ABSENT, 0);
	assert_int_equal(RUN("-q"), 0);
	disturb();
	add_register(0x1A2, 0, PLAIN, 0); /* more of it is readable, */
	add_register(0x1A4, 0xF, PLAIN, 0); /* more registers are writable, */
	node.registers[0].mask = 0xFFFFFF; /* more bits of one, */
	node.registers[2].msr = 0x11; /* and of what was not saved, less is there, */
	find(0x1B0)->mask = 0; /* or writable. */
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.registers[0].values[3] & 0xFFFF, 0x1003);
}

TEST(what_a_list_has_lost_is_named_and_the_rest_restored, make_node, remove_node)
{
	uint64_t disturbed;

	assert_int_equal(RUN(), 0);
	disturb();
	node.registers[0].mask = 0xFF00FF;
	node.registers[1].msr = 0x611;
	disturbed = node.registers[0].values[2];
	assert_int_equal(RUN("-r"), 1);
	assert_int_equal(lines_of(said), 2);
	assert_said("0x00000199: the list has bits 0x000000000000FF00 no longer writable: "
		    "not restored\n");
	assert_said("0x00000610: the list has bits 0x00FFFFFF00FFFFFF no longer writable: "
		    "not restored\n");
	assert_int_equal(node.registers[0].values[2], (disturbed & ~UINT64_C(0xFF)) | 0x02);
	assert_int_equal(node.writes, 4);
	/* Nothing is left to restore. */
	node.registers[0].mask = 0;
	assert_int_equal(RUN("-r"), 3);
	assert_int_equal(node.writes, 0);
}

TEST(the_order_of_a_list_is_no_difference, make_node, remove_node)
{
	struct fake first = node.registers[0];

	assert_int_equal(RUN(), 0);
	disturb();
	node.registers[0] = node.registers[1];
	node.registers[1] = first;
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(find(0x199)->values[3] & 0xFFFF, 0x1003);
}

TEST(a_dry_run_prints_what_would_change_and_changes_nothing, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	node.registers[0].values[0] = 0xAB0000;
	node.registers[0].values[1] = 0xAB0000;
	node.registers[1].values[2] ^= 1;
	node.registers[1].values[3] ^= 1;
	assert_int_equal(RUN("-r", "--dry-run"), 0);
	assert_string_equal(printed,
			    "0x00000199, CPU 0: 0x0000000000AB0000 -> 0x0000000000AB1000\n"
			    "0x00000199, CPU 1: 0x0000000000AB0000 -> 0x0000000000AB1001\n"
			    "0x00000610, CPUs 2-3: 0x8100112280334454 -> 0x8100112280334455\n");
	assert_int_equal(node.writes, 0);
	/* And verbose, the same is done. */
	assert_int_equal(RUN("-r", "-v"), 0);
	assert_int_equal(lines_of(printed), 3);
	assert_int_equal(node.writes, 4);
	assert_int_equal(RUN("-rn"), 0);
	assert_string_equal(printed, "");
}

TEST(a_counter_that_runs_on_is_no_error, make_node, remove_node)
{
	add_register(0xE7, UINT64_MAX, COUNTER, 0);
	add_register(0xE8, 0xFFFFFFFFFFFF, SLOW_COUNTER, 0)->values[1] = 0xFFFFFFFFFFFE;
	assert_int_equal(RUN(), 0);
	disturb();
	assert_int_equal(RUN("-r", "-v"), 0);
	assert_string_equal(said, "");
	assert_printed("0x000000E7, CPUs 0-3: restored, and counts on\n");
	assert_printed("0x000000E8, CPUs 0-3: restored, and counts on\n");
	assert_true(find(0xE7)->values[0] < 100000);
}

static void be(const char *maker, unsigned int family, unsigned int model)
{
	node.processor = (struct processor_id){ maker, family, model };
}

TEST(a_log_is_neither_saved_nor_restored, make_node, remove_node)
{
	struct state state;

	be("intel", 6, 0x55);
	add_register(0x19C, 0xAAA, LOG, 0)->values[1] = 0x88832800;
	assert_int_equal(RUN(), 0);
	state = load();
	assert_int_equal(state.count, 2 * 4);
	state_free(&state);
	disturb();
	find(0x19C)->values[1] = 0; /* as the job may */
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	/* The other way about: set anew since */
	find(0x19C)->values[2] = 0x800;
	assert_int_equal(RUN("-r"), 0);
	assert_int_equal(find(0x19C)->values[2], 0x800);
	assert_string_equal(said, "");
}

TEST(with_all_a_log_is_saved_and_restored, make_node, remove_node)
{
	be("intel", 6, 0x55);
	add_register(0x19C, 0xAAA, LOG, 0)->values[1] = 0x800;
	assert_int_equal(RUN("--all"), 0);
	find(0x19C)->values[0] = 0x20;
	assert_int_equal(RUN("-r", "-v"), 0);
	assert_int_equal(find(0x19C)->values[0], 0x20);
	assert_int_equal(RUN("-r", "-a"), 0);
	assert_int_equal(find(0x19C)->values[0], 0);
	find(0x19C)->values[1] = 0;
	assert_int_equal(RUN("-r", "-a"), 1);
	assert_said("0x0000019C, CPU 1: bits 0x0000000000000800 did not take");
	/* Without, it is not missed in the file. */
	assert_int_equal(RUN(), 0);
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("-r", "-a"), 1);
	assert_said("0x0000019C, CPUs 0-3: not in the file: not restored\n");
}

TEST(a_register_is_of_its_kind_on_its_processor_only, make_node, remove_node)
{
	/* A counter of Ivy Bridge-EP is a register of another kind, or none, on other models. */
	add_register(0xD16, 0xFFFF, COUNTER, 0);
	be("intel", 6, 0x3E);
	assert_int_equal(RUN(), 0);
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	be("intel", 6, 0x3F);
	assert_int_equal(RUN("-r"), 1);
	be("", 6, 0x3E); /* another maker's */
	assert_int_equal(RUN("-r"), 1);
}

TEST(a_known_counter_is_no_failure_however_it_counts, make_node, remove_node)
{
	be("amd", 0x19, 0x11);
	add_register(0xC0010201, 0x0000FFFFFFFFFFFF, RUNAWAY, 0);
	find(0xC0010201)->values[0] = 1;
	assert_int_equal(RUN(), 0);
	memset(find(0xC0010201)->values, 0, 4 * sizeof(uint64_t)); /* restarted: below */
	assert_int_equal(RUN("-r", "-v"), 0);
	assert_string_equal(said, "");
	assert_printed("0xC0010201, CPUs 0-3: restored, and counts on\n");
}

TEST(a_known_register_that_is_none_is_not_taken_for_a_counter, make_node, remove_node)
{
	be("intel", 6, 0x8F);
	add_register(0x1AD, UINT64_MAX, COUNTER, 0);
	assert_int_equal(RUN(), 0);
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x000001AD, CPU 0: bits ");
	assert_int_equal(node.pauses, 0);
}

TEST(what_the_cpufreq_driver_changes_is_no_failure, make_node, remove_node)
{
	be("intel", 6, 0x8F);
	node.registers[0].kind = STUCK;
	node.registers[0].limit = 0x00FF;
	assert_int_equal(RUN(), 0);
	node.registers[0].values[2] ^= 0x0101;
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x00000199, CPU 2: bits 0x0000000000000001 did not take");
	node.cpufreq = true;
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "msrsave: Warning: 0x00000199, CPU 2: the cpufreq driver writes "
				  "it too: 0x0000000000001002 was written, 0x0000000000001003 is "
				  "read\n");
	assert_int_equal(RUN("-r", "-q"), 0);
	assert_string_equal(said, "");
	/* It has nothing to do with other registers. */
	node.registers[1].kind = STUCK;
	node.registers[1].limit = 1;
	node.registers[1].values[0] ^= 1;
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x00000610, CPU 0: bits 0x0000000000000001 did not take");
}

TEST(what_does_not_take_is_told_register_by_register, make_node, remove_node)
{
	add_register(0x1A0, 0xFF, STUCK, 0x3);
	add_register(0x1A4, 0xFF, CLAMPED, 0x20);
	assert_int_equal(RUN(), 0);
	disturb();
	memset(find(0x1A0)->values, 0, 4 * sizeof(uint64_t));
	memset(find(0x1A4)->values, 0, 4 * sizeof(uint64_t));
	assert_int_equal(RUN("-r"), 0);

	find(0x1A0)->values[1] = 7;
	find(0x1A0)->values[2] = 7;
	assert_int_equal(RUN("-r"), 1);
	assert_int_equal(node.writes, 2 * 2);
	assert_string_equal(said,
			    "msrsave: 0x000001A0, CPUs 1-2: bits 0x0000000000000003 did not take: "
			    "0x0000000000000000 was written, 0x0000000000000003 is read\n");
	memset(find(0x1A0)->values, 0, 4 * sizeof(uint64_t));

	find(0x1A4)->limit = UINT64_MAX;
	find(0x1A4)->values[0] = 0x35;
	assert_int_equal(RUN(), 0);
	find(0x1A4)->limit = 0x20;
	find(0x1A4)->values[0] = 0;
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x000001A4, CPU 0: bits 0x0000000000000015 did not take: ");
	assert_int_equal(lines_of(said), 1);
}

TEST(what_goes_to_and_fro_is_not_taken_for_a_counter, make_node, remove_node)
{
	add_register(0x620, 0xFF, PLAIN, 0);
	assert_int_equal(RUN(), 0);
	find(0x620)->kind = TOGGLING;
	find(0x620)->limit = 0x10;
	memset(find(0x620)->values, 0x10, 4 * sizeof(uint64_t));
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x00000620, CPUs 0-3: bits 0x0000000000000011 did not take: ");
}

TEST(what_is_right_at_times_is_not_restored, make_node, remove_node)
{
	add_register(0x620, 0xFF, PLAIN, 0);
	assert_int_equal(RUN(), 0);
	find(0x620)->kind = RETURNING;
	memset(find(0x620)->values, 0x10, 4 * sizeof(uint64_t));
	node.pauses = 0;
	assert_int_equal(RUN("-r"), 1);
	assert_said("0x00000620, CPUs 0-3: bits 0x0000000000000010 did not take: ");
}

TEST(forced_and_quiet_nothing_is_said_of_the_file, make_node, remove_node)
{
	assert_int_equal(RUN(), 0);
	node.host = "node18";
	assert_int_equal(RUN("-r", "-f"), 0);
	assert_int_equal(lines_of(said), 1);
	assert_int_equal(RUN("-r", "-f", "-q"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("-r", "-q"), 3);
	assert_int_equal(lines_of(said), 1);
}

TEST(a_register_that_depends_on_a_later_one_is_written_again, make_node, remove_node)
{
	add_register(0x770, 0xFF, DEPENDENT, 0x771)->values[0] = 0x42;
	add_register(0x771, 1, PLAIN, 0)->values[0] = 1;
	assert_int_equal(RUN(), 0);
	find(0x770)->values[0] = 0x17;
	find(0x771)->values[0] = 0;
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.batches, 5); /* read, write, read, write, read */
	assert_int_equal(find(0x770)->values[0], 0x42);
	assert_int_equal(find(0x771)->values[0], 1);
}

TEST(a_register_that_faults_before_a_later_one_is_written_again, make_node, remove_node)
{
	add_register(0x770, 0xFF, FAULTING_FIRST, 0x771)->values[0] = 0x42;
	add_register(0x771, 1, PLAIN, 0)->values[0] = 1;
	assert_int_equal(RUN(), 0);
	find(0x770)->values[0] = 0x17;
	find(0x771)->values[0] = 0;
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.batches, 5); /* read, write, read, write, read */
	assert_int_equal(find(0x770)->values[0], 0x42);
	assert_int_equal(find(0x771)->values[0], 1);
}

TEST(a_register_that_was_not_saved_is_told, make_node, remove_node)
{
	uint64_t before = node.registers[1].values[3];

	add_register(0x620, 0xFF, UNREADABLE, 2)->values[1] = 0x18;
	assert_int_equal(RUN(), 1);
	assert_string_equal(said, "msrsave: 0x00000620, CPUs 2-3: Operation not permitted\n");
	find(0x620)->kind = PLAIN;
	disturb();
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said, "msrsave: 0x00000620, CPUs 2-3: not in the file: not restored\n");
	assert_int_equal(find(0x620)->values[1] & 0xFF, 0x18);
	assert_int_equal(node.registers[1].values[3] & node.registers[1].mask,
			 before & node.registers[1].mask);
	assert_int_equal(RUN("-r", "-n"), 1);
	assert_int_equal(RUN("-r", "-c", "0-1"), 0);
	assert_string_equal(said, "");
}

TEST(a_register_too_narrow_for_a_counter_is_none, make_node, remove_node)
{
	add_register(0x638, 0x7FFF, COUNTER, 0);
	add_register(0x639, 0x7FFFFFFF, COUNTER, 0);
	add_register(0x611, 0xFFFFFFFF, COUNTER, 0);
	assert_int_equal(RUN(), 0);
	assert_int_equal(RUN("-r"), 1);
	assert_int_equal(lines_of(said), 2 * 4);
	assert_said("0x00000638, CPU 0: bits ");
	assert_said("0x00000639, CPU 3: bits ");
}

/* Saves a register that was @saved on all CPUs; it held @held, and was of a kind, later. */
static int restore_one(uint64_t mask, uint64_t saved, uint64_t held, enum conduct kind,
		       uint64_t limit)
{
	struct fake *fake = add_register(0x620 + node.count, mask, PLAIN, limit);
	unsigned int cpu;
	int status;

	for (cpu = 0; cpu < 4; cpu++)
		fake->values[cpu] = saved;
	assert_int_equal(RUN(), 0);
	for (cpu = 0; cpu < 4; cpu++)
		fake->values[cpu] = held;
	fake->kind = kind;
	status = RUN("-r");
	/* Whatever became of it, it is no concern of the next. */
	fake->kind = PLAIN;
	return status;
}

TEST(what_is_only_higher_than_was_written_is_no_counter, make_node, remove_node)
{
	assert_int_equal(restore_one(UINT64_MAX, 0x100, 0x300, STUCK, UINT64_MAX), 1);
	assert_said("CPUs 0-3: bits 0x0000000000000200 did not take: ");
	assert_int_equal(restore_one(0xFFFFFFFF, 0x100, 0xAB00000300, STUCK, 0xFFFFFFFF), 1);
	assert_said("0x0000000000000100 was written, 0x0000000000000300 is read\n");
}

TEST(what_falls_at_times_is_no_counter, make_node, remove_node)
{
	assert_int_equal(restore_one(UINT64_MAX, 0, 0x10, TOGGLING, 0x10), 1);
	assert_said("bits 0x0000000000000011 did not take: ");
}

TEST(what_counts_below_what_was_written_is_no_counter, make_node, remove_node)
{
	assert_int_equal(restore_one(UINT64_MAX, 1 << 30, 0, RUNAWAY, 0), 1);
	assert_said(" did not take: 0x0000000040000000 was written, ");
}

TEST(a_mask_with_a_gap_is_not_of_a_counter, make_node, remove_node)
{
	assert_int_equal(restore_one(0xFFFFFFFF0000FFFF, 0, 1, COUNTER, 0), 1);
	assert_int_equal(restore_one(0xFFFFFFFFFFFFFFF0, 0, 0x100, COUNTER, 0), 1);
	assert_int_equal(restore_one(0xFFFFFFFFFFFFFFFF, 0, 0x100, COUNTER, 0), 0);
}

TEST(what_no_file_can_name_of_a_host_does_no_harm, make_node, remove_node)
{
	node.host = "n\xC3\xB6"
		    "de\n\x7F";
	assert_int_equal(RUN(), 0);
	disturb();
	assert_int_equal(RUN("-r"), 0);
	assert_string_equal(said, "");
	assert_int_equal(node.registers[0].values[3] & 0xFFFF, 0x1003);
}

TEST(a_file_that_a_crash_may_undo_is_told, make_node, remove_node)
{
	node.failing_fsync = 2;
	assert_int_equal(RUN(), 1);
	assert_said("/state: saved, but a crash may undo it: Input/output error\n");
	assert_int_equal(RUN("-r"), 0);
	node.failing_fsync = 3;
	assert_int_equal(RUN(), 3);
	assert_said("/state: Input/output error\n");
}

TEST(a_write_that_faults_is_told_and_the_rest_restored, make_node, remove_node)
{
	uint64_t before = node.registers[0].values[0];

	add_register(0x6E1, UINT64_MAX, FAULTING, 0);
	assert_int_equal(RUN(), 0);
	disturb();
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said,
			    "msrsave: 0x000006E1, CPUs 0-3: not restored: Input/output error\n");
	assert_int_equal(node.registers[0].values[0] & 0xFFFF, before & 0xFFFF);
	assert_int_equal(RUN("-r", "-q"), 1);
	assert_int_equal(lines_of(said), 1);
}

TEST(a_register_that_is_gone_is_told, make_node, remove_node)
{
	add_register(0x1B0, 0xF, PLAIN, 0);
	assert_int_equal(RUN(), 0);
	find(0x1B0)->kind = ABSENT;
	assert_int_equal(RUN("-r"), 1);
	assert_string_equal(said,
			    "msrsave: 0x000001B0, CPUs 0-3: not restored: Input/output error\n");
	assert_int_equal(RUN("-r", "-n"), 1);
}

TEST(a_batch_that_fails_is_told, make_node, remove_node)
{
	node.failure = ESTALE;
	node.failing_batch = 1;
	assert_int_equal(RUN(), 3);
	assert_said("msrsave: /dev/cpu/msr_batch: Stale file handle\n");
	assert_int_not_equal(access(path, F_OK), 0);
	node.failing_batch = 0;
	assert_int_equal(RUN(), 0);
	disturb();
	node.failing_batch = 1;
	assert_int_equal(RUN("-r"), 3);
	assert_said("Stale file handle");
	node.failing_batch = 2;
	assert_int_equal(RUN("-r"), 1);
	node.failing_batch = 3;
	assert_int_equal(RUN("-r"), 1);
	assert_said("msrsave: /dev/cpu/msr_batch: Stale file handle\n");
	assert_said("/state: not known to be restored as a whole\n");
	assert_int_equal(lines_of(said), 2);
}

TEST(without_a_device_nothing_is_done, make_node, remove_node)
{
	node.no_batch = true;
	assert_int_equal(RUN(), 3);
	assert_said("msrsave: /dev/cpu/msr_batch: Permission denied\n");
	node.no_batch = false;
	node.no_list = true;
	assert_int_equal(RUN(), 3);
	assert_said("msrsave: /dev/cpu/msr_allowlist: Permission denied\n");
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(RUN("-r"), 3);
	assert_said("/state: No such file or directory\n");
	node.no_list = false;
	node.no_online = true;
	assert_int_equal(RUN(), 3);
	assert_string_equal(said, "msrsave: the CPUs that are online: Protocol error\n");
	assert_int_not_equal(access(path, F_OK), 0);

	node.no_online = false;
	assert_int_equal(RUN(), 0);
	node.no_online = true;
	assert_int_equal(RUN("-r"), 3);
	node.no_online = false;
	node.no_list = true;
	assert_int_equal(RUN("-r"), 3);
	node.no_batch = true;
	assert_int_equal(RUN("-r"), 3);
	assert_said("msrsave: /dev/cpu/msr_batch: Permission denied\n");
}

TEST(an_obstacle_is_seen_before_registers_are_read, make_node, remove_node)
{
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(RUN(), 3);
	assert_said("/state: it is a symbolic link\n");
	assert_int_equal(node.batches, 0);
}

TEST(an_empty_list_is_nothing_to_save, make_node, remove_node)
{
	size_t count = node.count;

	node.count = 0;
	assert_int_equal(RUN("-q"), 0);
	assert_string_equal(said, "");
	assert_int_equal(RUN("-v"), 0);
	assert_string_equal(said, "msrsave: /dev/cpu/msr_allowlist: Warning: no register that "
				  "can be saved is writable: there is nothing to save\n");
	assert_printed("/state: 0 values of 4 CPUs saved\n");
	assert_int_equal(RUN("-r"), 0);
	node.count = count;
}

TEST(more_than_a_file_can_hold_is_refused, make_node, remove_node)
{
	int i;

	assert_int_equal(msr_safe_cpus_parse(&node.online, "0-65535"), 0);
	for (i = 0; i < 63; i++)
		add_register(0x1000 + i, 1, PLAIN, 0);
	assert_int_equal(RUN(), 3);
	assert_said("File too large");
	assert_int_equal(node.batches, 0);
}

int __real_main(int argc, char **argv);

/* What the program exits with, given an option */
static int exit_status(const char *option)
{
	char *argv[] = { (char *)"msrsave", (char *)option, NULL };
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		optind = 0;
		_exit(__real_main(2, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(a_wrong_line_exits_with_2, make_node, remove_node)
{
	assert_int_equal(exit_status("--what"), USAGE);
	assert_int_equal(USAGE, 2);
}

TEST(help_and_version_exit_with_0, make_node, remove_node)
{
	assert_int_equal(exit_status("--help"), 0);
	assert_int_equal(exit_status("--version"), 0);
}
