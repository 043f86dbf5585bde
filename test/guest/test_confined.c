// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs: those that a caller is kept to, and those that the module serves.
 */

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>

#include "doors.h"
#include "workers.h"

#define OWN_PATH "/sys/module/msr_safe/parameters/own_cpus_only"
#define SESSIONS_PATH "/sys/module/msr_safe/parameters/session_max"
#define CGROUP "/sys/fs/cgroup/confined"

/* The CPU that callers are moved to */
#define OWN 1

#define USER 1000
#define CLASS 5001

static void allow_cpus(unsigned int first, unsigned int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void set_rawio(bool effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		abort();
	data[0].effective &= ~(1 << CAP_SYS_RAWIO);
	data[0].effective |= effective << CAP_SYS_RAWIO;
	if (syscall(SYS_capset, &head, data))
		abort();
}

static int turn_on(void **state)
{
	return load_the_list(state) || write_file(OWN_PATH, "1");
}

static int turn_off(void **state)
{
	(void)state;
	allow_cpus(0, 3);
	return write_file(OWN_PATH, "0");
}

/* The kernel's own msr driver checks rights when it is opened. */
static int stock[DOOR_CPUS];

static uint64_t look(unsigned int cpu)
{
	uint64_t value;

	if (pread(stock[cpu], &value, 8, STORE_A) != 8)
		abort();
	return value;
}

static void set_register(unsigned int cpu, uint64_t value)
{
	if (pwrite(stock[cpu], &value, 8, STORE_A) != 8)
		abort();
}

static void open_stock(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < DOOR_CPUS; cpu++)
		stock[cpu] = open_cpu(cpu, "msr", O_RDWR);
}

/* Root without CAP_SYS_RAWIO is kept to its CPUs, as others are. */
static int confine(void **state)
{
	open_stock();
	set_rawio(false);
	return turn_on(state);
}

static int release(void **state)
{
	unsigned int cpu;

	set_rawio(true);
	for (cpu = 0; cpu < DOOR_CPUS; cpu++)
		close(stock[cpu]);
	return turn_off(state);
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

		set_register(cpu, 7);
		value = 8;
		if (own) {
			assert_int_equal(pread(fds[cpu], &value, 8, CPU_NUMBER), 8);
			assert_int_equal(value, cpu);
			assert_int_equal(pwrite(fds[cpu], &value, 8, STORE_A), 8);
		} else {
			assert_fails(pread(fds[cpu], &value, 8, CPU_NUMBER), EACCES);
			assert_fails(pwrite(fds[cpu], &value, 8, STORE_A), EACCES);
		}
		assert_int_equal(look(cpu), own ? cpu : 7);
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

static void make_cpuset(const char *cpus)
{
	int err = write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");

	if (err == -EINVAL)
		skip(); /* a kernel without cpusets */
	assert_int_equal(err, 0);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
	assert_int_equal(write_file(CGROUP "/cpuset.cpus", cpus), 0);
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
	make_cpuset("2-3");
	assert_int_equal(in_child(false, look_from_cpuset, NULL), 0);
}

/* Whether the mask that the kernel keeps for the caller has a CPU, which may be offline */
static bool is_in_mask(unsigned int cpu)
{
	unsigned long mask = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "Cpus_allowed: %lx", &mask);
	fclose(file);
	assert_true(mask);
	return mask >> cpu & 1;
}

/* The caller, whose cpuset is CPUs 2 and 3, has a session of both, and CPU 3 goes offline. */
static struct session lose_cpu_3(void)
{
	struct msr_op ops[] = {
		extended_read(2, CPU_NUMBER),
		extended_read(3, CPU_NUMBER),
		extended_read(3, STORE_A),
	};
	struct msr_ops head = head_of(ops, ARRAY_SIZE(ops), 1024);
	uint64_t end = deadline(PATIENCE);
	struct session session;

	make_cpuset("2-3");
	assert_int_equal(write_file(CGROUP "/cgroup.procs", "0"), 0);
	session = map_session(SAMPLE_PATH, &head);
	assert_true(is_in_mask(2) && is_in_mask(3) && !is_in_mask(1));
	assert_int_equal(set_online(3, false), 0);
	/* Some kernels do this later. */
	while (is_in_mask(3)) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
	assert_true(is_in_mask(2));
	return session;
}

static int regain_cpu_3(void **state)
{
	set_online(3, true);
	write_file("/sys/fs/cgroup/cgroup.procs", "0");
	return no_cpuset(state);
}

TEST(a_cpu_that_a_cpuset_loses_as_it_goes_offline_is_enxio, confine, regain_cpu_3)
{
	struct session session = lose_cpu_3();
	struct msr_batch_op ops[] = {
		read_op(3, CPU_NUMBER),
		read_op(2, CPU_NUMBER),
		read_op(3, STORE_A),
	};

	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), ENXIO);
	assert_int_equal(ops[0].err, -ENXIO);
	assert_int_equal(ops[1].err, 0);
	assert_int_equal(ops[1].msrdata, 2);
	assert_int_equal(ops[2].err, -ENXIO);
	/* One alone */
	assert_fails(run_batch(ops, 1), ENXIO);
	assert_int_equal(ops[0].err, -ENXIO);
	end(&session);
}

TEST(a_run_goes_on_without_a_cpu_that_its_cpuset_loses, confine, regain_cpu_3)
{
	struct session session = lose_cpu_3();

	assert_int_equal(run_fd(session.fd, NULL), 2);
	assert_int_equal(head_of_stream(&session, 0), 1);
	assert_int_equal(record_of(&session, 0, 0)->word[0], 2);
	assert_int_equal(stream_of(&session, 0)->offline, 0);
	assert_int_equal(head_of_stream(&session, 1), 0);
	assert_int_equal(stream_of(&session, 1)->offline, 1);
	end(&session);
}

TEST(sampling_starts_without_a_cpu_that_its_cpuset_loses, confine, regain_cpu_3)
{
	struct session session = lose_cpu_3();

	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	wait_for_records(&session, 0, 1);
	assert_int_equal(stream_of(&session, 0)->state, MSR_STREAM_SAMPLING);
	assert_int_equal(stream_of(&session, 1)->state, MSR_STREAM_ENDED);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_int_equal(head_of_stream(&session, 1), 0);
	end(&session);
}

TEST(an_offline_cpu_of_the_callers_affinity_is_enxio, confine, regain_cpu_3)
{
	struct msr_batch_op ops[] = { read_op(3, CPU_NUMBER), read_op(2, CPU_NUMBER) };

	allow_cpus(2, 3);
	assert_int_equal(set_online(3, false), 0);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), ENXIO);
	assert_int_equal(ops[0].err, -ENXIO);
	assert_int_equal(ops[1].err, 0);
}

/*
 * A caller, with all doors open, is moved to one CPU from outside. It tries all doors before and
 * after that, and once more with what it opens then.
 */
struct caller {
	void (*opens_as)(void); /* what becomes of root before it opens the doors, or NULL */
	void (*tries_as)(void); /* and afterwards, or NULL */
	bool exempt;
	bool by_cpuset; /* its cpuset is made smaller; otherwise its affinity is set */
};

static struct {
	char wrong[256];
	unsigned int tried, reached, refused, absent;
} * seen;

/* Whether the door says what it must, where the caller may reach the CPU, or may not */
static bool is_right(enum door_kind kind, bool reaches, int err)
{
	if (err == DOOR_ABSENT)
		return true;
	switch (kind) {
	case DOOR_CALLER:
		return err == (reaches ? 0 : -EACCES);
	case DOOR_EITHER:
		return err == -EACCES || (reaches && !err);
	case DOOR_WORKER:
		return err == -EACCES;
	default:
		return err < 0 || (reaches && !err);
	}
}

static bool tell(const struct door *door, const char *what, unsigned int cpu, bool reaches, int err)
{
	snprintf(seen->wrong, sizeof(seen->wrong), "%s of CPU %u by %s: %d, the caller may%s", what,
		 cpu, door->name, err, reaches ? "" : " not");
	return false;
}

static void count(int err)
{
	seen->tried++;
	seen->reached += !err;
	seen->refused += err < 0;
	seen->absent += err == DOOR_ABSENT;
}

#define UNREAD UINT64_C(0xaaaaaaaaaaaaaaaa)

static bool try_read(struct doors *doors, const struct door *door, unsigned int cpu, bool reaches)
{
	uint64_t secret = UINT64_C(0x5ec4e70000000000) + seen->tried;
	uint64_t value = UNREAD;
	int err;

	set_register(cpu, secret);
	err = door->read(doors, door, cpu, &value);
	count(err);
	return (is_right(kind_of(doors, door), reaches, err) && value == (err ? UNREAD : secret)) ||
	       tell(door, "a read", cpu, reaches, err);
}

static bool try_write(struct doors *doors, const struct door *door, unsigned int cpu, bool reaches)
{
	uint64_t value = UINT64_C(0x3717e00000000000) + seen->tried;
	int err;

	set_register(cpu, 0);
	err = door->write(doors, door, cpu, value);
	count(err);
	return (is_right(kind_of(doors, door), reaches, err) && look(cpu) == (err ? 0 : value)) ||
	       tell(door, "a write", cpu, reaches, err);
}

static bool try_doors(struct doors *doors, bool reaches_all)
{
	unsigned int i, cpu;

	for (i = 0; i < nr_doors; i++) {
		for (cpu = 0; cpu < DOOR_CPUS; cpu++) {
			const struct door *door = &all_doors[i];
			bool reaches = reaches_all || cpu == OWN;

			if ((door->read && !try_read(doors, door, cpu, reaches)) ||
			    (door->write && !try_write(doors, door, cpu, reaches)))
				return false;
		}
	}
	return true;
}

static int be_moved(void *arg)
{
	const struct caller *caller = arg;
	struct doors doors;
	cpu_set_t all;

	open_stock();
	if (caller->by_cpuset && write_file(CGROUP "/cgroup.procs", "0"))
		abort();
	if (caller->opens_as)
		caller->opens_as();
	open_doors(&doors);
	if (caller->tries_as)
		caller->tries_as();
	if (!try_doors(&doors, true))
		return 1;
	raise(SIGSTOP);
	/* A cpuset bounds what a task can ask for. */
	memset(&all, 0xff, sizeof(all));
	if (caller->by_cpuset && sched_setaffinity(0, sizeof(all), &all))
		abort();
	if (!try_doors(&doors, caller->exempt))
		return 2;
	if (caller->tries_as)
		return 0;
	close_doors(&doors);
	open_doors(&doors);
	return try_doors(&doors, caller->exempt) ? 0 : 3;
}

static void permit_all(void)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < DOOR_CPUS; i++) {
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", i);
		assert_int_equal(chmod(path, 0666), 0);
	}
	assert_int_equal(chmod(BATCH_PATH, 0666), 0);
	assert_int_equal(chmod(SAMPLE_PATH, 0666), 0);
}

static int bind_to_own(pid_t pid)
{
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(OWN, &own);
	return sched_setaffinity(pid, sizeof(own), &own);
}

/* Kernels before 6.3 do not let a process that has workers of io_uring enter another cpuset. */
static int move(pid_t pid, bool by_cpuset)
{
	return by_cpuset ? write_file(CGROUP "/cpuset.cpus", "1") : bind_to_own(pid);
}

static void assert_kept(struct caller caller)
{
	int status;
	pid_t pid;

	permit_all();
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	pid = fork();
	if (!pid)
		_exit(be_moved(&caller));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, move(pid, caller.by_cpuset) ? SIGKILL : SIGCONT);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (status)
		fail_msg("status 0x%x: %s", status, seen->wrong);
	print_message("# accesses: %u by %u doors, %u carried out, %u refused, %u not there\n",
		      seen->tried, nr_doors, seen->reached, seen->refused, seen->absent);
	munmap(seen, sizeof(*seen));
}

static int confine_callers(void **state)
{
	return turn_on(state) || write_file(SESSIONS_PATH, "32");
}

static int release_callers(void **state)
{
	rmdir(CGROUP);
	return turn_off(state) || write_file(SESSIONS_PATH, "16");
}

static void be_user(void)
{
	if (setgroups(0, NULL) || setgid(USER) || setuid(USER))
		abort();
}

static void be_user_for_now(void)
{
	if (seteuid(USER))
		abort();
}

static void be_root_again(void)
{
	if (seteuid(0))
		abort();
}

static void lose_rawio(void)
{
	set_rawio(false);
}

/* Root, with all capabilities there are there */
static void enter_user_namespace(void)
{
	if (unshare(CLONE_NEWUSER) || write_file("/proc/self/uid_map", "0 0 1") ||
	    write_file("/proc/self/setgroups", "deny") || write_file("/proc/self/gid_map", "0 0 1"))
		abort();
}

TEST(no_door_leads_a_user_out_of_the_affinity_that_root_sets, confine_callers, release_callers)
{
	assert_kept((struct caller){ .opens_as = be_user });
}

TEST(no_door_leads_root_without_rawio_out, confine_callers, release_callers)
{
	assert_kept((struct caller){ .opens_as = lose_rawio });
}

TEST(no_door_leads_root_out_that_has_lost_rawio_since, confine_callers, release_callers)
{
	assert_kept((struct caller){ .tries_as = lose_rawio });
}

TEST(no_door_leads_root_of_a_user_namespace_out, confine_callers, release_callers)
{
	if (!has_user_namespaces())
		skip();
	assert_kept((struct caller){ .opens_as = enter_user_namespace });
}

TEST(no_door_that_root_opened_leads_a_user_out, confine_callers, release_callers)
{
	assert_kept((struct caller){ .tries_as = be_user });
}

TEST(no_door_that_a_user_opened_leads_root_out, confine_callers, release_callers)
{
	assert_kept((struct caller){ .opens_as = be_user_for_now, .tries_as = be_root_again });
}

TEST(root_with_rawio_reaches_all_cpus_by_every_door_but_workers, confine_callers, release_callers)
{
	assert_kept((struct caller){ .exempt = true });
}

TEST(no_door_leads_a_user_out_of_its_cpuset, confine_callers, release_callers)
{
	make_cpuset("0-3");
	assert_kept((struct caller){ .opens_as = be_user, .by_cpuset = true });
}

TEST(root_with_rawio_reaches_all_cpus_from_a_cpuset, confine_callers, release_callers)
{
	make_cpuset("0-3");
	assert_kept((struct caller){ .exempt = true, .by_cpuset = true });
}

static void be_in_class(void)
{
	gid_t group = CLASS;

	if (setgroups(1, &group) || setgid(USER) || setuid(USER))
		abort();
}

/* A kernel lets go of the files of an io_uring some time after its end. */
static int unload_when_unused(void)
{
	uint64_t end = deadline(60);
	int err;

	do {
		usleep(1000);
		err = unload_module();
	} while (err == -EAGAIN && now_ns() < end);
	return err;
}

static int confine_classes(void **state)
{
	if (unload_when_unused() || load_module("class_gids=5001 own_cpus_only=1 session_max=32"))
		return -1;
	return load_the_list(state) || write_file(LIST_PATH "_5001", "0x402 0xffffffffffffffff\n");
}

static int serve_all(void **state)
{
	(void)state;
	allow_cpus(0, 3);
	set_online(3, true);
	return unload_when_unused() ?: load_module("");
}

TEST(no_door_leads_a_member_of_a_class_out, confine_classes, serve_all)
{
	assert_kept((struct caller){ .opens_as = be_in_class });
}

/*
 * Batches that write one number after the other to each CPU, whose caller is moved to CPU OWN in
 * the middle. All ends there but what the visits in progress have begun.
 */
static struct {
	struct msr_batch_op ops[MSR_BATCH_MAX_OPS];
	atomic_int tid;
	atomic_uint begun, ended, left; /* batches */
} * moved;

/* The most operations that a visit executes; a batch has many times that for each CPU. */
#define VISIT_OPS 1024

static void run_batches(void *arg)
{
	int fd = open_path(BATCH_PATH, O_RDONLY);
	unsigned int i;

	(void)arg;
	atomic_store(&moved->tid, getpid());
	while (!stopping()) {
		if (atomic_load(&moved->left) == atomic_load(&moved->ended)) {
			usleep(100);
			continue;
		}
		for (i = 0; i < MSR_BATCH_MAX_OPS; i++)
			moved->ops[i] = write_op(i % 4, STORE_A, 1 + i / 4);
		atomic_fetch_add(&moved->begun, 1);
		if (run_batch_fd(fd, moved->ops, MSR_BATCH_MAX_OPS) && errno != EACCES)
			blame("a batch failed for another reason");
		atomic_fetch_add(&moved->ended, 1);
	}
	close(fd);
}

/* How many operations of the batch a CPU has executed; the others say that they were refused. */
static unsigned int executed_on(unsigned int cpu)
{
	unsigned int i, count = 0;

	for (i = cpu; i < MSR_BATCH_MAX_OPS; i += 4) {
		if (!moved->ops[i].err)
			assert_int_equal(count++, i / 4);
		else
			assert_int_equal(moved->ops[i].err, -EACCES);
	}
	assert_int_equal(peek(cpu, STORE_A), count);
	return count;
}

/* Returns whether the move came in the middle of the batch. */
static bool move_during_batch(void)
{
	unsigned int cpu, number = atomic_load(&moved->ended) + 1, executed = 0;
	uint64_t at_move[4];
	pid_t tid = moved->tid;
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	assert_int_equal(sched_setaffinity(tid, sizeof(all), &all), 0);
	for (cpu = 0; cpu < 4; cpu++)
		poke(cpu, STORE_A, 0);
	atomic_store(&moved->left, number);
	while (!peek(3, STORE_A))
		;
	assert_int_equal(bind_to_own(tid), 0);
	for (cpu = 0; cpu < 4; cpu++)
		at_move[cpu] = peek(cpu, STORE_A);
	while (atomic_load(&moved->ended) != number)
		usleep(1000);
	for (cpu = 0; cpu < 4; cpu++) {
		unsigned int count = executed_on(cpu);

		executed += count;
		if (cpu != OWN)
			assert_true(count <= at_move[cpu] + VISIT_OPS);
	}
	return executed < MSR_BATCH_MAX_OPS;
}

static int confine_batches(void **state)
{
	moved = mmap(NULL, sizeof(*moved), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (moved == MAP_FAILED || turn_on(state))
		return -1;
	permit_all();
	pin_to(2);
	return 0;
}

static int end_batches(void **state)
{
	end_workers();
	munmap(moved, sizeof(*moved));
	return turn_off(state);
}

TEST(a_caller_that_is_moved_in_a_batch_loses_its_cpus_at_once, confine_batches, end_batches)
{
	unsigned int tries, caught = 0;

	start_child(USER, NULL, run_batches, NULL);
	while (!atomic_load(&moved->tid))
		usleep(1000);
	for (tries = 0; tries < 30; tries++)
		caught += move_during_batch();
	print_message("# moved %u times, %u of them in the middle of a batch\n", tries, caught);
	assert_true(caught > 0);
	assert_workers_content();
}

static int serve_some(void **state)
{
	(void)state;
	if (unload_when_unused() || load_module("cpus=0-2"))
		return -1;
	return load_the_list(NULL);
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
	static const char *const wrong[] = {
		"cpus=x",      "cpus=3-1", "cpus=",   "cpus=\" \"", "cpus=,",
		"cpus=64-127", "cpus=4",   "cpus=0-", "cpus=-1",    "cpus=0-65536",
	};
	unsigned int i;

	assert_int_equal(unload_when_unused(), 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (load_module(wrong[i]) != -EINVAL)
			fail_msg("not EINVAL: %s", wrong[i]);
		assert_nothing_left();
	}
	assert_int_equal(load_module("cpus=0-3"), 0);
	assert_int_equal(access("/dev/cpu/3/msr_safe", F_OK), 0);
}

static void assert_served(const char *params, const bool served[4])
{
	struct msr_batch_op ops[4];
	unsigned int cpu;
	char path[64];

	assert_int_equal(unload_module(), 0);
	assert_int_equal(load_module(params), 0);
	load_the_list(NULL);
	for (cpu = 0; cpu < 4; cpu++) {
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
		assert_int_equal(access(path, F_OK) == 0, served[cpu]);
		ops[cpu] = read_op(cpu, CPU_NUMBER);
	}
	run_batch(ops, 4);
	for (cpu = 0; cpu < 4; cpu++) {
		assert_int_equal(ops[cpu].err, served[cpu] ? 0 : -ENXIO);
		if (served[cpu])
			assert_int_equal(ops[cpu].msrdata, cpu);
	}
}

TEST(cpus_that_do_not_exist_can_be_named, NULL, serve_all)
{
	assert_served("cpus=0-63", (bool[]){ true, true, true, true });
	assert_served("cpus=1,77", (bool[]){ false, true, false, false });
	assert_served("cpus=2-3,8191,65535", (bool[]){ false, false, true, true });
}

TEST_PROGRAM(NULL, NULL)
