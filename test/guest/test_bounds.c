// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds that a user of the nodes cannot break, whatever it does with them. Root
 * opens the nodes; processes of user 1000 use them. Each test runs for SECONDS,
 * or longer, until what it is about has happened often enough.
 */

#include <sched.h>
#include <sys/resource.h>

#include "workers.h"

#define SECONDS 3
#define MIB (UINT64_C(1) << 20)

#define NR_CALLERS 16
#define NR_DESCRIPTORS 1000
#define NR_THREADS 1000

struct shared {
	atomic_bool go;
	atomic_uint ready;
	atomic_uint answers[NR_THREADS];
	atomic_uint writes;
	atomic_uint lists;
	atomic_ulong worst_ns;
	atomic_ulong mapped;
	struct msr_batch_op ops[MSR_BATCH_MAX_OPS];
};

/* What the processes of a test share */
static struct shared *shared;

/* Opened by root, for users */
static int batch_fd = -1;
static int fds[NR_DESCRIPTORS];

static pid_t start_user(void (*function)(void *arg))
{
	return start_child(1000, NULL, function, NULL);
}

/* A number in a file of the kernel's: the one after the key, which begins a line */
static uint64_t number_in(const char *path, const char *key)
{
	uint64_t number = UINT64_MAX;
	char line[256];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while (number == UINT64_MAX && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			number = strtoull(line + strlen(key), NULL, 10);
	fclose(file);
	assert_true(number != UINT64_MAX);
	return number;
}

static uint64_t memory_available(void)
{
	return number_in("/proc/meminfo", "MemAvailable:") << 10;
}

static uint64_t memory_missing(uint64_t before)
{
	uint64_t available = memory_available();

	return available < before ? before - available : 0;
}

/* Memory comes back a little after what it was for is gone. */
static void assert_given_back(uint64_t before, uint64_t allowance)
{
	uint64_t end = deadline(PATIENCE);

	while (memory_missing(before) >= allowance) {
		if (now_ns() > end)
			fail_msg("%" PRIu64 " KiB are missing", memory_missing(before) >> 10);
		usleep(10000);
	}
}

/*
 * Test 1: who is served in an interrupt. Each caller reads a register of its own,
 * by which the kernel's trace points tell them apart.
 */

#define TRACING "/sys/kernel/tracing/"
#define FIRST_MSR 0x402

static const char *const events[] = {
	"irq_vectors/call_function_entry",
	"irq_vectors/call_function_exit",
	"irq_vectors/call_function_single_entry",
	"irq_vectors/call_function_single_exit",
	"msr/read_msr",
};

static void list_callers_registers(void)
{
	char text[NR_CALLERS * 16] = "";
	unsigned int i;

	for (i = 0; i < NR_CALLERS; i++)
		sprintf(text + strlen(text), "0x%x 0\n", FIRST_MSR + i);
	load_list(text);
}

/* One in four callers reads CPU 0's device, one all CPUs, two are for CPU 0 alone. */
static void *call_cpu_0(void *number)
{
	static __thread struct msr_batch_op ops[512];
	unsigned int caller = (uintptr_t)number, i;
	unsigned int cpus = caller % 4 == 1 ? 4 : 1;
	uint64_t value;
	bool done;

	wait_for_threads();
	pin_to(1 + caller % 3);
	while (!stopping()) {
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			ops[i] = read_op(i % cpus, FIRST_MSR + caller);
		if (caller % 4)
			done = !run_batch_fd(batch_fd, ops, ARRAY_SIZE(ops));
		else
			done = pread(fds[0], &value, sizeof(value), FIRST_MSR + caller) ==
			       sizeof(value);
		if (!done)
			blame("a call failed");
		atomic_fetch_add(&shared->answers[caller], 1);
	}
	return NULL;
}

static void run_callers(void *arg)
{
	(void)arg;
	run_threads(NR_CALLERS, call_cpu_0);
}

/* An idle CPU would serve calls without an interrupt. */
static void keep_cpu_0_busy(void *arg)
{
	(void)arg;
	pin_to(0);
	while (!stopping())
		;
}

static unsigned int answered(void)
{
	unsigned int i, count = 0;

	for (i = 0; i < NR_THREADS; i++)
		count += atomic_load(&shared->answers[i]) > 0;
	return count;
}

/* As many callers have been given an answer since this was called. */
static void wait_for_answers(unsigned int callers)
{
	uint64_t end = deadline(PATIENCE);
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		atomic_store(&shared->answers[i], 0);
	while (answered() < callers) {
		if (now_ns() > end)
			fail_msg("%u of %u callers have an answer", answered(), callers);
		usleep(1000);
	}
}

static void set_tracing(bool on)
{
	assert_int_equal(write_file(TRACING "tracing_on", on ? "1" : "0"), 0);
}

static void clear_trace(void)
{
	close(open_path(TRACING "trace", O_WRONLY | O_TRUNC));
}

/* Whether events are traced */
static bool tracing;

static void trace_events(void)
{
	unsigned int i;

	tracing = true;
	set_tracing(false);
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (trace_event(events[i], true))
			fail_msg("this kernel does not have %s", events[i]);
	clear_trace();
}

/* As tracing was before: on, with nothing to trace */
static void stop_tracing(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		assert_int_equal(trace_event(events[i], false), 0);
	clear_trace();
	set_tracing(true);
	tracing = false;
}

/* Interrupts of CPU 0 in which callers were served */
struct tally {
	unsigned int interrupts;
	unsigned int shared; /* of those, with more than one caller */
	unsigned int outside; /* reads in no interrupt */
	unsigned int visits[NR_CALLERS];
	uint32_t callers; /* in the interrupt that is being read, a bit each */
	bool inside;
};

static void end_interrupt(struct tally *tally)
{
	unsigned int i;

	if (tally->inside && tally->callers) {
		tally->interrupts++;
		tally->shared += (tally->callers & (tally->callers - 1)) != 0;
		for (i = 0; i < NR_CALLERS; i++)
			tally->visits[i] += tally->callers >> i & 1;
	}
	tally->inside = false;
	tally->callers = 0;
}

static void add_to_tally(struct tally *tally, const char *line)
{
	const char *read = strstr(line, "read_msr: ");
	unsigned int msr;

	if (read && sscanf(read, "read_msr: %x", &msr) == 1 && msr - FIRST_MSR < NR_CALLERS) {
		tally->callers |= 1u << (msr - FIRST_MSR);
		/* The trace may begin in the middle of an interrupt. */
		tally->outside += !tally->inside && tally->interrupts;
	} else if (strstr(line, "call_function") && strstr(line, "_entry: ")) {
		end_interrupt(tally);
		tally->inside = true;
	} else if (strstr(line, "call_function") && strstr(line, "_exit: ")) {
		end_interrupt(tally);
	}
}

static void read_trace(struct tally *tally)
{
	FILE *file = fopen(TRACING "per_cpu/cpu0/trace", "r");
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (line[0] != '#')
			add_to_tally(tally, line);
	fclose(file);
}

/* A cgroup of the user's */
#define CGROUP "/sys/fs/cgroup/bounds"

/* The level of the console while it is quiet, and the log that is read meanwhile */
static char console_level[64];
static int log_fd = -1;

static void loud_console(void)
{
	if (!console_level[0])
		return;
	/* Kernels that print from a thread do so by the level that there is then. */
	sleep(1);
	write_file("/proc/sys/kernel/printk", console_level);
	write_file("/proc/sys/vm/oom_dump_tasks", "1");
	console_level[0] = '\0';
	close(log_fd);
}

static void close_descriptors(void)
{
	unsigned int i;

	for (i = 0; i < NR_DESCRIPTORS; i++) {
		if (fds[i] > 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int settle(void **state)
{
	unsigned int i;

	end_workers();
	close_descriptors();
	for (i = 0; i < ARRAY_SIZE(events) && tracing; i++)
		trace_event(events[i], false);
	loud_console();
	rmdir(CGROUP);
	chmod(LIST_PATH, 0600);
	return clear_list(state);
}

TEST(an_interrupt_serves_one_caller, NULL, settle)
{
	struct tally tally = { 0 };
	unsigned int i, least = UINT32_MAX;
	uint64_t end;

	list_callers_registers();
	trace_events();
	fds[0] = open_cpu(0, "msr_safe", O_RDONLY);
	start_user(keep_cpu_0_busy);
	start_user(run_callers);
	wait_for_answers(NR_CALLERS);

	set_tracing(true);
	end = deadline(SECONDS);
	wait_for_answers(NR_CALLERS);
	while (now_ns() < end)
		usleep(10000);
	set_tracing(false);
	assert_workers_content();

	read_trace(&tally);
	stop_tracing();
	for (i = 0; i < NR_CALLERS; i++)
		least = tally.visits[i] < least ? tally.visits[i] : least;
	printf("# interrupts that served callers: %u, more than one: %u; the least served: %u\n",
	       tally.interrupts, tally.shared, least);
	assert_true(tally.interrupts > 100);
	assert_int_equal(tally.outside, 0);
	assert_int_equal(tally.shared, 0);
}

/*
 * Memory: a cgroup of the user's. Where it is full, the kernel kills one of its
 * processes and says so at length, with a call trace, which on the console would
 * be a failure of the guest. So the console is quiet meanwhile, and the log is
 * judged here, as strictly.
 */

#define LARGEST_BATCH (MSR_BATCH_MAX_OPS * (sizeof(struct msr_batch_op) + sizeof(uint32_t)))

static const char *const alarms[] = {
	"WARNING:",
	"BUG:",
	"Oops",
	"cut here",
	"blocked for more than",
	"detected stall",
	"self-detected",
	"unchecked MSR",
	"allocation failure",
	"vmalloc error",
	"Out of memory", /* the whole system's; a cgroup's is "Memory cgroup out of" */
};

static unsigned int call_traces, reports;

static void quiet_console(void)
{
	FILE *file = fopen("/proc/sys/kernel/printk", "r");

	assert_non_null(file);
	assert_non_null(fgets(console_level, sizeof(console_level), file));
	fclose(file);
	assert_int_equal(write_file("/proc/sys/kernel/printk", "1"), 0);
	/* The log shall not run over. */
	assert_int_equal(write_file("/proc/sys/vm/oom_dump_tasks", "0"), 0);

	log_fd = open_path("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	lseek(log_fd, 0, SEEK_END);
	call_traces = 0;
	reports = 0;
}

static void judge_log(void)
{
	char record[8192];
	unsigned int i;
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		/* Whose a data race is, is told where the whole log is at hand. */
		if (strstr(record, "KCSAN"))
			continue;
		call_traces += strstr(record, "Call Trace") != NULL;
		reports += strstr(record, "invoked oom-killer") != NULL;
		for (i = 0; i < ARRAY_SIZE(alarms); i++)
			if (strstr(record, alarms[i]))
				fail_msg("kernel log: %s", record);
	}
	assert_int_equal(errno, EAGAIN); /* EPIPE: records were lost */
}

static void make_cgroup(const char *limit)
{
	assert_int_equal(write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"), 0);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
	assert_int_equal(write_file(CGROUP "/memory.max", limit), 0);
}

static uint64_t memory_charged(void)
{
	return number_in(CGROUP "/memory.current", "");
}

/* Less than one batch or a few lists remains: what the kernel keeps in hand. */
static void assert_nothing_charged(void)
{
	uint64_t end = deadline(PATIENCE);

	while (memory_charged() >= 4 * MIB) {
		if (now_ns() > end)
			fail_msg("%" PRIu64 " KiB are still charged", memory_charged() >> 10);
		usleep(10000);
	}
}

/* All read and write the same operations: what counts here is the kernel's memory. */
static void fill_largest_batch(void)
{
	unsigned int i;

	for (i = 0; i < MSR_BATCH_MAX_OPS; i++)
		shared->ops[i] = read_op(i % 4, STORE_A);
}

/* A new list cuts a batch that runs for too long. */
static void *run_largest_batches(void *number)
{
	(void)number;
	while (!stopping()) {
		if (run_batch_fd(batch_fd, shared->ops, MSR_BATCH_MAX_OPS) && errno != E2BIG &&
		    errno != ENOMEM && errno != ESTALE)
			blame("a batch failed");
		atomic_fetch_add(&shared->answers[0], 1);
	}
	return NULL;
}

static void wait_and_flood(void *arg)
{
	(void)arg;
	atomic_fetch_add(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		usleep(1000);
	run_largest_batches(NULL);
}

/* Children in the cgroup, which have yet to begin */
static void start_flooders(unsigned int count)
{
	unsigned int i;

	load_list("0x402 0\n");
	fill_largest_batch();
	atomic_store(&shared->go, false);
	atomic_store(&shared->ready, 0);
	for (i = 0; i < count; i++)
		start_child(1000, CGROUP "/cgroup.procs", wait_and_flood, NULL);
	while (atomic_load(&shared->ready) < count)
		usleep(1000);
}

TEST(a_batch_is_charged_whole_to_its_callers_memory_cgroup, NULL, settle)
{
	uint64_t expected = 16 * LARGEST_BATCH - 4 * MIB; /* some is charged in advance */
	uint64_t end = deadline(PATIENCE);
	uint64_t before, charged = 0;

	make_cgroup("max");
	start_flooders(16);
	before = memory_charged();
	atomic_store(&shared->go, true);
	while (charged < before + expected && now_ns() < end) {
		usleep(1000);
		charged = memory_charged() > charged ? memory_charged() : charged;
	}
	assert_workers_content();
	assert_nothing_charged();
	assert_true(charged >= before + expected);
}

/* Until it is killed */
static void keep_session(void *arg)
{
	struct msr_op op = { .cpu = 0, .msr = STORE_A };
	struct msr_ops head = {
		.size = sizeof(head),
		.op_size = sizeof(op),
		.count = 1,
		.ops = (uintptr_t)&op,
		.slots = 1 << 20,
	};
	int fd = ioctl(batch_fd, MSR_IOC_PREPARE, &head);

	(void)arg;
	if (fd < 0 || mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		blame("there is no session, or no mapping of it");
	atomic_store(&shared->mapped, head.map_len);
	for (;;)
		pause();
}

TEST(a_session_is_charged_whole_to_its_callers_memory_cgroup, NULL, settle)
{
	uint64_t end = deadline(PATIENCE);
	pid_t keeper;

	load_list("0x402 0\n");
	make_cgroup("max");
	atomic_store(&shared->mapped, 0);
	keeper = start_child(1000, CGROUP "/cgroup.procs", keep_session, NULL);
	while (!atomic_load(&shared->mapped)) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
	assert_true(atomic_load(&shared->mapped) > 32 * MIB);
	assert_true(memory_charged() >= atomic_load(&shared->mapped));
	kill_child(keeper);
	assert_nothing_charged();
	assert_workers_content();
}

/* What the system may lack beside what the cgroup has: a dying process may exceed that. */
#define LIMIT (48 * MIB)
#define LIMIT_TEXT "48M"
#define ALLOWANCE (48 * MIB)

static bool limit_reached(void)
{
	return number_in(CGROUP "/memory.events", "max ") > 0;
}

TEST(a_users_batches_stay_within_its_memory_cgroup, NULL, settle)
{
	uint64_t start, before, missing, most = 0;

	quiet_console();
	make_cgroup(LIMIT_TEXT);
	start_flooders(64);
	before = memory_available();
	atomic_store(&shared->go, true);
	for (start = now_ns();
	     now_ns() < start + SECONDS * UINT64_C(1000000000) ||
	     (!limit_reached() && now_ns() < start + PATIENCE * UINT64_C(1000000000));
	     usleep(1000)) {
		missing = memory_missing(before);
		most = missing > most ? missing : most;
		judge_log();
	}
	assert_true(limit_reached());
	assert_workers_content();
	printf("# most memory taken: %" PRIu64 " MiB, processes killed: %" PRIu64 "\n", most / MIB,
	       number_in(CGROUP "/memory.events", "oom_kill "));
	assert_true(most < LIMIT + ALLOWANCE);
	assert_nothing_charged();
	assert_given_back(before, ALLOWANCE);
	judge_log();
	assert_int_equal(call_traces, reports);
}

/* Keeps each list that it writes by opening the device: as an administrator can */
#define NR_LISTS 200

static void keep_lists(void *arg)
{
	static char text[128 << 10];
	size_t len = 0;
	unsigned int i;

	(void)arg;
	for (i = 1; len < sizeof(text) - 16; i++)
		len += sprintf(text + len, "%u 0 ", i);
	for (i = 0; i < NR_LISTS && !stopping(); i++) {
		int fd;

		if (write(fds[0], text, len) < 0) {
			if (errno != ENOMEM)
				blame("a list was refused");
			break;
		}
		fd = open(LIST_PATH, O_RDONLY);
		if (fd < 0) {
			if (errno != ENOMEM)
				blame("the list cannot be opened");
			break;
		}
		atomic_fetch_add(&shared->lists, 1);
	}
}

TEST(old_lists_that_are_kept_stay_within_their_writers_memory_cgroup, NULL, settle)
{
	uint64_t end = deadline(PATIENCE), before, missing, most = 0;
	pid_t keeper;

	quiet_console();
	make_cgroup("16M");
	before = memory_available();
	atomic_store(&shared->lists, 0);
	fds[0] = open_path(LIST_PATH, O_WRONLY);
	assert_int_equal(chmod(LIST_PATH, 0666), 0);
	keeper = start_child(1000, CGROUP "/cgroup.procs", keep_lists, NULL);
	while (!ends_within(keeper, 0) && atomic_load(&shared->lists) < NR_LISTS) {
		missing = memory_missing(before);
		most = missing > most ? missing : most;
		assert_true(now_ns() < end);
	}
	assert_workers_content();
	printf("# lists kept: %u, most memory taken: %" PRIu64 " MiB\n",
	       atomic_load(&shared->lists), most / MIB);
	assert_true(limit_reached());
	assert_true(atomic_load(&shared->lists) < NR_LISTS);
	load_list("0x402 0\n");
	assert_nothing_charged();
	judge_log();
	assert_int_equal(call_traces, reports);
}

/*
 * The administrator among users
 */

#define NR_FLOODERS 4

static void flood(void *arg)
{
	(void)arg;
	run_threads(NR_FLOODERS, run_largest_batches);
}

static void write_lists(void *arg)
{
	static const char *const lists[] = { "0x402 0\n0x406 0\n", "0x402 0\n0x40a 0\n" };
	uint64_t end = deadline(SECONDS), began;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 50 && (now_ns() < end || i < 3); i++) {
		began = now_ns();
		if (write_list(lists[i % 2]) < 0)
			blame("a list was refused");
		if (now_ns() - began > atomic_load(&shared->worst_ns))
			atomic_store(&shared->worst_ns, now_ns() - began);
		atomic_store(&shared->writes, i + 1);
	}
}

TEST(the_administrators_write_returns_while_users_flood, NULL, settle)
{
	uint64_t alone;
	double worst;
	pid_t writer;

	load_list("0x402 0\n");
	fill_largest_batch();
	alone = now_ns();
	assert_int_equal(run_batch_fd(batch_fd, shared->ops, MSR_BATCH_MAX_OPS), 0);
	alone = now_ns() - alone;

	start_user(flood);
	wait_for_answers(1);
	writer = start_child(0, NULL, write_lists, NULL);
	if (!ends_within(writer, PATIENCE))
		fail_msg("a write of a list does not return, after %u that did",
			 atomic_load(&shared->writes));
	assert_workers_content();
	worst = atomic_load(&shared->worst_ns);
	printf("# worst write of a list: %.1f ms beside floods of %u operations", worst / 1e6,
	       MSR_BATCH_MAX_OPS);
	printf(", %.1f of one such batch alone; %u writes, %u floods\n", worst / alone,
	       atomic_load(&shared->writes), NR_FLOODERS);
}

/*
 * Everything at once
 */

static const uint32_t some_msrs[] = {
	STORE_A, STORE_B, STORE_C, STORE_D, CPU_NUMBER, FAULTING, 0, UINT32_MAX,
};

static const char storm_a[] =
	"0x402 0xff 0x406 0xffffffffffffffff 0x40a 0 0x6e1 0xffffffffffffffff";
static const char storm_b[] =
	"0x402 0 0x40a 0xff00 0x40e 0xffffffffffffffff 0x6e1 0xffffffffffffffff 0xc0000103 0";

static uint32_t some_msr(unsigned int *seed)
{
	return some_msrs[rand_r(seed) % ARRAY_SIZE(some_msrs)];
}

static bool is_one_of(int err, const int *errs)
{
	while (*errs && *errs != err)
		errs++;
	return *errs;
}

static const char *access_cpu(int fd, unsigned int *seed)
{
	static const int errs[] = { EACCES, EIO, EINVAL, EFAULT, ESTALE, 0 };
	off_t addr = rand_r(seed) % 16 ? some_msr(seed) : INT64_C(1) << 32;
	size_t len = rand_r(seed) % 16 ? 8 : rand_r(seed) % 8;
	uint64_t value = (uint64_t)rand_r(seed) << 20;
	void *buf = rand_r(seed) % 16 ? &value : no_memory();
	ssize_t done;

	if (rand_r(seed) % 2)
		done = pread(fd, buf, len, addr);
	else
		done = pwrite(fd, buf, len, addr);
	if (done == -1 ? is_one_of(errno, errs) : done == 8 && len == 8)
		return NULL;
	return "an answer of a CPU's device is not documented";
}

static const char *access_batch(int fd, unsigned int *seed)
{
	static const unsigned int sizes[] = { 1, 2, 7, 16, 17, 40, 100, 300 };
	static const int op_errs[] = { EACCES, EROFS, EIO, ENXIO, ESTALE, 0 };
	unsigned int i, count = sizes[rand_r(seed) % ARRAY_SIZE(sizes)];
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	int first = 0, result;

	if (!ops)
		return "no memory in user space";
	for (i = 0; i < count; i++) {
		ops[i] = write_op(rand_r(seed) % 5, some_msr(seed), (uint64_t)rand_r(seed) << 20);
		ops[i].isrdmsr = rand_r(seed) % 4;
	}
	errno = 0;
	result = run_batch_fd(fd, ops, count);
	if (result && (errno == E2BIG || errno == ENOMEM))
		goto out;
	for (i = 0; i < count; i++) {
		if (ops[i].err && !is_one_of(-ops[i].err, op_errs))
			errno = -1;
		first = first ? first : -ops[i].err;
	}
	if (errno != first || result != (first ? -1 : 0)) {
		free(ops);
		return "an answer to a batch is not documented";
	}
out:
	free(ops);
	return NULL;
}

static const char *access_text(int fd, unsigned int *seed)
{
	static const int errs[] = { E2BIG, EFAULT, 0 };
	char text[256];
	void *buf = rand_r(seed) % 16 ? text : no_memory();

	if (pread(fd, buf, rand_r(seed) % sizeof(text), rand_r(seed) % 128) >= 0 ||
	    is_one_of(errno, errs))
		return NULL;
	return "an answer to reading is not documented";
}

static void *access_anything(void *number)
{
	unsigned int seed = (uintptr_t)number;
	const char *wrong;

	wait_for_threads();
	while (!stopping()) {
		unsigned int i = rand_r(&seed) % NR_DESCRIPTORS;

		if (i % 8 < 5)
			wrong = access_cpu(fds[i], &seed);
		else if (i % 8 < 6)
			wrong = access_batch(fds[i], &seed);
		else
			wrong = access_text(fds[i], &seed);
		if (wrong)
			blame(wrong);
		atomic_fetch_add(&shared->answers[(uintptr_t)number], 1);
	}
	return NULL;
}

static void storm(void *arg)
{
	(void)arg;
	run_threads(NR_THREADS, access_anything);
}

/* The kind of a descriptor is that of its number, modulo 8. */
static void open_descriptors(void)
{
	struct rlimit limit = { NR_DESCRIPTORS + 100, NR_DESCRIPTORS + 100 };
	unsigned int i;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (i = 0; i < NR_DESCRIPTORS; i++) {
		if (i % 8 < 5)
			fds[i] = open_cpu(i / 8 % 4, "msr_safe", O_RDWR);
		else
			fds[i] = open_path(i % 8 == 5 ? BATCH_PATH :
					   i % 8 == 6 ? LIST_PATH :
							"/dev/cpu/msr_version",
					   O_RDONLY);
		assert_true(fds[i] >= 0);
	}
}

static void assert_works(void)
{
	struct msr_batch_op ops[4];
	unsigned int i;

	load_list("0xc0000103 0\n");
	for (i = 0; i < 4; i++)
		ops[i] = read_op(i, CPU_NUMBER);
	assert_int_equal(run_batch(ops, 4), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(ops[i].msrdata, i);
}

TEST(a_thousand_descriptors_and_threads_crash_nothing, NULL, settle)
{
	uint64_t before = memory_available(), end;
	unsigned int lists = 0;

	load_list(storm_a);
	open_descriptors();
	start_user(storm);
	wait_for_answers(NR_THREADS / 2);
	for (end = deadline(SECONDS); now_ns() < end || lists < 2; lists++)
		load_list(lists % 2 ? storm_a : storm_b);
	assert_workers_content();
	close_descriptors();
	assert_works();
	assert_given_back(before, 2 * ALLOWANCE);
}

static int begin(void **state)
{
	(void)state;
	/* The watcher has its turn among any number of children. */
	setpriority(PRIO_PROCESS, 0, -20);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	batch_fd = open(BATCH_PATH, O_RDONLY);
	return shared == MAP_FAILED || batch_fd < 0;
}

TEST_PROGRAM(begin, NULL)
