// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading. Starts without the module, unlike the other tests.
 */

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "guest.h"

#define FREE_MAJOR 300 /* to 304; nothing in the guest has them */

static const char *const major_params[] = {
	"mdev_msr_safe",      "mdev_msr_batch",	  "mdev_msr_sample",
	"mdev_msr_allowlist", "mdev_msr_version", "mdev_msr_approved_list",
};

static int unload_at_end(void **state)
{
	(void)state;
	unload_module();
	unload_other("failstep");
	return 0;
}

static unsigned int major_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return major(st.st_rdev);
}

TEST(loading_makes_nodes_and_classes, NULL, unload_at_end)
{
	char path[64];
	unsigned int i;

	assert_int_equal(load_module(""), 0);
	for (i = 0; i < GUEST_NODES; i++)
		assert_int_equal(access(guest_nodes[i], F_OK), 0);
	for (i = 0; i < GUEST_KINDS; i++) {
		snprintf(path, sizeof(path), "/sys/class/%s", guest_kinds[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
	assert_int_not_equal(access("/dev/cpu/msr_approved_list", F_OK), 0);
	assert_int_not_equal(access("/dev/cpu/msr_whitelist", F_OK), 0);
}

TEST(unloading_leaves_nothing, NULL, unload_at_end)
{
	assert_int_equal(load_module(""), 0);
	assert_int_equal(unload_module(), 0);
	assert_nothing_left();
}

TEST(loads_and_unloads_a_hundred_times, NULL, unload_at_end)
{
	int i;

	for (i = 0; i < 100; i++) {
		assert_int_equal(load_module(""), 0);
		load_list("0x402 0xff\n");
		assert_int_equal(unload_module(), 0);
	}
	assert_nothing_left();
}

TEST(a_new_load_begins_with_nothing_listed, NULL, unload_at_end)
{
	char text[64] = "";
	int fd;

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0xff\n");
	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module(""), 0);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 22);
	close(fd);
	assert_string_equal(text, "# MSR      Write mask\n");
}

TEST(unloading_is_refused_while_a_file_is_open, NULL, unload_at_end)
{
	unsigned int i;
	int fd;

	assert_int_equal(load_module(""), 0);
	for (i = 0; i < GUEST_NODES; i++) {
		fd = open_path(guest_nodes[i], O_RDONLY);
		assert_int_equal(unload_module(), -EWOULDBLOCK);
		close(fd);
	}
	assert_int_equal(unload_module(), 0);
}

TEST(majors_are_those_asked_for, NULL, unload_at_end)
{
	assert_int_equal(load_module("mdev_msr_safe=300 mdev_msr_batch=301 mdev_msr_allowlist=302 "
				     "mdev_msr_version=303 mdev_msr_sample=304"),
			 0);
	assert_int_equal(major_of("/dev/cpu/msr_sample"), FREE_MAJOR + 4);
	assert_int_equal(major_of("/dev/cpu/0/msr_safe"), FREE_MAJOR);
	assert_int_equal(major_of(BATCH_PATH), FREE_MAJOR + 1);
	assert_int_equal(major_of(LIST_PATH), FREE_MAJOR + 2);
	assert_int_equal(major_of("/dev/cpu/msr_version"), FREE_MAJOR + 3);
	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module("mdev_msr_batch=511"), 0);
	assert_int_equal(major_of(BATCH_PATH), 511);
}

TEST(the_former_name_of_the_allowlist_major_is_taken, NULL, unload_at_end)
{
	assert_int_equal(load_module("mdev_msr_approved_list=300"), 0);
	assert_int_equal(major_of(LIST_PATH), FREE_MAJOR);
}

TEST(major_0_is_dynamic, NULL, unload_at_end)
{
	assert_int_equal(load_module("mdev_msr_safe=0 mdev_msr_batch=0 mdev_msr_allowlist=0 "
				     "mdev_msr_version=0 mdev_msr_sample=0"),
			 0);
	assert_int_not_equal(major_of(BATCH_PATH), 0);
}

TEST(a_wrong_value_fails_with_einval_and_leaves_nothing, NULL, unload_at_end)
{
	static const char *const values[] = { "512", "4096", "-1", "x", "", "99999999999", "1x" };
	char params[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(major_params); i++) {
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			snprintf(params, sizeof(params), "%s=%s", major_params[i], values[j]);
			assert_int_equal(load_module(params), -EINVAL);
			assert_nothing_left();
		}
	}
	assert_int_equal(load_module("check_batch_version=2"), -EINVAL);
	assert_int_equal(load_module("approved_list_names=x"), -EINVAL);
	assert_nothing_left();
}

TEST(a_taken_major_fails_with_ebusy_and_leaves_nothing, NULL, unload_at_end)
{
	static const int taken[] = { 1, 4, 5, 10, 13 };
	char params[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(major_params); i++) {
		for (j = 0; j < ARRAY_SIZE(taken); j++) {
			snprintf(params, sizeof(params), "%s=%d", major_params[i], taken[j]);
			assert_int_equal(load_module(params), -EBUSY);
			assert_nothing_left();
		}
	}
	assert_int_equal(load_module("mdev_msr_safe=300 mdev_msr_batch=300"), -EBUSY);
	assert_nothing_left();
}

TEST(approved_list_names_adds_nodes_of_the_same_device, NULL, unload_at_end)
{
	static const char *const names[] = { "/dev/cpu/msr_approved_list",
					     "/dev/cpu/msr_whitelist" };
	unsigned int i;

	assert_int_equal(load_module("approved_list_names=1"), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char text[128] = "";
		struct stat st;
		int fd;

		assert_int_equal(stat(names[i], &st), 0);
		assert_int_equal(st.st_mode, S_IFCHR | 0600);
		assert_int_equal(major_of(names[i]), major_of(LIST_PATH));
		fd = open_path(names[i], O_WRONLY);
		assert_int_equal(write(fd, "0x402 0x1", 9), 9);
		close(fd);
		fd = open_path(LIST_PATH, O_RDONLY);
		assert_int_equal(read(fd, text, sizeof(text)), 52);
		close(fd);
		assert_string_equal(text, "# MSR      Write mask\n0x00000402 0x0000000000000001\n");
		load_list("\n");
	}
	assert_int_equal(unload_module(), 0);
	assert_nothing_left();
}

TEST(check_batch_version_is_taken_at_load_and_later, NULL, unload_at_end)
{
	const char *path = "/sys/module/msr_safe/parameters/check_batch_version";
	struct msr_batch_op op = read_op(0, STORE_A);
	struct msr_batch_array batch = { .numops = 1, .version = 0x030000, .ops = &op };
	struct stat st;
	int fd;

	assert_int_equal(load_module("check_batch_version=0"), 0);
	load_list("0x402 0\n");
	fd = open_path(BATCH_PATH, O_RDONLY);
	assert_int_equal(ioctl(fd, X86_IOC_MSR_BATCH, &batch), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(write_file(path, "1"), 0);
	assert_fails(ioctl(fd, X86_IOC_MSR_BATCH, &batch), ENOPROTOOPT);
	assert_int_equal(write_file(path, "0"), 0);
	assert_int_equal(ioctl(fd, X86_IOC_MSR_BATCH, &batch), 0);
	close(fd);
}

/* Descriptors of the devices that revoke_on_change=1 is about, and what they say */
struct descriptors {
	int cpu;
	int batch;
};

static struct descriptors open_descriptors(void)
{
	struct descriptors fds = {
		.cpu = open_cpu(0, "msr_safe", O_RDWR),
		.batch = open_path(BATCH_PATH, O_RDONLY),
	};

	assert_true(fds.cpu >= 0);
	return fds;
}

static void close_descriptors(struct descriptors fds)
{
	close(fds.cpu);
	close(fds.batch);
}

static void assert_served(struct descriptors fds)
{
	struct msr_batch_op op = write_op(0, STORE_A, 0x5a);
	uint64_t value;

	assert_int_equal(pread(fds.cpu, &value, sizeof(value), STORE_A), sizeof(value));
	assert_int_equal(pwrite(fds.cpu, &value, sizeof(value), STORE_A), sizeof(value));
	assert_int_equal(run_batch_fd(fds.batch, &op, 1), 0);
}

/* All sizes of batches, since each goes its own way. Nothing is executed or written. */
static void assert_stale(struct descriptors fds)
{
	static const unsigned int sizes[] = { 1, 16, 17, 5000 };
	static struct msr_batch_op ops[5000], before[5000];
	uint64_t value = 0xbad;
	unsigned int i;

	poke(0, STORE_A, 0x600d);
	assert_fails(pread(fds.cpu, &value, sizeof(value), STORE_A), ESTALE);
	assert_int_equal(value, 0xbad);
	assert_fails(pwrite(fds.cpu, &value, sizeof(value), STORE_A), ESTALE);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = write_op(i % 4, STORE_A, 0xbad);
	memcpy(before, ops, sizeof(ops));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_fails(run_batch_fd(fds.batch, ops, sizes[i]), ESTALE);
	assert_memory_equal(ops, before, sizeof(ops));
	assert_int_equal(peek(0, STORE_A), 0x600d);
}

static const char served_list[] = "0x402 0xffffffffffffffff\n";

TEST(descriptors_outlive_a_list_by_default, NULL, unload_at_end)
{
	struct descriptors fds;

	assert_int_equal(load_module(""), 0);
	fds = open_descriptors();
	load_list(served_list);
	assert_served(fds);
	load_list(served_list);
	assert_served(fds);
	close_descriptors(fds);
}

TEST(revoke_on_change_refuses_descriptors_opened_before_the_list, NULL, unload_at_end)
{
	struct descriptors old, new;

	assert_int_equal(load_module("revoke_on_change=1"), 0);
	old = open_descriptors();
	load_list(served_list);
	assert_stale(old);
	new = open_descriptors();
	assert_served(new);
	assert_served(new);

	load_list(served_list);
	assert_stale(old);
	assert_stale(new);
	close_descriptors(old);
	close_descriptors(new);
	new = open_descriptors();
	assert_served(new);
	close_descriptors(new);
}

TEST(revoke_on_change_ends_every_session, NULL, unload_at_end)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct msr_ops head = head_of(&op, 1, 1);
	struct msr_run run = { .size = sizeof(run) };
	int fd, session;

	assert_int_equal(load_module("revoke_on_change=1"), 0);
	load_list(served_list);
	fd = open_path(BATCH_PATH, O_RDONLY);
	session = ioctl(fd, MSR_IOC_PREPARE, &head);
	assert_true(session >= 0);
	assert_int_equal(ioctl(session, MSR_IOC_RUN, &run), 0);
	load_list(served_list);
	assert_fails(ioctl(session, MSR_IOC_RUN, &run), ESTALE);
	assert_fails(ioctl(fd, MSR_IOC_PREPARE, &head), ESTALE);
	close(session);
	close(fd);
}

TEST(revoke_on_change_goes_by_lists_in_force, NULL, unload_at_end)
{
	struct descriptors fds;

	assert_int_equal(load_module("revoke_on_change=1"), 0);
	load_list(served_list);
	fds = open_descriptors();
	/* refused in the first pass: the list in force is the same */
	assert_fails(write_list("0x402"), EILSEQ);
	assert_served(fds);
	/* refused in the second pass: the list in force is another, an empty one */
	assert_fails(write_list("0x402 0\n0x402 0\n"), ENOTUNIQ);
	assert_stale(fds);
	close_descriptors(fds);

	load_list(served_list);
	fds = open_descriptors();
	clear_list(NULL);
	assert_stale(fds);
	load_list(served_list);
	assert_stale(fds);
	close_descriptors(fds);
}

TEST(revoke_on_change_leaves_the_other_devices_alone, NULL, unload_at_end)
{
	char text[128] = "";
	int list, version;

	assert_int_equal(load_module("revoke_on_change=1"), 0);
	list = open_path(LIST_PATH, O_RDWR);
	version = open_path("/dev/cpu/msr_version", O_RDONLY);
	load_list(served_list);
	assert_int_equal(read(list, text, sizeof(text)), 22);
	assert_int_equal(write(list, served_list, strlen(served_list)), strlen(served_list));
	assert_int_equal(read(version, text, sizeof(text)), 6);
	close(list);
	close(version);
}

TEST(revoke_on_change_is_set_at_load_alone, NULL, unload_at_end)
{
	const char *path = "/sys/module/msr_safe/parameters/revoke_on_change";
	struct stat st;

	assert_int_equal(load_module("revoke_on_change=x"), -EINVAL);
	assert_int_equal(load_module("revoke_on_change=1"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
}

/* Reads by a descriptor of before a list that is being written: none succeeds after. */
static int read_until_stale(int fd, const volatile bool *written)
{
	uint64_t value;
	bool after;

	do {
		after = *written;
		if (pread(fd, &value, sizeof(value), STORE_A) < 0)
			return errno != ESTALE;
	} while (!after);
	return 2;
}

TEST(revoke_on_change_holds_when_the_write_returns, NULL, unload_at_end)
{
	volatile bool *written =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, fd, status;
	pid_t pid;

	assert_int_equal(load_module("revoke_on_change=1"), 0);
	for (i = 0; i < 50; i++) {
		load_list(served_list);
		*written = false;
		fd = open_cpu(0, "msr_safe", O_RDONLY);
		pid = fork();
		if (!pid)
			_exit(read_until_stale(fd, written));
		usleep(2000);
		load_list(served_list);
		*written = true;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		close(fd);
	}
	munmap((void *)written, 4096);
}

/* Functions of the kernel by the names that they have had */
#define NAMES 3

static const char *const kvmalloc_names[NAMES] = { "kvmalloc_node", "__kvmalloc_node_noprof" };
static const char *const kmalloc_names[NAMES] = {
	"kmem_cache_alloc_trace",
	"kmalloc_trace",
	"__kmalloc_cache_noprof",
};

/* Makes the nth call of a function fail. */
static void fail_call(const char *const names[NAMES], int nth, long value)
{
	char params[96];
	int i, err = -ENOENT;

	for (i = 0; i < NAMES && names[i] && err; i++) {
		snprintf(params, sizeof(params), "symbol=%s nth=%d value=%ld", names[i], nth,
			 value);
		err = load_other("/t/failstep.ko", params);
	}
	assert_int_equal(err, 0);
}

/* The calls into the kernel that loading makes: how often, and what a failure is. */
static const struct {
	const char *names[NAMES];
	int calls;
	long value;
	int err;
} steps[] = {
	{ { "bitmap_zalloc" }, 1, 0, -ENOMEM },
	{ { "bitmap_parselist" }, 1, -ERANGE, -EINVAL },
	/* What visits need, and the budgets of sampling */
	{ { "__alloc_percpu", "pcpu_alloc_noprof" }, 2, 0, -ENOMEM },
	{ { "init_srcu_struct", "__init_srcu_struct" }, 1, -ENOMEM, -ENOMEM },
	{ { "kvmalloc_node", "__kvmalloc_node_noprof" }, 1, 0, -ENOMEM },
	{ { "alloc_chrdev_region" }, 5, -EBUSY, -EBUSY },
	{ { "__class_create", "class_create" }, 5, -ENOMEM, -ENOMEM },
	{ { "device_create" }, 4 + 5 + 2, -ENOMEM, -ENOMEM },
	{ { "__cpuhp_setup_state" }, 1, -ENOSPC, -ENOSPC },
	{ { "cdev_alloc" }, 5, 0, -ENOMEM },
	{ { "cdev_add" }, 5, -ENOMEM, -ENOMEM },
};

#define ALL_STEPS "class_gids=5001,5002 cpus=0-3"

TEST(a_failure_of_any_step_of_loading_leaves_nothing, NULL, unload_at_end)
{
	unsigned int i;
	int nth;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (nth = 1; nth <= steps[i].calls; nth++) {
			fail_call(steps[i].names, nth, steps[i].value);
			assert_int_equal(load_module(ALL_STEPS), steps[i].err);
			assert_nothing_left();
			assert_int_equal(unload_other("failstep"), 0);
		}
		/* There are no more of these, so none has been left out. */
		fail_call(steps[i].names, nth, steps[i].value);
		assert_int_equal(load_module(ALL_STEPS), 0);
		assert_int_equal(unload_module(), 0);
		assert_int_equal(unload_other("failstep"), 0);
	}
	assert_int_equal(load_module(""), 0);
}

/* What a process that tries to open nodes while the module is loaded has seen */
struct opener {
	pid_t pid;
	unsigned int opened, refused;
};

#define OWN_MAJORS \
	"mdev_msr_batch=300 mdev_msr_allowlist=301 mdev_msr_version=302 mdev_msr_safe=303"

/*
 * Nodes of the test's own, of the majors that the module asks for, are there before the
 * module is. What is opened stays open: closing it is what a module that is gone breaks.
 */
static void keep_opening(volatile struct opener *seen)
{
	char path[32];
	int i;

	for (i = 0;; i = (i + 1) % 4) {
		snprintf(path, sizeof(path), "/tmp/opener%d", i);
		if (open(path, O_RDONLY) >= 0)
			seen->opened++;
		else if (errno == ENXIO)
			seen->refused++;
	}
}

static volatile struct opener *start_opener(void)
{
	volatile struct opener *seen =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[32];
	pid_t pid;
	int i;

	assert_true(seen != MAP_FAILED);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/tmp/opener%d", i);
		assert_int_equal(mknod(path, S_IFCHR | 0666, makedev(FREE_MAJOR + i, 0)), 0);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		keep_opening(seen);
	seen->pid = pid;
	return seen;
}

static struct opener stop_opener(volatile struct opener *seen)
{
	struct opener result = *seen;
	char path[32];
	int i;

	kill(result.pid, SIGKILL);
	assert_int_equal(waitpid(result.pid, NULL, 0), result.pid);
	result = *seen;
	munmap((void *)seen, 4096);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/tmp/opener%d", i);
		unlink(path);
	}
	return result;
}

TEST(a_load_that_fails_has_let_nobody_open_a_node, NULL, unload_at_end)
{
	volatile struct opener *seen = start_opener();
	struct opener result;
	unsigned int i;

	for (i = 0; i < 30; i++) {
		assert_int_equal(load_module("mdev_msr_batch=300 mdev_msr_allowlist=301 "
					     "mdev_msr_version=302 mdev_msr_safe=1"),
				 -EBUSY);
		assert_int_equal(load_module("mdev_msr_safe=303 mdev_msr_batch=300 "
					     "mdev_msr_allowlist=301 mdev_msr_version=1"),
				 -EBUSY);
	}
	result = stop_opener(seen);
	assert_int_equal(result.opened, 0);
	assert_nothing_left();
}

TEST(a_load_that_fails_at_its_last_step_has_let_nobody_open_a_node, NULL, unload_at_end)
{
	static const char *const names[NAMES] = { "cdev_add" };
	volatile struct opener *seen = start_opener();
	struct opener result;
	unsigned int i;

	for (i = 0; i < 30; i++) {
		fail_call(names, 4, -ENOMEM);
		assert_int_equal(load_module(OWN_MAJORS), -ENOMEM);
		assert_int_equal(unload_other("failstep"), 0);
	}
	result = stop_opener(seen);
	print_message("# refused: %u\n", result.refused);
	assert_int_equal(result.opened, 0);
	assert_nothing_left();
}

TEST(a_load_that_succeeds_lets_the_same_process_open_nodes, NULL, unload_at_end)
{
	volatile struct opener *seen = start_opener();
	unsigned int tries;

	assert_int_equal(load_module(OWN_MAJORS), 0);
	for (tries = 0; !seen->opened && tries < 1000; tries++)
		usleep(10000);
	assert_true(stop_opener(seen).opened);
	assert_int_equal(unload_module(), 0);
	assert_nothing_left();
}

/* The value of a name of an event, which is a sequence of strings */
static const char *event_value(const char *event, size_t len, const char *name)
{
	const char *at;

	for (at = event; at < event + len; at += strlen(at) + 1)
		if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == '=')
			return at + strlen(name) + 1;
	return "";
}

static int open_events(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct timeval most = { .tv_sec = 1 };
	int events = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

	assert_true(events >= 0);
	assert_int_equal(setsockopt(events, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)), 0);
	assert_int_equal(bind(events, (struct sockaddr *)&address, sizeof(address)), 0);
	return events;
}

/* Opens each node that an event says is there; returns how many there were. */
static unsigned int open_what_is_announced(int events)
{
	unsigned int count = 0;
	char event[4096], path[128];
	ssize_t len;
	int fd;

	while ((len = recv(events, event, sizeof(event) - 1, 0)) > 0) {
		event[len] = '\0';
		if (strcmp(event_value(event, len, "ACTION"), "add") != 0 ||
		    strncmp(event_value(event, len, "SUBSYSTEM"), "msr_", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", event_value(event, len, "DEVNAME"));
		fd = open(path, O_RDONLY);
		if (fd < 0)
			_exit(250);
		close(fd);
		count++;
	}
	return count;
}

TEST(a_node_can_be_opened_when_its_event_arrives, NULL, unload_at_end)
{
	int events = open_events();
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(open_what_is_announced(events));
	assert_int_equal(load_module(""), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(events);
	/* One a CPU, batches, sampling, the allowlist, and the version under two names */
	assert_int_equal(status, (cpus_online() + 5) << 8);
}

TEST(a_load_that_fails_announces_nothing, NULL, unload_at_end)
{
	int events = open_events();
	char event[4096];
	ssize_t len;

	assert_int_equal(load_module("mdev_msr_version=1"), -EBUSY);
	while ((len = recv(events, event, sizeof(event) - 1, 0)) > 0) {
		event[len] = '\0';
		if (*event_value(event, len, "DEVNAME"))
			assert_int_not_equal(strncmp(event_value(event, len, "SUBSYSTEM"), "msr_",
						     4),
					     0);
	}
	close(events);
}

/* Allocations fail here since only here is there a module that makes them. */
static void fail_allocation(int nth)
{
	fail_call(kvmalloc_names, nth, 0);
}

TEST(no_memory_for_the_text_is_enomem_and_keeps_the_list, NULL, unload_at_end)
{
	struct msr_batch_op op = read_op(0, STORE_A);

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0\n");
	fail_allocation(1);
	assert_fails(write_list("0x406 0\n"), ENOMEM);
	assert_int_equal(run_batch(&op, 1), 0);
}

TEST(no_memory_to_retire_the_list_is_enomem_and_keeps_it, NULL, unload_at_end)
{
	struct msr_batch_op op = read_op(0, STORE_A);

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0\n");
	fail_call(kmalloc_names, 1, 0);
	assert_fails(write_list("0x406 0\n"), ENOMEM);
	assert_int_equal(run_batch(&op, 1), 0);
}

TEST(no_memory_for_the_table_is_enomem_and_empties_the_list, NULL, unload_at_end)
{
	struct msr_batch_op op = read_op(0, STORE_A);

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0\n");
	fail_allocation(2);
	assert_fails(write_list("0x406 0\n"), ENOMEM);
	assert_fails(run_batch(&op, 1), EACCES);
	op.msr = STORE_B;
	assert_fails(run_batch(&op, 1), EACCES);
}

static void fill_batch(struct msr_batch_op *ops, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		ops[i] = write_op(i % 4, STORE_A, 0x55);
}

TEST(no_memory_for_the_operations_is_e2big_and_executes_none, NULL, unload_at_end)
{
	static struct msr_batch_op ops[100];

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0xff\n");
	poke(0, STORE_A, 0);
	fill_batch(ops, ARRAY_SIZE(ops));
	fail_allocation(1);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), E2BIG);
	assert_int_equal(peek(0, STORE_A), 0);
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
}

TEST(no_memory_for_the_queues_is_enomem_and_executes_none, NULL, unload_at_end)
{
	static struct msr_batch_op ops[100], before[100];

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0xff\n");
	poke(0, STORE_A, 0);
	fill_batch(ops, ARRAY_SIZE(ops));
	memcpy(before, ops, sizeof(ops));
	fail_allocation(2);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), ENOMEM);
	assert_int_equal(peek(0, STORE_A), 0);
	assert_memory_equal(ops, before, sizeof(ops));
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
}

TEST(a_small_batch_over_all_cpus_needs_no_allocation, NULL, unload_at_end)
{
	static struct msr_batch_op ops[16];

	assert_int_equal(load_module(""), 0);
	load_list("0x402 0xff\n");
	fill_batch(ops, ARRAY_SIZE(ops));
	fail_allocation(1);
	assert_int_equal(run_batch(ops, ARRAY_SIZE(ops)), 0);
}
