// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: accesses prepared once and run many times.
 */

#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "guest.h"
#include "sessions.h"

#define MAX_OPS 131072
#define SESSION_MAX_PATH "/sys/module/msr_safe/parameters/session_max"
#define SESSION_MAX_KIB_PATH "/sys/module/msr_safe/parameters/session_max_kib"

static struct msr_op *many; /* MAX_OPS + 1 of them */

static int allocate(void **state)
{
	(void)state;
	many = calloc(MAX_OPS + 1, sizeof(*many));
	return many ? 0 : -1;
}

static int defaults(void **state)
{
	(void)state;
	set_online(3, true);
	return write_file(SESSION_MAX_PATH, "16") || write_file(SESSION_MAX_KIB_PATH, "65536");
}

TEST(a_run_writes_a_record_of_the_values_of_each_cpu, load_the_list, NULL)
{
	struct msr_op ops[] = {
		extended_read(2, STORE_A),    extended_read(0, CPU_NUMBER),
		extended_read(2, CPU_NUMBER), extended_read(0, STORE_B),
		extended_read(2, STORE_B),
	};
	struct session session;
	uint64_t i;

	for (i = 0; i < 4; i++) {
		poke(i, STORE_A, 100 + i);
		poke(i, STORE_B, 200 + i);
	}
	session = prepare(ops, ARRAY_SIZE(ops), 4, false);
	assert_int_equal(session.ring->size, 88);
	assert_int_equal(session.ring->reason, 0);
	assert_int_equal(session.ring->hold_ns, 0);
	assert_int_equal(stream_of(&session, 1)->state, MSR_STREAM_IDLE);
	assert_int_equal(session.ring->state, MSR_RING_READY);
	assert_int_equal(session.ring->cpus, 2);
	assert_int_equal(session.ring->slots, 4);
	assert_true(session.ring->tsc_khz > 0 && session.ring->start_ns > 0);
	assert_true(session.ring->start_tsc > 0);
	assert_int_equal(stream_of(&session, 0)->cpu, 0);
	assert_int_equal(stream_of(&session, 0)->ops, 2);
	assert_int_equal(stream_of(&session, 1)->cpu, 2);
	assert_int_equal(stream_of(&session, 1)->ops, 3);
	assert_int_equal(stream_of(&session, 1)->head, 0);
	for (i = 0; i < 10; i++) {
		const struct msr_record *record;

		poke(2, STORE_A, 1000 + i);
		assert_int_equal(run_fd(session.fd, NULL), 0);
		assert_int_equal(stream_of(&session, 0)->head, i + 1);
		assert_int_equal(stream_of(&session, 1)->head, i + 1);
		record = record_of(&session, 0, i);
		assert_int_equal(record->tick, i + 1);
		assert_int_equal(record->failed, 0);
		assert_int_equal(record->word[0], 0);
		assert_int_equal(record->word[1], 200);
		assert_int_equal(record->word[2], 0);
		record = record_of(&session, 1, i);
		assert_int_equal(record->tick, i + 1);
		assert_true(record->tsc > session.ring->start_tsc);
		assert_true(record->cycles > 0);
		assert_int_equal(record->word[0], 1000 + i);
		assert_int_equal(record->word[1], 2);
		assert_int_equal(record->word[2], 202);
		assert_int_equal(record->word[3], 0);
		/* Those before are there yet, as far as there are slots. */
		if (i >= 3)
			assert_int_equal(record_of(&session, 1, i - 3)->word[0], 1000 + i - 3);
	}
	end(&session);
}

TEST(writes_have_the_values_of_the_run_or_those_prepared, load_the_list, NULL)
{
	struct msr_op ops[] = {
		extended_write(3, STORE_A, 11, 0),
		extended_read(1, STORE_A),
		extended_write(1, STORE_B, UINT64_MAX, 0xff0000),
		extended_write(1, STORE_A, 33, 0xff),
		extended_read(1, STORE_A),
	};
	static const uint64_t values[] = { 44, 0, 0x55 };
	struct session session;

	poke(1, STORE_A, 0x7700);
	poke(1, STORE_B, 0x12345678);
	poke(3, STORE_A, 1);
	session = prepare(ops, ARRAY_SIZE(ops), 1, false);
	/* To prepare writes nothing. */
	assert_int_equal(peek(3, STORE_A), 1);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(peek(3, STORE_A), 11);
	assert_int_equal(peek(1, STORE_B), 0x12ff5678);
	assert_int_equal(record_of(&session, 0, 0)->word[0], 0x7700);
	assert_int_equal(record_of(&session, 0, 0)->word[3], 0x7700 + 33);
	assert_int_equal(run_fd(session.fd, values), 0);
	assert_int_equal(peek(3, STORE_A), 44);
	assert_int_equal(peek(1, STORE_B), 0x12005678);
	assert_int_equal(peek(1, STORE_A), 0x7755);
	assert_int_equal(record_of(&session, 1, 1)->word[0], 44);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(peek(3, STORE_A), 11);
	assert_fails(run_fd(session.fd, no_memory()), EFAULT);
	assert_int_equal(peek(3, STORE_A), 11);
	end(&session);
}

TEST(an_operation_that_fails_has_its_bit_and_its_error, load_the_list, NULL)
{
	struct session session;
	unsigned int i;

	for (i = 0; i < 130; i++)
		many[i] = i % 65 == 64 ? extended_write(1, FAULTING, 0, 0) :
					 extended_read(1, CPU_NUMBER);
	session = prepare(many, 130, 1, false);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(run_fd(session.fd, (uint64_t[]){ 0, UINT64_C(1) << 40 }), 1);
	assert_int_equal(record_of(&session, 0, 1)->failed, 1);
	for (i = 0; i < 130; i++)
		assert_int_equal(record_of(&session, 0, 1)->word[i], i == 129 ? (uint64_t)-EIO :
								     i == 64  ? 0 :
										1);
	assert_int_equal(record_of(&session, 0, 1)->word[130], 0);
	assert_int_equal(record_of(&session, 0, 1)->word[131], 0);
	assert_int_equal(record_of(&session, 0, 1)->word[132], 2);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(record_of(&session, 0, 2)->word[132], 0);
	end(&session);
}

TEST(with_stamps_each_value_is_between_two_times, load_the_list, NULL)
{
	struct msr_op ops[] = { extended_read(1, CPU_NUMBER), extended_write(1, STORE_A, 5, 0),
				extended_read(1, STORE_A) };
	struct session session = prepare(ops, 3, 2, true);
	uint64_t last = 0;
	unsigned int i;

	assert_int_equal(run_fd(session.fd, NULL), 0);
	for (i = 0; i < 3; i++) {
		const __u64 *word = &record_of(&session, 0, 0)->word[3 * i];

		assert_true(word[0] > last && word[2] > word[0]);
		assert_int_equal(word[1], i ? 5 : 1);
		last = word[2];
	}
	assert_int_equal(record_of(&session, 0, 0)->word[9], 0);
	end(&session);
}

TEST(what_cannot_be_prepared_says_why_and_leaves_nothing, load_the_list, NULL)
{
	static const int errs[] = { 0, -EROFS, -EACCES, -EROFS, -ENXIO, -ENXIO };
	struct msr_op ops[] = {
		extended_write(0, STORE_A, 1, 0), extended_write(1, STORE_C, 1, 0),
		extended_read(0, STORE_D),	  extended_write(0, STORE_B, 1, 0xff),
		extended_read(4, STORE_A),	  extended_read(0x10000, STORE_A),
	};
	unsigned int i;

	poke(0, STORE_A, 77);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i].err = 99;
	assert_fails(try_prepare(ops, ARRAY_SIZE(ops), 1), EROFS);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(ops[i].err, errs[i]);
	assert_int_equal(ops[3].wmask, 0xffff0000);
	assert_int_equal(peek(0, STORE_A), 77);
	assert_fails(try_prepare(ops + 2, 1, 1), EACCES);
	assert_fails(try_prepare(ops + 4, 1, 1), ENXIO);
}

TEST(a_wrong_argument_of_prepare_is_refused, load_the_list, NULL)
{
	struct msr_op good = extended_read(0, STORE_A), bad[4];
	struct msr_ops heads[9];
	static const int errs[] = { EINVAL, EINVAL, EINVAL, EINVAL, E2BIG,
				    EINVAL, EINVAL, E2BIG,  EFAULT };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(heads); i++)
		heads[i] = head_of(&good, 1, 1);
	heads[0].slots = 0;
	heads[1].slots = 3;
	heads[2].flags = 2;
	heads[3].wake = 1;
	heads[4].size = 4097;
	heads[5].op_size = 63;
	heads[6].count = 0;
	heads[7].count = MAX_OPS + 1;
	heads[8].ops = (uintptr_t)no_memory();
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		assert_fails(prepare_on(BATCH_PATH, &heads[i]), errs[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].flags = MSR_OP_TSC;
	bad[1].flags = 4;
	bad[2].limit_us = 1;
	bad[3].mask = 1;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fails(try_prepare(&bad[i], 1, 1), EINVAL);
	assert_fails(prepare_on(BATCH_PATH, no_memory()), EFAULT);
	fd = open_path(BATCH_PATH, O_WRONLY);
	assert_fails(ioctl(fd, MSR_IOC_PREPARE, &heads[8]), EBADF);
	close(fd);
}

TEST(a_wrong_argument_of_run_is_refused, load_the_list, NULL)
{
	struct {
		struct msr_run run;
		uint64_t more;
	} arg = { .run = { .size = sizeof(arg) } };
	struct msr_op op = extended_read(0, STORE_A);
	int fd = try_prepare(&op, 1, 1);

	assert_int_equal(ioctl(fd, MSR_IOC_RUN, &arg), 0);
	arg.more = 1;
	assert_fails(ioctl(fd, MSR_IOC_RUN, &arg), E2BIG);
	arg.run.size = 15;
	assert_fails(ioctl(fd, MSR_IOC_RUN, &arg), EINVAL);
	arg.run.size = 4097;
	assert_fails(ioctl(fd, MSR_IOC_RUN, &arg), E2BIG);
	arg.run = (struct msr_run){ .size = sizeof(arg.run), .flags = 1 };
	assert_fails(ioctl(fd, MSR_IOC_RUN, &arg), EINVAL);
	assert_fails(ioctl(fd, MSR_IOC_RUN, no_memory()), EFAULT);
	assert_fails(ioctl(fd, MSR_IOC_OPS, &arg), ENOTTY);
	assert_fails(ioctl(fd, X86_IOC_MSR_BATCH, &arg), ENOTTY);
	close(fd);
}

TEST(the_longest_program_runs, load_the_list, NULL)
{
	struct session session;
	unsigned int i;

	for (i = 0; i < MAX_OPS; i++)
		many[i] = i % 2 ? extended_read(i / 2 % 4, STORE_A) :
				  extended_write(i / 2 % 4, STORE_A, i, 0);
	session = prepare(many, MAX_OPS, 2, false);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(session.ring->cpus, 4);
	for (i = 1; i < MAX_OPS; i += 2)
		assert_int_equal(record_of(&session, i / 2 % 4, 0)->word[i / 8 * 2 + 1], i - 1);
	end(&session);
}

/* A child has the mapping, too, and can write it as little. */
static int write_in_child(void *arg)
{
	const struct session *session = arg;
	void *map = (void *)session->ring;
	struct iovec from = { .iov_base = (char[]){ "xxxxxxxx" }, .iov_len = 8 };
	struct iovec to = { .iov_base = map, .iov_len = 8 };

	if (!mprotect(map, session->len, PROT_READ | PROT_WRITE) || errno != EACCES)
		return 1;
	if (process_vm_writev(getppid(), &from, 1, &to, 1, 0) >= 0)
		return 2;
	if (mmap(NULL, session->len, PROT_READ | PROT_WRITE, MAP_SHARED, session->fd, 0) !=
	    MAP_FAILED)
		return 3;
	return 0;
}

static void write_by_ptrace(const struct session *session)
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_fails(ptrace(PTRACE_POKEDATA, pid, &session->ring->start_ns, 1234UL), EIO);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

TEST(the_mapping_can_never_be_written, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session = prepare(&op, 1, 1, false);
	uint64_t before = session.ring->start_ns;
	int mem = open_path("/proc/self/mem", O_RDWR);

	assert_ptr_equal(mmap(NULL, session.len, PROT_READ | PROT_WRITE, MAP_SHARED, session.fd, 0),
			 MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_ptr_equal(mmap(NULL, session.len, PROT_READ, MAP_PRIVATE, session.fd, 0),
			 MAP_FAILED);
	assert_ptr_equal(mmap(NULL, session.len, PROT_READ, MAP_SHARED, session.fd, 4096),
			 MAP_FAILED);
	assert_ptr_equal(mmap(NULL, session.len + 4096, PROT_READ, MAP_SHARED, session.fd, 0),
			 MAP_FAILED);
	assert_ptr_equal(mmap(NULL, session.len - 4096, PROT_READ, MAP_SHARED, session.fd, 0),
			 MAP_FAILED);
	assert_fails(mprotect((void *)session.ring, session.len, PROT_READ | PROT_WRITE), EACCES);
	assert_ptr_equal(mremap((void *)session.ring, session.len, session.len + 4096,
				MREMAP_MAYMOVE),
			 MAP_FAILED);
	assert_int_equal(pwrite(mem, "xxxxxxxx", 8, (off_t)(uintptr_t)&session.ring->start_ns), -1);
	assert_int_equal(write(session.fd, "xxxxxxxx", 8), -1);
	assert_int_equal(in_child(false, write_in_child, &session), 0);
	write_by_ptrace(&session);
	assert_int_equal(session.ring->start_ns, before);
	close(mem);
	end(&session);
}

TEST(the_mapping_outlives_the_descriptor, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session;

	poke(0, STORE_A, 4711);
	session = prepare(&op, 1, 1, false);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	close(session.fd);
	assert_int_equal(record_of(&session, 0, 0)->word[0], 4711);
	munmap((void *)session.ring, session.len);
}

/* Each of these calls takes hold of the pages themselves. */
TEST(no_call_can_take_hold_of_pages_of_the_mapping, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session = prepare(&op, 1, 1024, false);
	struct iovec pages = { .iov_base = (void *)session.ring, .iov_len = session.len };
	char copy[8];
	struct iovec local = { .iov_base = copy, .iov_len = sizeof(copy) };
	struct iovec remote = { .iov_base = (void *)session.ring, .iov_len = sizeof(copy) };
	struct io_uring_params params = { 0 };
	int ring, pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_fails(vmsplice(pipes[1], &pages, 1, 0), EFAULT);
	assert_fails(vmsplice(pipes[1], &pages, 1, SPLICE_F_GIFT), EFAULT);
	assert_int_equal(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
	assert_true(errno == EFAULT || errno == ENOSYS); /* a kernel that has no such call */
	ring = syscall(SYS_io_uring_setup, 2, &params);
	if (ring >= 0) {
		int got = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &pages, 1);

		assert_int_equal(got, -1);
		assert_true(errno == EFAULT || errno == EOPNOTSUPP);
		close(ring);
	}
	close(pipes[0]);
	close(pipes[1]);
	end(&session);
}

/* A disk of the guest, if it has one */
static int open_disk(void)
{
	static const char *const disks[] = { "/dev/ram0", "/dev/vda", "/dev/sda", "/dev/pmem0" };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(disks); i++) {
		fd = open(disks[i], O_RDWR | O_DIRECT);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

TEST(a_direct_write_from_the_mapping_is_efault, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session = prepare(&op, 1, 1, false);
	int disk = open_disk();

	if (disk < 0) {
		end(&session);
		skip(); /* a guest without a disk */
	}
	assert_fails(write(disk, session.ring, 4096), EFAULT);
	close(disk);
	end(&session);
}

TEST(write_can_copy_from_the_mapping, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session;
	char copy[4096];
	int pipes[2], file = open_path("/tmp/copy", O_RDWR | O_CREAT | O_TRUNC);

	poke(0, STORE_A, 4711);
	session = prepare(&op, 1, 1, false);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], session.ring, sizeof(copy)), sizeof(copy));
	assert_int_equal(read(pipes[0], copy, sizeof(copy)), sizeof(copy));
	assert_memory_equal(copy, session.ring, sizeof(*session.ring));
	assert_int_equal(write(file, session.ring, session.len), session.len);
	assert_int_equal(pread(file, copy, sizeof(copy), 4096), sizeof(copy));
	assert_memory_equal(copy, stream_of(&session, 0), 4096);
	close(file);
	unlink("/tmp/copy");
	close(pipes[0]);
	close(pipes[1]);
	end(&session);
}

TEST(the_descriptor_is_closed_on_exec_and_open_for_reading, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	int fd = try_prepare(&op, 1, 1);

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

TEST(a_list_that_takes_nothing_away_lets_a_session_go_on, load_the_list, NULL)
{
	struct msr_op ops[] = { extended_read(0, STORE_C),
				extended_write(1, STORE_B, 0xff0000, 0xff0000) };
	struct session session = prepare(ops, 2, 1, false);

	load_list("0x40a 0\n0x406 0xff0000\n");
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(session.ring->state, MSR_RING_READY);
	end(&session);
}

TEST(a_list_that_takes_something_away_ends_a_session, load_the_list, NULL)
{
	static const char *const lists[] = {
		"0x40a 0\n0x406 0xfe0000\n",
		"0x406 0xff0000\n",
		"0x40a 0\n",
		"\n",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		struct msr_op ops[] = { extended_read(0, STORE_C),
					extended_write(1, STORE_B, 0, 0xff0000) };
		struct session session, other;

		load_the_list(NULL);
		poke(1, STORE_B, 0xaaaaaaaa);
		session = prepare(ops, 2, 1, false);
		other = prepare(ops, 1, 1, false);
		assert_int_equal(write_list(lists[i]), (ssize_t)strlen(lists[i]));
		assert_int_equal(session.ring->state, MSR_RING_REVOKED);
		assert_fails(run_fd(session.fd, NULL), ESTALE);
		assert_int_equal(stream_of(&session, 0)->head, 0);
		assert_int_equal(peek(1, STORE_B), 0xaaaaaaaa);
		/* Not even if the list comes back */
		load_the_list(NULL);
		assert_fails(run_fd(session.fd, NULL), ESTALE);
		/* The other one reads 0x40a alone. */
		assert_int_equal(other.ring->state, i == 1 || i == 3);
		end(&session);
		end(&other);
	}
}

static volatile bool stop;

static void *run_until_stopped(void *arg)
{
	const struct session *session = arg;

	pin_to(1);
	while (!stop && run_fd(session->fd, NULL) == 0)
		;
	return NULL;
}

TEST(no_record_is_newer_than_the_write_of_a_list, load_the_list, NULL)
{
	unsigned int round, i;

	for (round = 0; round < 200; round++) {
		struct session session;
		uint64_t heads[4];
		pthread_t thread;

		load_the_list(NULL);
		for (i = 0; i < 400; i++)
			many[i] = extended_read(i % 4, STORE_A);
		session = prepare(many, 400, 1, false);
		stop = false;
		assert_int_equal(pthread_create(&thread, NULL, run_until_stopped, &session), 0);
		usleep(500 + 37 * round % 1000);
		load_list("0x40a 0\n");
		for (i = 0; i < 4; i++)
			heads[i] = stream_of(&session, i)->head;
		usleep(2000);
		for (i = 0; i < 4; i++)
			assert_int_equal(stream_of(&session, i)->head, heads[i]);
		stop = true;
		pthread_join(thread, NULL);
		end(&session);
	}
}

static void *run_1000(void *arg)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		if (run_fd(*(int *)arg, NULL))
			return arg;
	return NULL;
}

TEST(runs_of_one_session_are_one_after_the_other, load_the_list, NULL)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_read(1, STORE_A),
				extended_read(2, STORE_A) };
	struct session session = prepare(ops, 3, 4096, false);
	pthread_t threads[4];
	unsigned int i, j;
	void *failed;

	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_1000, &session.fd), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(stream_of(&session, i)->head, 4000);
		for (j = 0; j < 4000; j++)
			assert_int_equal(record_of(&session, i, j)->tick, j + 1);
	}
	end(&session);
}

TEST(a_cpu_that_is_offline_has_no_record_and_that_is_counted, load_the_list, defaults)
{
	struct msr_op ops[] = { extended_read(3, STORE_A), extended_read(0, STORE_A),
				extended_read(3, STORE_B) };
	struct session session = prepare(ops, 3, 2, false);

	assert_int_equal(set_online(3, false), 0);
	assert_int_equal(run_fd(session.fd, NULL), 2);
	assert_int_equal(stream_of(&session, 0)->head, 1);
	assert_int_equal(stream_of(&session, 1)->head, 0);
	assert_int_equal(stream_of(&session, 1)->offline, 1);
	assert_int_equal(set_online(3, true), 0);
	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(stream_of(&session, 1)->head, 1);
	assert_int_equal(record_of(&session, 1, 0)->tick, 2);
	end(&session);
}

TEST(a_user_has_a_limited_number_of_sessions, load_the_list, defaults)
{
	struct msr_op op = extended_read(0, STORE_A);
	int fds[16];
	unsigned int i;

	for (i = 0; i < 16; i++) {
		fds[i] = try_prepare(&op, 1, 1);
		assert_true(fds[i] >= 0);
	}
	assert_fails(try_prepare(&op, 1, 1), EMFILE);
	close(fds[7]);
	fds[7] = try_prepare(&op, 1, 1);
	assert_true(fds[7] >= 0);
	assert_int_equal(write_file(SESSION_MAX_PATH, "17"), 0);
	assert_int_equal(close(try_prepare(&op, 1, 1)), 0);
	for (i = 0; i < 16; i++)
		close(fds[i]);
}

TEST(all_users_have_a_limited_number_of_sessions, load_the_list, defaults)
{
	struct msr_op op = extended_read(0, STORE_A);
	int fds[128];
	unsigned int i;

	assert_int_equal(write_file(SESSION_MAX_PATH, "1000"), 0);
	for (i = 0; i < 128; i++) {
		fds[i] = try_prepare(&op, 1, 1);
		assert_true(fds[i] >= 0);
	}
	assert_fails(try_prepare(&op, 1, 1), EMFILE);
	for (i = 0; i < 128; i++)
		close(fds[i]);
	assert_int_equal(close(try_prepare(&op, 1, 1)), 0);
}

TEST(a_user_has_limited_memory_for_records, load_the_list, defaults)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_read(1, STORE_A) };
	int fd;

	assert_int_equal(write_file(SESSION_MAX_KIB_PATH, "20"), 0);
	/* A page, and two pages of each CPU: 64 and 128 times 40 bytes */
	fd = try_prepare(ops, 2, 128);
	assert_true(fd >= 0);
	assert_fails(try_prepare(ops, 1, 1), ENOMEM);
	close(fd);
	assert_fails(try_prepare(ops, 2, 256), ENOMEM);
	assert_fails(try_prepare(ops, 2, 1U << 31), ENOMEM);
	assert_int_equal(close(try_prepare(ops, 2, 1)), 0);
}

TEST(a_session_keeps_the_module_loaded, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session = prepare(&op, 1, 1, false);

	assert_int_equal(unload_module(), -EWOULDBLOCK);
	close(session.fd);
	assert_int_equal(unload_module(), -EWOULDBLOCK);
	munmap((void *)session.ring, session.len);
}

static int run_in_child(void *arg)
{
	return run_fd(*(int *)arg, NULL);
}

TEST(a_child_inherits_the_session, load_the_list, NULL)
{
	struct msr_op op = extended_read(0, STORE_A);
	struct session session = prepare(&op, 1, 1, false);

	assert_int_equal(in_child(true, run_in_child, &session.fd), 0);
	assert_int_equal(stream_of(&session, 0)->head, 1);
	end(&session);
}

TEST(a_32_bit_program_is_enotty, load_the_list, NULL)
{
	struct {
		struct msr_run run;
		struct msr_start start;
		struct msr_ops head;
		struct msr_op op;
	} *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		       -1, 0);
	int device = open_path(SAMPLE_PATH, O_RDONLY), fd;

	args->run.size = sizeof(args->run);
	args->start = (struct msr_start){ .size = sizeof(args->start), .period_ns = 1000000 };
	args->op = extended_read(0, STORE_A);
	args->head = head_of(&args->op, 1, 1);
	fd = ioctl(device, MSR_IOC_PREPARE, &args->head);
	assert_int_equal(ioctl(fd, MSR_IOC_RUN, &args->run), 0);
	assert_int_equal(ioctl_of_32_bits(fd, MSR_IOC_RUN, &args->run), -ENOTTY);
	assert_int_equal(ioctl_of_32_bits(fd, MSR_IOC_START, &args->start), -ENOTTY);
	assert_int_equal(ioctl_of_32_bits(fd, MSR_IOC_STOP, NULL), -ENOTTY);
	assert_int_equal(ioctl_of_32_bits(device, MSR_IOC_PREPARE, &args->head), -ENOTTY);
	args->head.slots = args->head.map_len = 0;
	assert_int_equal(ioctl(device, MSR_IOC_OPS, &args->head), 0);
	assert_int_equal(ioctl_of_32_bits(device, MSR_IOC_OPS, &args->head), -ENOTTY);
	close(fd);
	close(device);
	munmap(args, 4096);
}

TEST(a_run_that_is_killed_counts_for_each_cpu_and_the_session_goes_on, load_the_list, NULL)
{
	struct session session;
	unsigned int round, i;

	for (i = 0; i < MAX_OPS; i++)
		many[i] = extended_read(i % 4, CPU_NUMBER);
	session = prepare(many, MAX_OPS, 2, false);
	for (round = 0; round < 20; round++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		while (pid == 0)
			run_fd(session.fd, NULL);
		usleep(1000 + 3777 * round);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		for (i = 0; i < 4; i++)
			assert_int_equal(accounted(&session, i), accounted(&session, 0));
		assert_int_equal(run_fd(session.fd, NULL), 0);
		for (i = 0; i < 4; i++) {
			const struct msr_stream *stream = stream_of(&session, i);
			const struct msr_record *record = record_of(&session, i, stream->head - 1);

			assert_int_equal(record->tick, accounted(&session, 0));
			assert_int_equal(record->failed, 0);
			assert_int_equal(record->word[0], i);
			assert_int_equal(record->word[MAX_OPS / 4 - 1], i);
		}
	}
	end(&session);
}

TEST(cycles_max_is_the_most_of_all_records, load_the_list, NULL)
{
	struct msr_op op = extended_read(1, CPU_NUMBER);
	struct session session = prepare(&op, 1, 64, false);
	uint64_t most = 0;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		assert_int_equal(run_fd(session.fd, NULL), 0);
		if (record_of(&session, 0, i)->cycles > most)
			most = record_of(&session, 0, i)->cycles;
		assert_int_equal(stream_of(&session, 0)->cycles_max, most);
	}
	assert_true(most > 0);
	end(&session);
}

#define STRESS_SECONDS 4

static const char *const stress_lists[] = {
	"0xC0000103 0\n0x402 0xffffffffffffffff\n",
	"0xC0000103 0\n0x402 0xff\n0x40a 0\n",
	"0x402 0xffff\n",
	"0x402 0xffff\n0xC0000103 0\n0x406 1\n",
};

/* What a run may answer while lists change: its operations, or an error */
static bool is_answer(int result, int count)
{
	return result < 0 ? errno == ESTALE : result <= count;
}

/* Prepares, runs, maps and closes sessions of random sizes. Returns NULL if all was right. */
static void *stress(void *arg)
{
	unsigned int seed = (uintptr_t)arg, i, runs;
	int batch = open(BATCH_PATH, O_RDONLY);
	struct msr_op ops[300];

	while (!stop) {
		unsigned int count = 1 + rand_r(&seed) % (rand_r(&seed) % 4 ? 16 : ARRAY_SIZE(ops));
		struct msr_ops head = head_of(ops, count, 1U << rand_r(&seed) % 5);
		const char *at;
		int fd;

		for (i = 0; i < count; i++)
			ops[i] = rand_r(&seed) % 8 ?
					 extended_read(rand_r(&seed) % 4, CPU_NUMBER) :
					 extended_write(rand_r(&seed) % 4, STORE_A, i, 0xff);
		fd = ioctl(batch, MSR_IOC_PREPARE, &head);
		if (fd < 0 && errno != EACCES && errno != ENXIO)
			return "prepare";
		if (fd < 0)
			continue;
		at = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, fd, 0);
		if (at == MAP_FAILED)
			return "mmap";
		for (runs = rand_r(&seed) % 40; runs; runs--)
			if (!is_answer(run_fd(fd, NULL), count))
				return "run";
		close(fd);
		for (i = 0; i < ((const struct msr_ring *)at)->cpus; i++) {
			struct session session = { .ring = (const void *)at };
			const struct msr_stream *stream = stream_of(&session, i);
			const struct msr_record *record;
			unsigned int j;

			if (!stream->head)
				continue;
			record = record_of(&session, i, stream->head - 1);
			for (j = 0; j < stream->ops; j++)
				if (record->tick && record->word[j] != stream->cpu &&
				    record->word[j] >> 8)
					return "value";
		}
		munmap((void *)at, head.map_len);
	}
	close(batch);
	return NULL;
}

TEST(sessions_survive_lists_and_cpus_that_change, load_the_list, defaults)
{
	pthread_t threads[3];
	unsigned int i;

	load_list(stress_lists[0]);
	for (i = 0; i < 4; i++)
		poke(i, STORE_A, 0);
	stop = false;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stress, (void *)(i + 1UL)), 0);
	change_lists_and_cpus(stress_lists, ARRAY_SIZE(stress_lists), STRESS_SECONDS);
	stop = true;
	join_content_threads(threads, ARRAY_SIZE(threads));
}

TEST(fdinfo_says_what_the_session_is, load_the_list, NULL)
{
	struct msr_op ops[] = { extended_read(0, STORE_A), extended_read(2, STORE_A),
				extended_read(2, STORE_B) };
	struct session session = prepare(ops, 3, 4, false);
	char path[64], text[1024];
	ssize_t len;
	int fd;

	assert_int_equal(run_fd(session.fd, NULL), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session.fd);
	fd = open_path(path, O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(
		strstr(text, "msr-owner:\t0\nmsr-list:\tdefault\nmsr-state:\tready\nmsr-cpus:\t2\n"
			     "msr-operations:\t3\nmsr-slots:\t4\nmsr-memory:\t12 KiB\n"
			     "msr-runs:\t1\n"));
	end(&session);
}

TEST_PROGRAM(allocate, NULL)
