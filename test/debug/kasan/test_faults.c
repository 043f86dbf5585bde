// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every failure on every path: a call is made again and again, and each time the next
 * of the allocations and copies that the module asks of the kernel on its way fails,
 * until the call gets through without. For a kernel with fault injection. Starts
 * without the module.
 */

#include <dirent.h>
#include <limits.h>

#include "../../guest/guest.h"

#define MAX_FAULTS 2000

static const char *const faults[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

static void set_fault(const char *fault, const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", fault, name);
	assert_int_equal(write_file(path, value), 0);
}

/* A line of a file of the kernel's that begins so, or that has this in it */
static bool find_line(const char *path, const char *text, char *line, size_t size)
{
	FILE *file = fopen(path, "r");
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(line, size, file))
		found = strstr(line, text);
	if (!found)
		line[0] = '\0';
	fclose(file);
	return found;
}

static void set_fault_address(const char *name, uint64_t address)
{
	char text[32];
	unsigned int i;

	snprintf(text, sizeof(text), "%#" PRIx64, address);
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		set_fault(faults[i], name, text);
}

/* Faults are for what is called from code between two addresses. */
static void set_range(uint64_t start, uint64_t end)
{
	set_fault_address("require-start", start);
	set_fault_address("require-end", end);
}

/* A function of the kernel's, which takes up no more than FUNCTION_SIZE */
#define FUNCTION_SIZE 0x400

static uint64_t address_of(const char *function)
{
	unsigned long long start;
	char line[256], end[64];

	snprintf(end, sizeof(end), " %s\n", function);
	assert_true(find_line("/proc/kallsyms", end, line, sizeof(line)));
	assert_int_equal(sscanf(line, "%llx", &start), 1);
	return start;
}

/* Allocations of kmemleak itself do not fail: it prints where it must not. */
static void spare_kmemleak(void)
{
	static const char *const functions[] = {
		"kmemleak_alloc",
		"kmemleak_vmalloc",
		"kmemleak_scan_area",
		"kmemleak_free",
	};
	uint64_t start = UINT64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		uint64_t address = address_of(functions[i]);

		start = address < start ? address : start;
		end = address > end ? address : end;
	}
	set_fault_address("reject-start", start);
	set_fault_address("reject-end", end + FUNCTION_SIZE);
}

static int set_up_faults(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		set_fault(faults[i], "verbose", "0"); /* it would print stacks */
	set_fault("failslab", "ignore-gfp-wait", "N");
	set_fault("fail_page_alloc", "ignore-gfp-wait", "N");
	set_fault("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_fault("fail_page_alloc", "min-order", "0");
	spare_kmemleak();
	return 0;
}

/* The module's own code, once it is loaded */
static void fail_in_module(void)
{
	unsigned long long start;
	unsigned long size;
	char line[256];

	assert_true(find_line("/proc/modules", "msr_safe ", line, sizeof(line)));
	assert_int_equal(sscanf(line, "msr_safe %lu %*s %*s %*s %llx", &size, &start), 2);
	assert_true(start);
	set_range(start, start + size);
}

/* A function that the kernel calls */
static void fail_below(const char *function)
{
	uint64_t start = address_of(function);

	set_range(start, start + FUNCTION_SIZE);
}

/* The nth fault from now on in a thread: its own, or another's */
static int fail_fd = -1;

static void set_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fail_fd, text, len, 0) != len)
		abort();
}

/* Return: whether the fault has happened. */
static bool had_fault(void)
{
	char text[16] = "";

	assert_true(pread(fail_fd, text, sizeof(text) - 1, 0) > 0);
	set_nth(0);
	return atoi(text) == 0;
}

static void faults_in(const char *thread)
{
	char path[64];

	if (fail_fd >= 0)
		close(fail_fd);
	snprintf(path, sizeof(path), "/proc/%s/fail-nth", thread);
	fail_fd = open_path(path, O_RDWR);
}

/*
 * A call, and what is to hold after it: @err is 0 or the errno. Without a fault it must
 * be @success. Returns how many faults there were.
 */
struct path {
	void (*before)(void);
	int (*call)(void);
	void (*after)(int err);
	int success;
};

static unsigned int fail_each(const struct path *path)
{
	unsigned int nth;

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		bool happened;
		int err;

		if (path->before)
			path->before();
		set_nth(nth);
		err = path->call();
		happened = had_fault();
		path->after(err);
		if (!happened) {
			assert_int_equal(err, path->success);
			print_message("# %u faults\n", nth - 1);
			return nth - 1;
		}
	}
	fail_msg("more than %u faults on one path", MAX_FAULTS);
	return 0;
}

/* The lists: which of them is in force is told by what may be read. */

enum list { LIST_OLD, LIST_NEW, LIST_EMPTY };

static const char old_list[] = "0x402 0xffffffffffffffff\n";
static const char *new_list;
static unsigned int seen[3];

static bool can_read(uint32_t msr)
{
	int fd = open_cpu(0, "msr_safe", O_RDONLY);
	uint64_t value;
	bool can = pread(fd, &value, sizeof(value), msr) == sizeof(value);

	close(fd);
	return can;
}

static enum list list_in_force(void)
{
	bool old = can_read(STORE_A), new = can_read(STORE_B);

	assert_false(old && new);
	return old ? LIST_OLD : new ? LIST_NEW : LIST_EMPTY;
}

static void load_old_list(void)
{
	load_list(old_list);
	assert_int_equal(list_in_force(), LIST_OLD);
}

static int write_new_list(void)
{
	int fd = open(LIST_PATH, O_WRONLY), err;

	if (fd < 0)
		return errno;
	err = write(fd, new_list, strlen(new_list)) < 0 ? errno : 0;
	close(fd);
	return err;
}

/* No memory for the text keeps the list, none for the table leaves it empty. */
static void new_list_is_whole_or_refused(int err)
{
	enum list list = list_in_force();

	seen[list]++;
	switch (err) {
	case 0:
		assert_int_equal(list, LIST_NEW);
		break;
	case EFAULT:
		assert_int_equal(list, LIST_OLD);
		break;
	default:
		assert_int_equal(err, ENOMEM);
		assert_int_not_equal(list, LIST_NEW);
	}
}

static unsigned int fail_new_list(const char *text)
{
	static const struct path path = {
		.before = load_old_list,
		.call = write_new_list,
		.after = new_list_is_whole_or_refused,
	};

	new_list = text;
	memset(seen, 0, sizeof(seen));
	return fail_each(&path);
}

static int load_and_aim(void **state)
{
	(void)state;
	assert_int_equal(load_module(""), 0);
	fail_in_module();
	faults_in("thread-self");
	return 0;
}

static int unload_at_end(void **state)
{
	(void)state;
	unload_module();
	set_online(1, true);
	return 0;
}

TEST(a_fault_in_writing_a_list_keeps_the_old_or_empties_it, load_and_aim, unload_at_end)
{
	unsigned int round;

	/*
	 * Some things the kernel gets only now and then: where it does in one call and
	 * not in the next, a fault is passed over. Another round comes to it.
	 */
	for (round = 0; round == 0 || (round < 10 && !seen[LIST_EMPTY]); round++) {
		/* text, copy, old list, table */
		assert_true(fail_new_list("0x406 0\n") >= 4);
		assert_true(seen[LIST_OLD] >= 3);
	}
	assert_true(seen[LIST_EMPTY] >= 1);
}

TEST(a_fault_in_writing_a_long_list_keeps_the_old_or_empties_it, load_and_aim, unload_at_end)
{
	static char text[128 * 1024];
	unsigned int i, len;

	len = snprintf(text, sizeof(text), "0x406 0\n");
	for (i = 0; i < 5000; i++)
		len += snprintf(text + len, sizeof(text) - len, "%#x 0\n", 0x10000 + i);
	/* A large allocation has a second way when the first fails: no empty list here. */
	assert_true(fail_new_list(text) >= 4);
	assert_true(seen[LIST_OLD] >= 3);
}

/* A text that the first pass refuses keeps the list, whatever else goes wrong. */
static void refused_text_keeps_the_list(int err)
{
	assert_true(err == EILSEQ || err == ENOMEM || err == EFAULT);
	assert_int_equal(list_in_force(), LIST_OLD);
}

TEST(a_fault_in_refusing_a_list_keeps_the_old, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.before = load_old_list,
		.call = write_new_list,
		.after = refused_text_keeps_the_list,
		.success = EILSEQ,
	};

	new_list = "0x406";
	assert_true(fail_each(&path) >= 2);
}

static void a_list_with_a_duplicate_is_refused_or_emptied(int err)
{
	enum list list = list_in_force();

	if (err == ENOTUNIQ) {
		assert_int_equal(list, LIST_EMPTY);
	} else {
		assert_true(err == ENOMEM || err == EFAULT);
		assert_int_not_equal(list, LIST_NEW);
	}
}

TEST(a_fault_in_a_list_with_a_duplicate_never_lists_it, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.before = load_old_list,
		.call = write_new_list,
		.after = a_list_with_a_duplicate_is_refused_or_emptied,
		.success = ENOTUNIQ,
	};

	new_list = "0x406 0\n0x406 0\n";
	assert_true(fail_each(&path) >= 4);
}

static void the_list_is_cleared_or_stays(int err)
{
	if (err)
		assert_true(err == ENOMEM || err == EFAULT);
	assert_int_equal(list_in_force(), err ? LIST_OLD : LIST_EMPTY);
}

TEST(a_fault_in_clearing_the_list_keeps_it, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.before = load_old_list,
		.call = write_new_list,
		.after = the_list_is_cleared_or_stays,
	};

	new_list = "\n";
	assert_true(fail_each(&path) >= 3);
}

/* Reading a device from the open to the close */

static const char *read_path;
static ssize_t got_bytes;
static char got_text[256];

static int read_device(void)
{
	int fd = open(read_path, O_RDONLY), err = 0;

	if (fd < 0)
		return errno;
	got_bytes = read(fd, got_text, sizeof(got_text));
	if (got_bytes < 0)
		err = errno;
	close(fd);
	return err;
}

static void the_list_is_read_or_not(int err)
{
	static const char expected[] = "# MSR      Write mask\n0x00000402 0xFFFFFFFFFFFFFFFF\n";

	if (err) {
		assert_true(err == ENOMEM || err == EFAULT);
	} else {
		assert_int_equal(got_bytes, strlen(expected));
		assert_memory_equal(got_text, expected, strlen(expected));
	}
}

TEST(a_fault_in_reading_the_list_says_so, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.call = read_device,
		.after = the_list_is_read_or_not,
	};

	load_old_list();
	read_path = LIST_PATH;
	assert_true(fail_each(&path) >= 1); /* the open's */
	fail_below("ksys_read");
	assert_true(fail_each(&path) >= 2); /* the buffer, the copy */
	assert_int_equal(list_in_force(), LIST_OLD);
}

static void the_version_is_read_or_not(int err)
{
	if (err)
		assert_int_equal(err, EFAULT);
	else
		assert_memory_equal(got_text, "2.1.0\n", 6);
}

TEST(a_fault_in_reading_the_version_says_so, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.call = read_device,
		.after = the_version_is_read_or_not,
	};

	read_path = "/dev/cpu/msr_version";
	fail_below("ksys_read");
	assert_true(fail_each(&path) >= 1);
}

/* Batches */

static struct msr_batch_op *ops, *untouched;
static unsigned int nr_ops, nr_cpus;

static void fill_ops(void)
{
	unsigned int i, cpu;

	for (i = 0; i < nr_ops; i++) {
		ops[i] = write_op(i % nr_cpus, STORE_A, 0xbad);
		ops[i].err = 77;
	}
	memcpy(untouched, ops, nr_ops * sizeof(*ops));
	for (cpu = 0; cpu < nr_cpus; cpu++)
		poke(cpu, STORE_A, 0x600d);
}

static int run_ops(void)
{
	return run_batch(ops, nr_ops) ? errno : 0;
}

static void all_or_nothing_was_executed(int err)
{
	unsigned int i, cpu;

	if (err)
		assert_true(err == E2BIG || err == ENOMEM);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		assert_int_equal(peek(cpu, STORE_A), err ? 0x600d : 0xbad);
	if (err) {
		assert_memory_equal(ops, untouched, nr_ops * sizeof(*ops));
		return;
	}
	for (i = 0; i < nr_ops; i++)
		assert_int_equal(ops[i].err, 0);
}

static unsigned int fail_batch(unsigned int count, unsigned int cpus)
{
	static const struct path path = {
		.before = fill_ops,
		.call = run_ops,
		.after = all_or_nothing_was_executed,
	};
	unsigned int nr_faults;

	load_old_list();
	nr_ops = count;
	nr_cpus = cpus;
	ops = calloc(count, sizeof(*ops));
	untouched = calloc(count, sizeof(*ops));
	nr_faults = fail_each(&path);
	free(ops);
	free(untouched);
	return nr_faults;
}

TEST(a_small_batch_can_have_no_fault, load_and_aim, unload_at_end)
{
	assert_int_equal(fail_batch(1, 1), 0);
	assert_int_equal(fail_batch(16, 1), 0);
	assert_int_equal(fail_batch(16, 4), 0);
}

TEST(a_fault_in_a_batch_executes_nothing, load_and_aim, unload_at_end)
{
	assert_true(fail_batch(17, 1) >= 1); /* the operations */
	assert_true(fail_batch(17, 4) >= 2); /* and their queues */
	assert_true(fail_batch(5000, 4) >= 2);
}

TEST(a_fault_in_the_largest_batch_executes_nothing, load_and_aim, unload_at_end)
{
	assert_true(fail_batch(MSR_BATCH_MAX_OPS, 4) >= 2);
}

/* Extended operations, and sessions */

#define PARAMETERS "/sys/module/msr_safe/parameters/"

static struct msr_op *extended_ops;
static bool waits;

static int run_extended(void)
{
	struct msr_ops head = head_of(extended_ops, nr_ops, 0);
	int fd = open_path("/dev/cpu/msr_sample", O_RDONLY);
	int err = 0;

	if (waits) {
		extended_ops[0].flags = MSR_OP_POLL;
		extended_ops[0].data = ~UINT64_C(0);
		extended_ops[0].limit_us = 1000;
	}
	if (ioctl(fd, MSR_IOC_OPS, &head))
		err = errno;
	close(fd);
	return err;
}

static void extended_ops_were_executed_or_not(int err)
{
	unsigned int i;

	if (err)
		assert_true(err == ENOMEM || err == EFAULT);
	for (i = 0; i < nr_ops; i++) {
		if (!err)
			assert_int_equal(extended_ops[i].err, 0);
		extended_ops[i] = extended_read(i % 4, STORE_A);
	}
}

/* Prepares, maps, runs and samples. Return: the errno of what fails first. */
static int use_session(void)
{
	struct msr_start start = { .size = sizeof(start), .period_ns = 100000 };
	struct msr_ops head = head_of(extended_ops, nr_ops, 4);
	int device = open_path("/dev/cpu/msr_sample", O_RDONLY), fd, err = 0;
	struct msr_run run = { .size = sizeof(run) };
	void *map;

	fd = ioctl(device, MSR_IOC_PREPARE, &head);
	if (fd < 0)
		err = errno;
	close(device);
	if (fd < 0)
		return err;
	map = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || ioctl(fd, MSR_IOC_RUN, &run) || ioctl(fd, MSR_IOC_START, &start) ||
	    ioctl(fd, MSR_IOC_STOP, 0))
		err = errno;
	if (map != MAP_FAILED)
		munmap(map, head.map_len);
	close(fd);
	return err;
}

/* Were one left, it would be the only one that there may be, and the next one EMFILE. */
static void no_session_is_left(int err)
{
	unsigned int i;

	if (err)
		assert_true(err == ENOMEM || err == EFAULT);
	for (i = 0; i < nr_ops; i++)
		extended_ops[i] = extended_read(i % 4, STORE_A);
}

static unsigned int fail_extended(unsigned int count, const struct path *path)
{
	unsigned int nr_faults;

	load_old_list();
	nr_ops = count;
	extended_ops = calloc(count, sizeof(*extended_ops));
	path->after(0);
	nr_faults = fail_each(path);
	free(extended_ops);
	return nr_faults;
}

TEST(a_fault_in_extended_operations_is_an_error, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.call = run_extended,
		.after = extended_ops_were_executed_or_not,
	};

	waits = false;
	assert_true(fail_extended(16, &path) >= 1); /* the copy */
	assert_true(fail_extended(17, &path) >= 3); /* and memory for operations and queues */
	assert_true(fail_extended(500, &path) >= 3);
	waits = true;
	assert_true(fail_extended(16, &path) >= 1);
	assert_true(fail_extended(17, &path) >= 3);
}

/* No more than one session, and no more memory than that of one of @kib */
static void limit_sessions(const char *kib)
{
	assert_int_equal(write_file(PARAMETERS "session_max", "1"), 0);
	assert_int_equal(write_file(PARAMETERS "session_max_kib", kib), 0);
}

TEST(a_fault_in_a_session_leaves_none, load_and_aim, unload_at_end)
{
	static const struct path path = { .call = use_session, .after = no_session_is_left };

	/* A page, and for each of four CPUs one more */
	limit_sessions("20");
	/* The preparation, the session, its operations, its records, its queues, its timers */
	assert_true(fail_extended(4, &path) >= 6);
	assert_true(fail_extended(64, &path) >= 6);
	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module(""), 0);
}

/* Nothing is mapped here, so the kernel makes page tables for what comes. */
#define FRESH ((void *)0x200000000000)

static int session_fd;
static size_t session_len;

static int map_session(void)
{
	void *map = mmap(FRESH, session_len, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 session_fd, 0);

	return map == MAP_FAILED ? errno : 0;
}

static void the_session_is_mapped_as_a_whole_or_not(int err)
{
	struct msr_run run = { .size = sizeof(run) };
	const struct msr_ring *ring = FRESH;
	unsigned char there;

	if (err) {
		assert_int_equal(err, ENOMEM);
		assert_fails(mincore(FRESH, session_len, &there), ENOMEM);
	} else {
		assert_int_equal(ring->cpus, 4);
		assert_int_equal(munmap(FRESH, session_len), 0);
	}
	assert_int_equal(ioctl(session_fd, MSR_IOC_RUN, &run), 0);
}

TEST(a_fault_in_mapping_a_session_maps_nothing, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.call = map_session,
		.after = the_session_is_mapped_as_a_whole_or_not,
	};
	int device = open_path("/dev/cpu/msr_sample", O_RDONLY);
	struct msr_op four[4];
	struct msr_ops head = head_of(four, 4, 4);
	unsigned int i;

	load_old_list();
	for (i = 0; i < 4; i++)
		four[i] = extended_read(i, STORE_A);
	session_fd = ioctl(device, MSR_IOC_PREPARE, &head);
	assert_true(session_fd >= 0);
	session_len = head.map_len;
	assert_true(fail_each(&path) >= 3); /* three levels of page tables */
	close(session_fd);
	close(device);
}

TEST(an_access_to_one_register_can_have_no_fault, load_and_aim, unload_at_end)
{
	int fd = open_cpu(0, "msr_safe", O_RDWR);
	uint64_t value;

	load_old_list();
	set_nth(1);
	assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), sizeof(value));
	assert_int_equal(pwrite(fd, &value, sizeof(value), STORE_A), sizeof(value));
	assert_false(had_fault());
	close(fd);
}

/* CPUs that come online: their device is made by a thread of the kernel's. */

static pid_t thread_named(const char *name)
{
	char path[300], line[64];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid = 0;

	assert_non_null(dir);
	while (!pid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) && !access(path, R_OK) &&
		    find_line(path, name, line, sizeof(line)))
			pid = atoi(entry->d_name);
	}
	closedir(dir);
	assert_true(pid);
	return pid;
}

static void take_cpu_1_off(void)
{
	assert_int_equal(set_online(1, false), 0);
	assert_int_not_equal(access("/dev/cpu/1/msr_safe", F_OK), 0);
}

static int take_cpu_1_on(void)
{
	return -set_online(1, true);
}

/*
 * The kernel gets by without some of what it asks for on the way: it makes a device
 * whose node is missing below /dev, or which udev is not told of.
 */
static void the_cpu_came_with_its_device_or_not(int err)
{
	if (err)
		assert_int_equal(err, ENOMEM);
	assert_int_equal(cpus_online(), err ? 3 : 4);
	assert_int_equal(access("/sys/class/msr_safe/cpu!1!msr_safe", F_OK), err ? -1 : 0);

	assert_int_equal(set_online(1, false), 0);
	assert_int_equal(set_online(1, true), 0);
	assert_int_equal(access("/dev/cpu/1/msr_safe", F_OK), 0);
}

TEST(a_fault_in_making_a_cpus_device_keeps_the_cpu_off_line, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.before = take_cpu_1_off,
		.call = take_cpu_1_on,
		.after = the_cpu_came_with_its_device_or_not,
	};
	char thread[16];

	snprintf(thread, sizeof(thread), "%d", thread_named("cpuhp/1"));
	faults_in(thread);
	assert_true(fail_each(&path) >= 5);
}

/* Loading */

/* With parameters that take memory of their own */
static int load_it(void)
{
	return -load_module("cpus=0-3 class_gids=5001,5002");
}

static void it_is_loaded_or_nothing_is_left(int err)
{
	if (err) {
		assert_int_equal(err, ENOMEM);
	} else {
		assert_int_equal(access("/sys/class/msr_allowlist/cpu!msr_allowlist", F_OK), 0);
		assert_int_equal(access("/sys/class/msr_batch/cpu!msr_batch", F_OK), 0);
		assert_int_equal(access("/sys/class/msr_safe/cpu!3!msr_safe", F_OK), 0);
		assert_int_equal(unload_module(), 0);
	}
	assert_nothing_left();
}

TEST(a_fault_in_loading_leaves_nothing, load_and_aim, unload_at_end)
{
	static const struct path path = {
		.call = load_it,
		.after = it_is_loaded_or_nothing_is_left,
	};

	assert_int_equal(unload_module(), 0);
	fail_below("do_one_initcall"); /* which calls the module's */
	assert_true(fail_each(&path) >= 50);
}

TEST_PROGRAM(set_up_faults, NULL)
