// SPDX-License-Identifier: GPL-2.0-only

#include <dirent.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "doors.h"

/* More operations than fit on the stack, than one visit has, and of a session */
#define MANY 40
#define VERY_MANY 5000
#define OPS_OF_RUN 20

/* Seconds until a sample must be there; what must end may be slow. */
#define PATIENCE 60

/* What a system call for 8 bytes returned, as a door says it */
static int done(ssize_t result)
{
	if (result < 0)
		return -errno;
	return result == 8 ? 0 : -EPROTO;
}

static int read_at(struct doors *doors, const struct door *door, unsigned int cpu, uint64_t *value)
{
	(void)door;
	return done(pread(doors->cpu[cpu], value, 8, STORE_A));
}

static int write_at(struct doors *doors, const struct door *door, unsigned int cpu, uint64_t value)
{
	(void)door;
	return done(pwrite(doors->cpu[cpu], &value, 8, STORE_A));
}

static int read_here(struct doors *doors, const struct door *door, unsigned int cpu,
		     uint64_t *value)
{
	struct iovec vector = { value, 8 };
	int fd = doors->cpu[cpu];

	if (lseek(fd, STORE_A, SEEK_SET) != STORE_A)
		return -errno;
	return done(door->how ? readv(fd, &vector, 1) : read(fd, value, 8));
}

static int write_here(struct doors *doors, const struct door *door, unsigned int cpu,
		      uint64_t value)
{
	struct iovec vector = { &value, 8 };
	int fd = doors->cpu[cpu];

	if (lseek(fd, STORE_A, SEEK_SET) != STORE_A)
		return -errno;
	return done(door->how ? writev(fd, &vector, 1) : write(fd, &value, 8));
}

static int read_vector(struct doors *doors, const struct door *door, unsigned int cpu,
		       uint64_t *value)
{
	struct iovec vector = { value, 8 };
	int fd = doors->cpu[cpu];

	return done(door->how ? preadv2(fd, &vector, 1, STORE_A, 0) :
				preadv(fd, &vector, 1, STORE_A));
}

static int write_vector(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t value)
{
	struct iovec vector = { &value, 8 };
	int fd = doors->cpu[cpu];

	return done(door->how ? pwritev2(fd, &vector, 1, STORE_A, 0) :
				pwritev(fd, &vector, 1, STORE_A));
}

/* How io_uring is asked */
enum { BY_CALLER, BY_CALLER_VECTOR, BY_EITHER, BY_ASYNC, BY_POLLER };

static int by_uring(struct doors *doors, unsigned int how, struct io_uring_sqe request,
		    unsigned int cpu, uint64_t *value)
{
	struct iovec vector = { value, 8 };
	struct uring *ring = &doors->ring;
	int result;

	request.fd = how <= BY_CALLER_VECTOR ? doors->nonblocking[cpu] : doors->cpu[cpu];
	request.off = STORE_A;
	request.addr = (uintptr_t)(how == BY_CALLER_VECTOR ? &vector : (void *)value);
	request.len = how == BY_CALLER_VECTOR ? 1 : 8;
	if (how == BY_ASYNC) {
		ring = &doors->worker;
		request.flags = IOSQE_ASYNC;
	} else if (how >= BY_POLLER) {
		/* Kernels before 5.11 want registered files there. */
		ring = &doors->poller[how - BY_POLLER];
		request.flags = IOSQE_FIXED_FILE;
		request.fd = cpu;
	}
	if (ring->fd < 0)
		return DOOR_ABSENT;
	result = uring_do(ring, request);
	return result == 8 ? 0 : result < 0 ? result : -EPROTO;
}

static int read_by_uring(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t *value)
{
	struct io_uring_sqe request = { .opcode = door->how == BY_CALLER_VECTOR ? IORING_OP_READV :
										  IORING_OP_READ };

	return by_uring(doors, door->how, request, cpu, value);
}

static int write_by_uring(struct doors *doors, const struct door *door, unsigned int cpu,
			  uint64_t value)
{
	struct io_uring_sqe request = { .opcode = door->how == BY_CALLER_VECTOR ? IORING_OP_WRITEV :
										  IORING_OP_WRITE };

	return by_uring(doors, door->how, request, cpu, &value);
}

static int by_aio(int fd, unsigned int opcode, uint64_t *value)
{
	struct iocb block = {
		.aio_lio_opcode = opcode,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)value,
		.aio_nbytes = 8,
		.aio_offset = STORE_A,
	};
	struct iocb *blocks[] = { &block };
	struct io_event event = { 0 };
	aio_context_t context = 0;
	int result;

	if (syscall(__NR_io_setup, 1, &context))
		return errno == ENOSYS ? DOOR_ABSENT : -errno;
	result = syscall(__NR_io_submit, context, 1, blocks) == 1 ? 0 : -errno;
	if (!result) {
		if (syscall(__NR_io_getevents, context, 1, 1, &event, NULL) != 1)
			abort();
		result = event.res == 8 ? 0 : event.res < 0 ? (int)event.res : -EPROTO;
	}
	syscall(__NR_io_destroy, context);
	return result;
}

static int read_by_aio(struct doors *doors, const struct door *door, unsigned int cpu,
		       uint64_t *value)
{
	(void)door;
	return by_aio(doors->cpu[cpu], IOCB_CMD_PREAD, value);
}

static int write_by_aio(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t value)
{
	(void)door;
	return by_aio(doors->cpu[cpu], IOCB_CMD_PWRITE, &value);
}

/* How a file is copied: to or from a pipe, or a file in memory */
enum { BY_SPLICE, BY_SENDFILE, BY_COPY };

static int copy_to(int pipe[2], int memory, int fd, unsigned int how, uint64_t *value)
{
	loff_t at = STORE_A;
	ssize_t len;

	if (how == BY_COPY)
		len = copy_file_range(fd, &at, memory, NULL, 8, 0);
	else
		len = how == BY_SPLICE ? splice(fd, &at, pipe[1], NULL, 8, 0) :
					 sendfile(pipe[1], fd, &at, 8);
	if (len <= 0)
		return len ? -errno : -EPROTO;
	return done(how == BY_COPY ? pread(memory, value, 8, 0) : read(pipe[0], value, 8));
}

static int copy_from(int pipe[2], int memory, int fd, unsigned int how, const uint64_t *value)
{
	loff_t at = STORE_A;
	loff_t start = 0;

	if (how == BY_SPLICE)
		return done(write(pipe[1], value, 8)) ?: done(splice(pipe[0], NULL, fd, &at, 8, 0));
	if (pwrite(memory, value, 8, 0) != 8 || lseek(fd, STORE_A, SEEK_SET) != STORE_A)
		return -EPROTO;
	return done(how == BY_COPY ? copy_file_range(memory, &start, fd, &at, 8, 0) :
				     sendfile(fd, memory, &start, 8));
}

static int with_places(int (*function)(int pipe[2], int memory, int fd, unsigned int how,
				       uint64_t *value),
		       int fd, unsigned int how, uint64_t *value)
{
	int memory = memfd_create("copy", 0);
	int fds[2], result;

	if (memory < 0 || pipe(fds))
		abort();
	result = function(fds, memory, fd, how, value);
	close(fds[0]);
	close(fds[1]);
	close(memory);
	return result;
}

static int read_by_copy(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t *value)
{
	return with_places(copy_to, doors->cpu[cpu], door->how, value);
}

static int write_by_copy(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t value)
{
	return with_places((void *)copy_from, doors->cpu[cpu], door->how, &value);
}

static int read_by_mmap(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t *value)
{
	uint64_t *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, doors->cpu[cpu], 0);

	(void)door;
	if (memory == MAP_FAILED)
		return -errno;
	*value = *memory;
	munmap(memory, 4096);
	return 0;
}

/* Those for the CPU of the first, and what becomes of them */
static int outcome_of(const struct msr_batch_op *ops, unsigned int count)
{
	unsigned int i;

	for (i = 1; i < count; i++)
		if (ops[i].cpu == ops->cpu && ops[i].err != ops->err)
			return -EPROTO;
	return ops->err;
}

static int run_ops(int fd, struct msr_batch_op *ops, unsigned int count)
{
	long result = run_batch_fd(fd, ops, count);

	if (result < 0 ? errno != -ops->err : ops->err)
		return -EPROTO;
	return outcome_of(ops, count);
}

static int read_by_batch(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t *value)
{
	static struct msr_batch_op ops[VERY_MANY];
	unsigned int i;
	int err;

	for (i = 0; i < door->how; i++)
		ops[i] = read_op(cpu, STORE_A);
	for (i = 0; i < door->how; i++)
		ops[i].msrdata = *value;
	err = run_ops(doors->batch, ops, door->how);
	*value = ops[door->how - 1].msrdata;
	return err;
}

static int write_by_batch(struct doors *doors, const struct door *door, unsigned int cpu,
			  uint64_t value)
{
	static struct msr_batch_op ops[VERY_MANY];
	unsigned int i;

	for (i = 0; i < door->how; i++)
		ops[i] = write_op(cpu, STORE_A, value);
	return run_ops(doors->batch, ops, door->how);
}

/* Every other operation is for another CPU, which may be one that the caller may reach. */
static int read_by_mixed(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t *value)
{
	static struct msr_batch_op ops[VERY_MANY];
	unsigned int i;

	for (i = 0; i < door->how; i++) {
		ops[i] = read_op((cpu + (i % 2 ? i / 2 % DOOR_CPUS : 0)) % DOOR_CPUS, STORE_A);
		ops[i].msrdata = *value;
	}
	run_batch_fd(doors->batch, ops, door->how);
	*value = ops->msrdata;
	return outcome_of(ops, door->how);
}

static int write_by_mixed(struct doors *doors, const struct door *door, unsigned int cpu,
			  uint64_t value)
{
	static struct msr_batch_op ops[VERY_MANY];
	unsigned int i;

	for (i = 0; i < door->how; i++)
		ops[i] = i % 2 ? read_op(i / 2 % DOOR_CPUS, STORE_A) :
				 write_op(cpu, STORE_A, value);
	run_batch_fd(doors->batch, ops, door->how);
	return outcome_of(ops, door->how);
}

static int run_extended(int fd, struct msr_op *ops, unsigned int count)
{
	struct msr_ops head = head_of(ops, count, 0);
	long failed = ioctl(fd, MSR_IOC_OPS, &head);

	if (failed < 0)
		return -errno;
	return failed == (ops->err ? count : 0) ? ops[count - 1].err : -EPROTO;
}

static int read_extended(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t *value)
{
	static struct msr_op ops[VERY_MANY];
	unsigned int i;
	int err;

	for (i = 0; i < door->how; i++) {
		ops[i] = extended_read(cpu, STORE_A);
		ops[i].data = *value;
	}
	err = run_extended(doors->batch, ops, door->how);
	*value = ops[door->how - 1].data;
	return err;
}

static int write_extended(struct doors *doors, const struct door *door, unsigned int cpu,
			  uint64_t value)
{
	static struct msr_op ops[VERY_MANY];
	unsigned int i;

	for (i = 0; i < door->how; i++)
		ops[i] = extended_write(cpu, STORE_A, value, 0);
	return run_extended(doors->batch, ops, door->how);
}

/* A register that differs from @data ends the wait at once. */
static struct msr_op wait_for(unsigned int cpu, uint64_t value)
{
	struct msr_op op = extended_read(cpu, STORE_A);

	op.flags = MSR_OP_POLL;
	op.limit_us = 1000;
	op.data = value;
	return op;
}

static int read_by_poll(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t *value)
{
	struct msr_op op = wait_for(cpu, *value);
	int err;

	if (door->how)
		op.flags |= MSR_OP_FROM_NOW;
	err = run_extended(doors->sample, &op, 1);
	*value = op.data;
	/* Nothing changes the register: a wait from now on ends with the limit. */
	return door->how && err == -ETIME ? 0 : err;
}

/* After a wait that ends at once, or cannot begin */
static int write_after_poll(struct doors *doors, const struct door *door, unsigned int cpu,
			    uint64_t value)
{
	struct msr_op ops[] = { wait_for(cpu, value), extended_write(cpu, STORE_A, value, 0) };
	struct msr_ops head = head_of(ops, 2, 0);

	(void)door;
	if (ioctl(doors->sample, MSR_IOC_OPS, &head) < 0)
		return -errno;
	return ops[0].err == ops[1].err ? ops[1].err : -EPROTO;
}

/* Prepares, which reads the register, but shows nothing of it. */
static int read_by_prepare(struct doors *doors, const struct door *door, unsigned int cpu,
			   uint64_t *value)
{
	struct msr_op op = extended_read(cpu, STORE_A);
	struct msr_ops head = head_of(&op, 1, 1);
	int fd;

	fd = ioctl(door->how ? doors->sample : doors->batch, MSR_IOC_PREPARE, &head);
	if (fd < 0)
		return -errno;
	close(fd);
	return read_at(doors, door, cpu, value);
}

/* A run that fails writes no record. Where there is no session, its @fd is a negative errno. */
static int run_once(const struct session *session, const uint64_t *values)
{
	uint64_t head;

	if (session->fd < 0)
		return session->fd;
	head = stream_of(session, 0)->head;
	if (run_fd(session->fd, values) == 0)
		return stream_of(session, 0)->head == head + 1 ? 0 : -EPROTO;
	return stream_of(session, 0)->head == head ? -errno : -EPROTO;
}

static const __u64 *last_words(const struct session *session)
{
	return record_of(session, 0, stream_of(session, 0)->head - 1)->word;
}

static int read_by_run(struct doors *doors, const struct door *door, unsigned int cpu,
		       uint64_t *value)
{
	const struct session *session = &doors->runs[cpu][door->how];
	int err = run_once(session, NULL);

	if (!err)
		*value = last_words(session)[door->how == RUN_READS ? 3 * OPS_OF_RUN - 2 : 0];
	return err;
}

static int write_by_run(struct doors *doors, const struct door *door, unsigned int cpu,
			uint64_t value)
{
	return run_once(&doors->runs[cpu][door->how], &value);
}

static int read_by_timer(struct doors *doors, const struct door *door, unsigned int cpu,
			 uint64_t *value)
{
	const struct session *session = &doors->runs[cpu][RUN_READ];
	uint64_t end = now_ns() + PATIENCE * UINT64_C(1000000000);
	uint64_t head;

	(void)door;
	if (session->fd < 0)
		return session->fd;
	head = stream_of(session, 0)->head;
	if (start_fd(session->fd, 1000000, 0)) {
		int err = -errno;

		usleep(5000); /* more than one period */
		return stream_of(session, 0)->head == head ? err : -EPROTO;
	}
	while (__atomic_load_n(&stream_of(session, 0)->head, __ATOMIC_ACQUIRE) == head &&
	       now_ns() < end)
		usleep(500);
	if (stop_fd(session->fd) || stream_of(session, 0)->head == head)
		return -EPROTO;
	*value = last_words(session)[0];
	return 0;
}

const struct door all_doors[] = {
	{ "pread, pwrite", DOOR_CALLER, read_at, write_at, 0 },
	{ "read, write", DOOR_CALLER, read_here, write_here, 0 },
	{ "readv, writev", DOOR_CALLER, read_here, write_here, 1 },
	{ "preadv, pwritev", DOOR_CALLER, read_vector, write_vector, 0 },
	{ "preadv2, pwritev2", DOOR_CALLER, read_vector, write_vector, 1 },
	{ "io_uring, not blocking", DOOR_INLINE, read_by_uring, write_by_uring, BY_CALLER },
	{ "io_uring, a vector", DOOR_INLINE, read_by_uring, write_by_uring, BY_CALLER_VECTOR },
	{ "io_uring", DOOR_EITHER, read_by_uring, write_by_uring, BY_EITHER },
	{ "io_uring, IOSQE_ASYNC", DOOR_WORKER, read_by_uring, write_by_uring, BY_ASYNC },
	{ "io_uring, SQPOLL on CPU 1", DOOR_WORKER, read_by_uring, write_by_uring, BY_POLLER },
	{ "io_uring, SQPOLL on CPU 3", DOOR_WORKER, read_by_uring, write_by_uring, BY_POLLER + 1 },
	{ "io_submit", DOOR_SHUT, read_by_aio, write_by_aio, 0 },
	{ "splice", DOOR_SHUT, read_by_copy, write_by_copy, BY_SPLICE },
	{ "sendfile", DOOR_SHUT, read_by_copy, write_by_copy, BY_SENDFILE },
	{ "copy_file_range", DOOR_SHUT, read_by_copy, write_by_copy, BY_COPY },
	{ "mmap", DOOR_SHUT, read_by_mmap, NULL, 0 },
	{ "a batch of one", DOOR_CALLER, read_by_batch, write_by_batch, 1 },
	{ "a batch", DOOR_CALLER, read_by_batch, write_by_batch, 5 },
	{ "a large batch", DOOR_CALLER, read_by_batch, write_by_batch, MANY },
	{ "a batch of several visits", DOOR_CALLER, read_by_batch, write_by_batch, VERY_MANY },
	{ "a batch for many CPUs", DOOR_CALLER, read_by_mixed, write_by_mixed, 8 },
	{ "a large batch for many CPUs", DOOR_CALLER, read_by_mixed, write_by_mixed, MANY },
	{ "several visits of many CPUs", DOOR_CALLER, read_by_mixed, write_by_mixed, VERY_MANY },
	{ "an extended operation", DOOR_CALLER, read_extended, write_extended, 1 },
	{ "many extended operations", DOOR_CALLER, read_extended, write_extended, MANY },
	{ "very many of them", DOOR_CALLER, read_extended, write_extended, VERY_MANY },
	{ "a wait", DOOR_CALLER, read_by_poll, write_after_poll, 0 },
	{ "a wait from now on", DOOR_CALLER, read_by_poll, NULL, 1 },
	{ "preparing", DOOR_CALLER, read_by_prepare, NULL, 0 },
	{ "preparing to sample", DOOR_CALLER, read_by_prepare, NULL, 1 },
	{ "a run of one", DOOR_CALLER, read_by_run, NULL, RUN_READ },
	{ "a run of one write", DOOR_CALLER, NULL, write_by_run, RUN_WRITE },
	{ "a run", DOOR_CALLER, read_by_run, NULL, RUN_READS },
	{ "a run with a write", DOOR_CALLER, NULL, write_by_run, RUN_WRITES },
	{ "sampling", DOOR_CALLER, read_by_timer, NULL, 0 },
};

const unsigned int nr_doors = ARRAY_SIZE(all_doors);

static struct session open_run(struct doors *doors, unsigned int cpu, unsigned int kind)
{
	struct msr_op ops[OPS_OF_RUN];
	struct msr_ops head =
		head_of(ops, kind == RUN_READ || kind == RUN_WRITE ? 1 : OPS_OF_RUN, 4);
	struct session session;
	unsigned int i;

	for (i = 0; i < head.count; i++)
		ops[i] = extended_read(cpu, STORE_A);
	if (kind == RUN_WRITE || kind == RUN_WRITES)
		ops[head.count - 1] = extended_write(cpu, STORE_A, 0, 0);
	if (kind == RUN_READS || kind == RUN_WRITES)
		head.flags = MSR_PREPARE_STAMPS;
	session.fd = ioctl(kind == RUN_READ ? doors->sample : doors->batch, MSR_IOC_PREPARE, &head);
	if (session.fd < 0) {
		session.fd = -errno;
		return session;
	}
	session.len = head.map_len;
	session.ring = mmap(NULL, session.len, PROT_READ, MAP_SHARED, session.fd, 0);
	if (session.ring == MAP_FAILED)
		abort();
	return session;
}

enum door_kind kind_of(const struct doors *doors, const struct door *door)
{
	if (door->kind != DOOR_INLINE)
		return door->kind;
	return doors->inline_by_worker ? DOOR_EITHER : DOOR_CALLER;
}

/* Whether io_uring has a worker for this process */
static bool has_worker(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	bool found = false;
	char path[300], comm[17];
	FILE *file;

	if (!tasks)
		abort();
	while ((entry = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		found |= fgets(comm, sizeof(comm), file) && !strncmp(comm, "iou-wrk", 7);
		fclose(file);
	}
	closedir(tasks);
	return found;
}

/*
 * Kernels differ in what they execute inline. Those before 5.12 have threads of the kernel's own as
 * workers.
 */
static void find_out_what_is_inline(struct doors *doors)
{
	uint64_t value;

	if (doors->ring.fd < 0)
		return;
	by_uring(doors, BY_CALLER, (struct io_uring_sqe){ .opcode = IORING_OP_READ }, 0, &value);
	doors->inline_by_worker = has_worker() ||
				  !(doors->ring.params.features & IORING_FEAT_NATIVE_WORKERS);
}

static void open_rings(struct doors *doors)
{
	static const unsigned int poller_cpus[POLLERS] = { 1, 3 };
	struct io_uring_params polled = { .flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF };
	cpu_set_t last;
	unsigned int i;

	doors->inline_by_worker = false;
	uring_open(&doors->ring, (struct io_uring_params){ 0 });
	find_out_what_is_inline(doors);
	uring_open(&doors->worker, (struct io_uring_params){ 0 });
	/* A worker where it would need no interrupt; kernels before 5.14 do not ask. */
	CPU_ZERO(&last);
	CPU_SET(DOOR_CPUS - 1, &last);
	syscall(__NR_io_uring_register, doors->worker.fd, IORING_REGISTER_IOWQ_AFF, &last,
		sizeof(last));
	for (i = 0; i < POLLERS; i++) {
		polled.sq_thread_cpu = poller_cpus[i];
		polled.sq_thread_idle = 1;
		uring_open(&doors->poller[i], polled);
		if (doors->poller[i].fd >= 0 &&
		    syscall(__NR_io_uring_register, doors->poller[i].fd, IORING_REGISTER_FILES,
			    doors->cpu, DOOR_CPUS))
			abort();
	}
}

void open_doors(struct doors *doors)
{
	unsigned int cpu, kind;

	for (cpu = 0; cpu < DOOR_CPUS; cpu++) {
		doors->cpu[cpu] = open_cpu(cpu, "msr_safe", O_RDWR);
		doors->nonblocking[cpu] = open_cpu(cpu, "msr_safe", O_RDWR | O_NONBLOCK);
	}
	doors->batch = open(BATCH_PATH, O_RDONLY);
	doors->sample = open(SAMPLE_PATH, O_RDONLY);
	for (cpu = 0; cpu < DOOR_CPUS; cpu++)
		for (kind = 0; kind < RUNS; kind++)
			doors->runs[cpu][kind] = open_run(doors, cpu, kind);
	open_rings(doors);
}

void close_doors(struct doors *doors)
{
	unsigned int i, kind;

	uring_close(&doors->ring);
	uring_close(&doors->worker);
	for (i = 0; i < POLLERS; i++)
		uring_close(&doors->poller[i]);
	for (i = 0; i < DOOR_CPUS; i++) {
		for (kind = 0; kind < RUNS; kind++)
			if (doors->runs[i][kind].fd >= 0)
				end(&doors->runs[i][kind]);
		close(doors->cpu[i]);
		close(doors->nonblocking[i]);
	}
	close(doors->batch);
	close(doors->sample);
}
