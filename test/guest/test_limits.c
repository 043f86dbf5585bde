// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many sessions there are, and how much memory their records take: of a user, and of all.
 */

#include <sched.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "sessions.h"
#include "workers.h"

#define CGROUP "/sys/fs/cgroup/limits"
#define MIB (UINT64_C(1) << 20)
#define SECONDS 8

/* What the processes of a test share */
static struct shared {
	atomic_uint prepared; /* sessions that there are, or the sum of them */
	atomic_uint refused; /* calls of MSR_IOC_PREPARE that failed */
	atomic_uint rounds;
	atomic_uint ready;
	atomic_ulong bytes;
} * shared;

/* Opened by one user, for others */
static int device = -1;

static int begin(void **state)
{
	if (!shared)
		shared =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(shared, 0, sizeof(*shared));
	return load_the_list(state);
}

static int settle(void **state)
{
	cpu_set_t all;

	(void)state;
	memset(&all, 0xff, sizeof(all));
	end_workers();
	if (device >= 0)
		close(device);
	device = -1;
	rmdir(CGROUP);
	chmod(BATCH_PATH, 0600);
	sched_setaffinity(0, sizeof(all), &all);
	return set_parameter("session_max", "16") || set_parameter("session_max_kib", "65536");
}

static void wait_for(atomic_uint *counter, unsigned int count)
{
	uint64_t give_up = deadline(PATIENCE);

	while (atomic_load(counter) < count) {
		assert_true(now_ns() < give_up);
		usleep(1000);
	}
}

/* As many as there may be; the error is the one that the header names. */
static void prepare_all(int fd)
{
	while (prepare_by(fd, 0, 1) >= 0)
		atomic_fetch_add(&shared->prepared, 1);
	if (errno != EMFILE)
		blame("prepare");
	atomic_fetch_add(&shared->refused, 1);
}

static void stay(void)
{
	while (!stopping())
		usleep(10000);
}

static void prepare_all_and_stay(void *arg)
{
	(void)arg;
	prepare_all(device);
	stay();
}

static void prepare_by_own_and_stay(void *arg)
{
	prepare_all(open(BATCH_PATH, O_RDONLY));
	stay();
	(void)arg;
}

TEST(sessions_count_for_who_opened_the_device_whoever_prepares_them, begin, settle)
{
	unsigned int i;

	device = open_as(1000, BATCH_PATH);
	for (i = 0; i < 8; i++)
		start_child(2000 + i, NULL, prepare_all_and_stay, NULL);
	wait_for(&shared->refused, 8);
	assert_int_equal(atomic_load(&shared->prepared), 16);
	/* The same for another descriptor of that user; one of those users has its own. */
	assert_int_equal(chmod(BATCH_PATH, 0666), 0);
	start_child(1000, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 9);
	assert_int_equal(atomic_load(&shared->prepared), 16);
	start_child(2000, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 10);
	assert_int_equal(atomic_load(&shared->prepared), 32);
	assert_workers_content();
}

static void prepare_much_and_stay(void *arg)
{
	while (prepare_by(device, 0, 4096) >= 0)
		atomic_fetch_add(&shared->prepared, 1);
	if (errno != ENOMEM)
		blame("prepare");
	atomic_fetch_add(&shared->refused, 1);
	stay();
	(void)arg;
}

TEST(memory_counts_for_who_opened_the_device_whoever_prepares_it, begin, settle)
{
	unsigned int i;

	/* A page, and 41 of records: 168 KiB each */
	must_set("session_max_kib", "1000");
	device = open_as(1000, BATCH_PATH);
	for (i = 0; i < 8; i++)
		start_child(2000 + i, NULL, prepare_much_and_stay, NULL);
	wait_for(&shared->refused, 8);
	assert_int_equal(atomic_load(&shared->prepared), 1000 / 168);
	assert_workers_content();
}

/* Opens the device as each of the first eight IDs of the namespace. */
static void prepare_in_namespace(void *arg)
{
	unsigned int i;

	(void)arg;
	if (unshare(CLONE_NEWUSER)) {
		atomic_store(&shared->ready, 2);
		return;
	}
	atomic_store(&shared->ready, 1);
	while (atomic_load(&shared->ready) == 1)
		usleep(1000);
	for (i = 0; i < 8; i++) {
		if (setresuid(i, i, 0))
			blame("an ID of the namespace");
		prepare_all(open(BATCH_PATH, O_RDONLY));
		if (setresuid(0, 0, 0))
			blame("back to ID 0 of the namespace");
	}
	stay();
}

static void map_ids(pid_t pid, const char *kind, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s_map", pid, kind);
	assert_int_equal(write_file(path, map), 0);
}

/* Each of the eight prepares as many sessions as it can. */
static void prepare_in_namespace_of(uid_t owner, const char *map)
{
	pid_t pid;

	write_file("/proc/sys/kernel/unprivileged_userns_clone", "1");
	assert_int_equal(chmod(BATCH_PATH, 0666), 0);
	pid = start_child(owner, NULL, prepare_in_namespace, NULL);
	wait_for(&shared->ready, 1);
	if (atomic_load(&shared->ready) == 2)
		skip(); /* a kernel without user namespaces */
	map_ids(pid, "uid", map);
	map_ids(pid, "gid", map);
	atomic_store(&shared->ready, 3);
	wait_for(&shared->refused, 8);
}

TEST(sessions_in_a_user_namespace_count_for_its_owner, begin, settle)
{
	prepare_in_namespace_of(1000, "0 1000 1\n1 100000 100\n");
	assert_int_equal(atomic_load(&shared->prepared), 16);
	/* The owner has no more outside. One of the IDs that it has inside is a user of its own. */
	start_child(1000, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 9);
	assert_int_equal(atomic_load(&shared->prepared), 16);
	start_child(100000, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 10);
	assert_int_equal(atomic_load(&shared->prepared), 32);
	assert_workers_content();
}

/* As a container that root starts for its users has it */
TEST(sessions_in_a_user_namespace_of_root_count_for_its_user_0, begin, settle)
{
	prepare_in_namespace_of(0, "0 100000 1000\n");
	assert_int_equal(atomic_load(&shared->prepared), 16);
	/* User 0 has no more outside, either. The others are users of their own there. */
	start_child(100000, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 9);
	assert_int_equal(atomic_load(&shared->prepared), 16);
	start_child(100001, NULL, prepare_by_own_and_stay, NULL);
	wait_for(&shared->refused, 10);
	assert_int_equal(atomic_load(&shared->prepared), 32);
	assert_workers_content();
}

static unsigned int prepare_many(int fd, int *fds, unsigned int most)
{
	unsigned int count;

	for (count = 0; count < most; count++) {
		fds[count] = prepare_by(fd, 0, 1);
		if (fds[count] < 0)
			break;
	}
	return count;
}

static void close_many(const int *fds, unsigned int count)
{
	while (count)
		close(fds[--count]);
}

TEST(eight_of_128_sessions_are_kept_for_root, begin, settle)
{
	int fds[129], own[9], root = open_path(BATCH_PATH, O_RDONLY), other;

	must_set("session_max", "1000");
	device = open_as(1000, BATCH_PATH);
	other = open_as(1001, BATCH_PATH);
	assert_int_equal(prepare_many(device, fds, 129), 120);
	assert_int_equal(errno, EMFILE);
	assert_fails(prepare_by(other, 0, 1), EMFILE);
	assert_int_equal(prepare_many(root, own, 9), 8);
	assert_int_equal(errno, EMFILE);
	/* One of root's that is closed is no user's. */
	close(own[7]);
	assert_fails(prepare_by(other, 0, 1), EMFILE);
	own[7] = prepare_by(root, 0, 1);
	assert_true(own[7] >= 0);
	/* A user's that is closed is another user's, or root's. */
	close(fds[119]);
	fds[119] = prepare_by(root, 0, 1);
	assert_true(fds[119] >= 0);
	close_many(own, 8);
	close(fds[119]);
	fds[119] = prepare_by(other, 0, 1);
	assert_true(fds[119] >= 0);
	close_many(fds, 120);
	close(other);
	close(root);
}

TEST(session_max_holds_for_root_too, begin, settle)
{
	int fds[17], root = open_path(BATCH_PATH, O_RDONLY);

	must_set("session_max", "5");
	assert_int_equal(prepare_many(root, fds, 17), 5);
	assert_int_equal(errno, EMFILE);
	close_many(fds, 5);
	must_set("session_max", "0");
	assert_fails(prepare_by(root, 0, 1), EMFILE);
	close(root);
}

static void make_cgroup(void)
{
	assert_int_equal(write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"), 0);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
}

static uint64_t memory_charged(void)
{
	FILE *file = fopen(CGROUP "/memory.current", "r");
	unsigned long bytes = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &bytes), 1);
	fclose(file);
	return bytes;
}

#define NR_PIPES 24

/* Sessions of 10 MiB. A pipe can hold 1 MiB of pages, and stays. */
static void close_sessions_and_keep_pipes(void *arg)
{
	unsigned int i;
	int pipes[2];

	(void)arg;
	for (i = 0; i < NR_PIPES; i++) {
		struct session session = { .fd = prepare_by(device, 0, 1U << 18) };
		struct iovec pages;

		session.len = 4096 + 2561 * UINT64_C(4096);
		session.ring = mmap(NULL, session.len, PROT_READ, MAP_SHARED, session.fd, 0);
		if (session.ring == MAP_FAILED || pipe(pipes)) {
			blame("prepare, mmap or pipe");
			return;
		}
		pages = (struct iovec){ (void *)session.ring, session.len };
		fcntl(pipes[1], F_SETPIPE_SZ, MIB);
		vmsplice(pipes[1], &pages, 1, SPLICE_F_NONBLOCK);
		end(&session);
		atomic_fetch_add(&shared->rounds, 1);
	}
	stay();
}

TEST(closing_a_session_frees_its_memory_whoever_wants_to_keep_its_pages, begin, settle)
{
	uint64_t give_up = deadline(60);

	make_cgroup();
	device = open_path(BATCH_PATH, O_RDONLY);
	start_child(0, CGROUP "/cgroup.procs", close_sessions_and_keep_pipes, NULL);
	wait_for(&shared->rounds, NR_PIPES);
	/* Pipes could hold 24 MiB. The process takes some, and the kernel keeps some in hand. */
	while (memory_charged() > 8 * MIB && now_ns() < give_up)
		usleep(10000);
	printf("# %lu KiB are charged yet\n", (unsigned long)memory_charged() >> 10);
	assert_true(memory_charged() <= 8 * MIB);
	assert_workers_content();
}

/* The memory of each session, and how many of them are permitted */
#define LARGE_SLOTS 262144
#define LARGE_BYTES (4096 + 2561 * UINT64_C(4096))
#define NR_PERMITTED 3
#define NR_CLOSERS 8

/* Every other one is slow, so that the rest wants what it gives back. */
static void run_as(unsigned int closer)
{
	struct sched_param param = { 0 };

	pin_to(closer % 2 ? 1 : 2 + closer / 2 % 2);
	if (closer % 2 && sched_setscheduler(0, SCHED_IDLE, &param))
		blame("SCHED_IDLE");
}

/* Counted from when the session is there until before it is closed */
static void prepare_and_close(void *arg)
{
	run_as((uintptr_t)arg);
	while (!stopping()) {
		int fd = prepare_by(device, 0, LARGE_SLOTS);

		if (fd < 0) {
			if (errno != ENOMEM && errno != EMFILE)
				blame("prepare");
			atomic_fetch_add(&shared->refused, 1);
			continue;
		}
		if (atomic_fetch_add(&shared->prepared, 1) >= NR_PERMITTED)
			blame("there are more sessions than permitted");
		usleep(100);
		atomic_fetch_sub(&shared->prepared, 1);
		close(fd);
		atomic_fetch_add(&shared->rounds, 1);
	}
}

/* Threads at SCHED_IDLE get what it leaves: the rest of each 10 ms, and now and then a bit. */
static void be_busy(void *arg)
{
	(void)arg;
	pin_to(1);
	while (!stopping()) {
		uint64_t until = now_ns() + 3 * MS;

		while (now_ns() < until)
			;
		usleep(300);
	}
}

static void assert_never_above_the_limit(void)
{
	uint64_t most = 0, end_at = deadline(SECONDS);
	unsigned int i;

	make_cgroup();
	device = open_as(1000, BATCH_PATH);
	start_child(0, NULL, be_busy, NULL);
	for (i = 0; i < NR_CLOSERS; i++)
		start_child(1000 + i, CGROUP "/cgroup.procs", prepare_and_close,
			    (void *)(uintptr_t)i);
	while (now_ns() < end_at || atomic_load(&shared->rounds) < 50) {
		uint64_t charged = memory_charged();

		most = charged > most ? charged : most;
		assert_true(now_ns() < end_at + PATIENCE * 1000 * MS);
		usleep(500);
	}
	assert_workers_content();
	printf("# at most %lu KiB charged; %u closed, %u refused\n", (unsigned long)most >> 10,
	       atomic_load(&shared->rounds), atomic_load(&shared->refused));
	assert_true(atomic_load(&shared->refused) > 0);
	/* Of the rest, the closers take some themselves, and the kernel keeps some in hand. */
	assert_true(most < NR_PERMITTED * LARGE_BYTES + 4 * MIB);
}

TEST(memory_is_never_above_its_limit_whoever_closes_and_how_slowly, begin, settle)
{
	char limit[16];

	snprintf(limit, sizeof(limit), "%lu", (unsigned long)(NR_PERMITTED * LARGE_BYTES >> 10));
	must_set("session_max_kib", limit);
	assert_never_above_the_limit();
}

TEST(sessions_are_never_above_their_limit_whoever_closes_and_how_slowly, begin, settle)
{
	char limit[16];

	snprintf(limit, sizeof(limit), "%d", NR_PERMITTED);
	must_set("session_max", limit);
	assert_never_above_the_limit();
}

TEST_PROGRAM(NULL, NULL)
