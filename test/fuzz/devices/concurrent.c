// SPDX-License-Identifier: GPL-2.0-only
/*
 * The concurrent mode: several threads access registers while one swaps lists
 * and another takes CPUs offline and online. What a call may answer depends on the
 * lists that were in force, and the CPUs online, from its begin to its end.
 *
 * Each thread has registers of its own, and knows what they hold; the others
 * are for all. Odd stores are left out: see writable_bits().
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "fuzz_devices.h"

#define NR_WORKERS 4
#define NR_TEXTS 5
#define EMPTY 0 /* the list that is in force after a clearing or ENOTUNIQ */
#define OWN 2 /* registers of each worker */
#define HISTORY 1024
#define MAX_BATCH 6000

/* Store registers: each worker's own, and one that is shared */
#define OWN_MSR(worker, i) STORE_ADDR(2 * (OWN * (worker) + (i)))
#define SHARED_MSR STORE_ADDR(16)
#define UNLISTED 0x30000

static struct list *lists[NR_TEXTS];
static char *texts[NR_TEXTS];

/*
 * Publications: history has the lists in their order; begun counts those whose
 * write has begun, done those whose write has returned.
 */
static atomic_uchar history[HISTORY];
static atomic_ulong begun, done;

/* Of each CPU: 4n it is online, 4n + 1 going, 4n + 2 offline, 4n + 3 coming */
static atomic_ulong cpu_state[MAX_CPUS];
static unsigned int nr_cpus;

static atomic_bool stop, wrong;
static atomic_ulong total_calls;
static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

/* What a worker knows of one of its registers: it holds one of some values. */
struct own_register {
	unsigned int nr;
	uint64_t values[NR_TEXTS];
};

/* The world before and after a call */
struct window {
	unsigned long done;
	unsigned long begun;
	unsigned long before[MAX_CPUS];
	unsigned long after[MAX_CPUS];
};

struct worker {
	unsigned int number;
	pthread_t thread;
	struct rng rng;
	struct stats stats;
	struct own_register own[MAX_CPUS][OWN];
	int cpu_fds[MAX_CPUS];
	int batch_fd;
	struct window opened[MAX_CPUS + 1]; /* when each descriptor was; last: the batch's */
	struct msr_batch_op ops[MAX_BATCH];
	struct msr_batch_op before[MAX_BATCH];
};

static void mismatch(struct worker *worker, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&print_lock);
	if (!atomic_exchange(&wrong, true)) {
		printf("# wrong answer; seed %" PRIu64 ", thread %u, call %lu\n# ", options.seed,
		       worker->number, atomic_load(&total_calls));
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf("\n");
	}
	pthread_mutex_unlock(&print_lock);
	atomic_store(&stop, true);
}

static void begin(struct window *window)
{
	unsigned int cpu;

	window->done = atomic_load(&done);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		window->before[cpu] = atomic_load(&cpu_state[cpu]);
}

static void end(struct window *window)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		window->after[cpu] = atomic_load(&cpu_state[cpu]);
	window->begun = atomic_load(&begun);
}

static bool always(const struct window *window, unsigned int cpu, unsigned int state)
{
	return window->before[cpu] == window->after[cpu] && window->before[cpu] % 4 == state;
}

static bool may_be_on(const struct window *window, unsigned int cpu)
{
	return cpu < nr_cpus && !always(window, cpu, 2);
}

static bool may_be_off(const struct window *window, unsigned int cpu)
{
	return cpu >= nr_cpus || !always(window, cpu, 0);
}

/* Whether a list was in force at some time of the call */
static bool may_be_in_force(const struct window *window, unsigned int number)
{
	unsigned long i;

	if (window->begun - window->done >= HISTORY)
		return true;
	for (i = window->done; i <= window->begun; i++)
		if (atomic_load(&history[i % HISTORY]) == number)
			return true;
	return false;
}

/* Whether ESTALE is right for a descriptor opened then: because a list came later. */
static bool may_be_stale(const struct window *opened, const struct window *window)
{
	return options.revoke_on_change && window->begun > opened->done;
}

/* Whether a list that was written meanwhile may have cut what was in progress. */
static bool may_be_cut(const struct window *window)
{
	return window->begun > window->done;
}

static bool must_be_stale(const struct window *opened, const struct window *window)
{
	return options.revoke_on_change && window->done > opened->begun;
}

/* The values of a thread's registers */

static bool is_pkrs_fault(const struct msr_batch_op *op, uint64_t wmask)
{
	return op->msr == PKRS && !op->isrdmsr && (op->msrdata & wmask) >> 32;
}

static struct own_register *own_register(struct worker *worker, unsigned int cpu, uint32_t msr)
{
	unsigned int i;

	for (i = 0; i < OWN; i++)
		if (msr == OWN_MSR(worker->number, i))
			return &worker->own[cpu][i];
	return NULL;
}

static void learn(struct own_register *own, uint64_t value)
{
	own->nr = 1;
	own->values[0] = value;
}

static bool is_possible(const struct own_register *own, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < own->nr; i++)
		if (own->values[i] == value)
			return true;
	return false;
}

/* Whether a read can have this result; if so, that is what the register holds. */
static bool read_is_right(struct worker *worker, unsigned int cpu, uint32_t msr, uint64_t value)
{
	struct own_register *own = own_register(worker, cpu, msr);

	if (msr == TSC_AUX)
		return value == cpu;
	if (own) {
		if (!is_possible(own, value))
			return false;
		learn(own, value);
	}
	return true;
}

/* Batches */

static struct msr_batch_op random_op(struct worker *worker, bool of_all, unsigned int cpu)
{
	struct rng *rng = &worker->rng;
	struct msr_batch_op op;

	op.cpu = of_all ? below(rng, nr_cpus) : cpu;
	op.isrdmsr = one_in(rng, 2) ? rnd(rng) : 0;
	op.err = rnd(rng);
	op.msrdata = rnd(rng);
	op.wmask = rnd(rng);
	op.msr = OWN_MSR(worker->number, below(rng, OWN));
	switch (below(rng, 16)) {
	case 0:
		op.msr = PKRS;
		if (one_in(rng, 2))
			op.msrdata &= UINT32_MAX;
		break;
	case 1:
	case 2:
		op.msr = TSC_AUX;
		break;
	case 3:
		op.msr = SHARED_MSR;
		break;
	case 4:
		op.msr = UNLISTED;
		break;
	case 5:
		op.cpu = one_in(rng, 8) ? nr_cpus + below(rng, 60000) : op.cpu;
		break;
	}
	/* What a register holds after one of several masks is read before it is written. */
	if (op.cpu < nr_cpus && own_register(worker, op.cpu, op.msr) &&
	    own_register(worker, op.cpu, op.msr)->nr > 1)
		op.isrdmsr = 1;
	return op;
}

/* Whether an operation's err and wmask are what one list has to say */
static bool agrees(const struct list *list, const struct window *window,
		   const struct msr_batch_op *before, const struct msr_batch_op *op)
{
	const struct msr_allowlist_entry *entry = list_find(list, op->msr);
	uint64_t wmask = entry ? entry->wmask : 0;
	int err = err_by_list(list, op);

	if (op->wmask != wmask)
		return false;
	if (err)
		return op->err == err;
	if (op->err == -ENXIO)
		return may_be_off(window, op->cpu);
	if (op->err == -ESTALE)
		return may_be_cut(window);
	return may_be_on(window, op->cpu) && op->err == (is_pkrs_fault(before, wmask) ? -EIO : 0);
}

static bool batch_agrees(const struct worker *worker, const struct list *list,
			 const struct window *window, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!agrees(list, window, &worker->before[i], &worker->ops[i]))
			return false;
	return true;
}

/* One list judges all of it, and was in force some time. */
static bool one_list_agrees(const struct worker *worker, const struct window *window,
			    unsigned int count)
{
	unsigned int i;

	for (i = 0; i < NR_TEXTS; i++)
		if (may_be_in_force(window, i) && batch_agrees(worker, lists[i], window, count))
			return true;
	return false;
}

/* Values, and what is to stay as it was; execution in the order of the array. */
static void check_op(struct worker *worker, unsigned int i)
{
	struct msr_batch_op *op = &worker->ops[i], *before = &worker->before[i];
	struct own_register *own;

	before->err = op->err;
	before->wmask = op->wmask;
	if (op->isrdmsr && !op->err) {
		if (!read_is_right(worker, op->cpu, op->msr, op->msrdata))
			mismatch(worker, "operation %u reads %#llx from %#x of CPU %u", i,
				 op->msrdata, op->msr, op->cpu);
		before->msrdata = op->msrdata;
	}
	if (memcmp(op, before, sizeof(*op)))
		mismatch(worker, "operation %u has other things changed than its results", i);
	if (op->isrdmsr || op->err)
		return;
	own = own_register(worker, op->cpu, op->msr);
	if (own)
		learn(own, masked(own->values[0], op->msrdata, op->wmask));
}

static const char *op_text(const struct msr_batch_op *op)
{
	static __thread char text[128];

	snprintf(text, sizeof(text), "CPU %u, %s %#x, err %d, wmask %#llx", op->cpu,
		 op->isrdmsr ? "read" : "write", op->msr, op->err, op->wmask);
	return text;
}

static int first_err(const struct worker *worker, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (worker->ops[i].err)
			return -worker->ops[i].err;
	return 0;
}

static void open_batch(struct worker *worker)
{
	struct window *opened = &worker->opened[MAX_CPUS];

	if (worker->batch_fd >= 0)
		close(worker->batch_fd);
	begin(opened);
	worker->batch_fd = open(BATCH_PATH, O_RDONLY);
	end(opened);
	count_call(&worker->stats, OPEN, worker->batch_fd, errno);
	if (worker->batch_fd < 0)
		mismatch(worker, "the batch device does not open: %s", errno_name(errno));
}

/* Return: @stale, whether the call was refused; for the right reason. */
static bool was_stale(struct worker *worker, unsigned int fd, const struct window *window,
		      bool stale, int err)
{
	const struct window *opened = &worker->opened[fd];

	if (stale ? !may_be_stale(opened, window) : must_be_stale(opened, window))
		mismatch(worker, "%s; opened at list %lu to %lu, called at %lu to %lu",
			 errno_name(err), opened->done, opened->begun, window->done, window->begun);
	return stale;
}

static unsigned int batch_size(struct rng *rng)
{
	if (one_in(rng, 200))
		return 1 + below(rng, MAX_BATCH);
	return 1 + below(rng, one_in(rng, 10) ? 100 : 12);
}

static void run_batch_call(struct worker *worker)
{
	unsigned int count = batch_size(&worker->rng), i;
	bool of_all = one_in(&worker->rng, 3);
	unsigned int cpu = below(&worker->rng, nr_cpus);
	struct window window;
	int result, err;
	bool refused;

	for (i = 0; i < count; i++)
		worker->ops[i] = random_op(worker, of_all, cpu);
	memcpy(worker->before, worker->ops, count * sizeof(*worker->ops));
	begin(&window);
	result = run_batch_fd(worker->batch_fd, worker->ops, count);
	err = result ? errno : 0;
	end(&window);
	count_call(&worker->stats, IOCTL, result, err);
	/* A call that is refused leaves no result; operations of one that is cut do. */
	refused = err == ESTALE &&
		  !memcmp(worker->ops, worker->before, count * sizeof(*worker->ops));
	if (was_stale(worker, MAX_CPUS, &window, refused, err))
		return open_batch(worker);

	if (!one_list_agrees(worker, &window, count))
		mismatch(worker, "no list from %lu to %lu agrees with a batch of %u; in it: %s",
			 window.done, window.begun, count, op_text(&worker->ops[0]));
	if (err != first_err(worker, count))
		mismatch(worker, "the answer is %s, the first error %s", errno_name(err),
			 errno_name(first_err(worker, count)));
	for (i = 0; i < count && !atomic_load(&wrong); i++) {
		worker->stats.op_errs[-worker->ops[i].err]++;
		check_op(worker, i);
	}
}

/* Single registers */

static void open_cpu_device(struct worker *worker, unsigned int cpu)
{
	struct window *opened = &worker->opened[cpu];
	int err;

	if (worker->cpu_fds[cpu] >= 0)
		close(worker->cpu_fds[cpu]);
	begin(opened);
	worker->cpu_fds[cpu] = open_cpu(cpu, "msr_safe", O_RDWR);
	err = errno;
	end(opened);
	count_call(&worker->stats, OPEN, worker->cpu_fds[cpu], err);
	if (worker->cpu_fds[cpu] >= 0 ? !may_be_on(opened, cpu) :
					!may_be_off(opened, cpu) || (err != ENOENT && err != ENXIO))
		mismatch(worker, "open of CPU %u: %s", cpu,
			 worker->cpu_fds[cpu] >= 0 ? "success" : errno_name(err));
}

/* Whether a call may end so under one of the lists; -EROFS is EACCES here. */
static bool single_agrees(const struct window *window, const struct msr_batch_op *op, int err)
{
	unsigned int i;

	for (i = 0; i < NR_TEXTS; i++) {
		const struct msr_allowlist_entry *entry = list_find(lists[i], op->msr);

		if (!may_be_in_force(window, i))
			continue;
		if (err_by_list(lists[i], op)) {
			if (err == EACCES)
				return true;
		} else if (err == ESTALE) {
			if (may_be_cut(window))
				return true;
		} else if (err == ENXIO ?
				   may_be_off(window, op->cpu) :
				   may_be_on(window, op->cpu) &&
					   err == (is_pkrs_fault(op, entry->wmask) ? EIO : 0)) {
			return true;
		}
	}
	return false;
}

/* A write succeeded, under the mask of a list that was in force. */
static void was_written(struct own_register *own, const struct window *window,
			const struct msr_batch_op *op)
{
	uint64_t old = own->values[0];
	unsigned int i;

	own->nr = 0;
	for (i = 0; i < NR_TEXTS; i++) {
		const struct msr_allowlist_entry *entry = list_find(lists[i], op->msr);

		if (entry && entry->wmask && may_be_in_force(window, i))
			own->values[own->nr++] = masked(old, op->msrdata, entry->wmask);
	}
}

static void access_one(struct worker *worker)
{
	struct msr_batch_op op = random_op(worker, true, 0);
	uint64_t value = op.msrdata;
	struct own_register *own;
	struct window window;
	bool refused;
	long result;
	int fd, err;

	if (op.cpu >= nr_cpus)
		return;
	fd = worker->cpu_fds[op.cpu];
	if (one_in(&worker->rng, fd < 0 ? 10 : 200))
		return open_cpu_device(worker, op.cpu);
	if (fd < 0)
		return;
	begin(&window);
	result = op.isrdmsr ? pread(fd, &value, 8, op.msr) : pwrite(fd, &value, 8, op.msr);
	err = result < 0 ? errno : 0;
	end(&window);
	count_call(&worker->stats, op.isrdmsr ? PREAD : PWRITE, result, err);
	refused = err == ESTALE &&
		  (may_be_stale(&worker->opened[op.cpu], &window) || !may_be_cut(&window));
	if (was_stale(worker, op.cpu, &window, refused, err))
		return open_cpu_device(worker, op.cpu);

	if ((result != 8 && result >= 0) || !single_agrees(&window, &op, err))
		mismatch(worker, "%s of %#x of CPU %u: %ld %s; lists %lu to %lu",
			 op.isrdmsr ? "pread" : "pwrite", op.msr, op.cpu, result, errno_name(err),
			 window.done, window.begun);
	if (op.isrdmsr && err && value != op.msrdata)
		mismatch(worker, "pread fails and changes the buffer");
	own = own_register(worker, op.cpu, op.msr);
	if (op.isrdmsr && !err && !read_is_right(worker, op.cpu, op.msr, value))
		mismatch(worker, "pread of %#x of CPU %u gives %#" PRIx64, op.msr, op.cpu, value);
	else if (!op.isrdmsr && !err && own)
		was_written(own, &window, &op);
}

/* The list, and the version */

static bool is_text_of_some_list(const struct window *window, const char *text, size_t len)
{
	unsigned int i;

	for (i = 0; i < NR_TEXTS; i++)
		if (may_be_in_force(window, i) && lists[i]->len == len &&
		    !memcmp(lists[i]->text, text, len))
			return true;
	return false;
}

static void read_list(struct worker *worker)
{
	char text[1 << 14];
	struct window window;
	size_t len = 0;
	ssize_t got;
	int fd;

	begin(&window);
	fd = open(LIST_PATH, O_RDONLY);
	end(&window);
	do {
		got = read(fd, text + len, 60 + below(&worker->rng, 400));
		count_call(&worker->stats, LIST_READ, got, errno);
		len += got > 0 ? got : 0;
	} while (got > 0 && len < sizeof(text) - 500);
	close(fd);
	if (got < 0 || !is_text_of_some_list(&window, text, len))
		mismatch(worker, "the list that is read is none that was in force: %.*s", (int)len,
			 text);
}

static void read_version(struct worker *worker)
{
	char text[16];
	int fd = open("/dev/cpu/msr_version", O_RDONLY);
	ssize_t got = read(fd, text, sizeof(text));

	close(fd);
	count_call(&worker->stats, VERSION_READ, got, errno);
	if (got != 6)
		mismatch(worker, "the version has %zd bytes", got);
}

static void move(struct worker *worker)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(&worker->rng, nr_cpus), &set);
	sched_setaffinity(0, sizeof(set), &set); /* fails if it is offline */
	worker->stats.calls[MOVE]++;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint64_t start = now_ns();

	while (!atomic_load(&stop)) {
		unsigned int dice = below(&worker->rng, 1000);

		if (dice < 400)
			run_batch_call(worker);
		else if (dice < 980)
			access_one(worker);
		else if (dice < 985)
			read_list(worker);
		else if (dice < 990)
			read_version(worker);
		else if (dice < 993)
			move(worker);
		else if (dice < 996)
			open_batch(worker);
		if (enough(atomic_fetch_add(&total_calls, 1), start))
			break;
	}
	return NULL;
}

/* Lists that come and go */

static void make_lists(void)
{
	unsigned int number, i;

	for (number = 0; number < NR_TEXTS; number++) {
		struct rng rng = { .state = number };
		char *text = malloc(8192);
		size_t len = sprintf(text, "\n");

		for (i = 0; number != EMPTY && i < OWN * NR_WORKERS; i++)
			if (!one_in(&rng, 5))
				len += sprintf(text + len, "%#x %#" PRIx64 "\n",
					       OWN_MSR(i / OWN, i % OWN),
					       one_in(&rng, 5) ? 0 :
					       one_in(&rng, 3) ? UINT64_MAX :
								 rnd(&rng));
		if (number != EMPTY)
			len += sprintf(text + len, "%#x %u\n%#x 0\n%#x %#" PRIx64 "\n", SHARED_MSR,
				       number % 2 * (number + 0xff00), TSC_AUX, PKRS,
				       number % 2 ? UINT64_MAX : UINT32_MAX);
		for (i = 0; number == 2 && i < 200; i++)
			len += sprintf(text + len, "%#x 0\n", 0x20000 + i);
		texts[number] = text;
		lists[number] = judge_text(text, len).list;
	}
}

/* Writes a text that puts this list into force. */
static bool swap_to(struct worker *worker, unsigned int number, const char *text, int err)
{
	unsigned long next = atomic_load(&begun) + 1;
	ssize_t result;
	bool right;

	atomic_store(&history[next % HISTORY], number);
	atomic_store(&begun, next);
	result = write_list(text);
	right = err ? result < 0 && errno == err : result == (ssize_t)strlen(text);
	count_call(&worker->stats, LIST_WRITE, result, errno);
	atomic_store(&done, next);
	worker->stats.list_swaps++;
	if (!right)
		mismatch(worker, "list %u: %zd %s", number, result, errno_name(errno));
	return right;
}

/*
 * After a write that takes away the right to write a register, nothing writes it
 * any more, batches included that began before.
 */
static void wait_and_watch(struct worker *worker, unsigned int number)
{
	const struct msr_allowlist_entry *entry = list_find(lists[number], SHARED_MSR);
	unsigned int cpu = below(&worker->rng, nr_cpus);
	uint64_t before, after;
	bool watch = !entry || !entry->wmask;

	watch = watch && stock(cpu, SHARED_MSR, &before, false);
	usleep(below(&worker->rng, 8000));
	if (watch && stock(cpu, SHARED_MSR, &after, false) && before != after)
		mismatch(worker, "%#x of CPU %u is written after the write of list %u", SHARED_MSR,
			 cpu, number);
}

static void *swap_lists(void *arg)
{
	struct worker *worker = arg;
	ssize_t result;

	while (!atomic_load(&stop)) {
		unsigned int number = 1 + below(&worker->rng, NR_TEXTS - 1);

		if (one_in(&worker->rng, 40))
			swap_to(worker, EMPTY, texts[EMPTY], 0);
		if (one_in(&worker->rng, 40))
			swap_to(worker, EMPTY, "0x402 0 0x402 1", ENOTUNIQ);
		if (one_in(&worker->rng, 8)) {
			result = write_list("0x402 1 0x403\n");
			count_call(&worker->stats, LIST_WRITE, result, errno);
			if (result != -1 || errno != EILSEQ)
				mismatch(worker, "a list that ends in an address: %zd", result);
		}
		swap_to(worker, number, texts[number], 0);
		wait_and_watch(worker, number);
	}
	return NULL;
}

/* CPUs that come and go */

static void set_state(unsigned int cpu, unsigned int more)
{
	atomic_fetch_add(&cpu_state[cpu], more);
}

static void *toggle_cpus(void *arg)
{
	struct worker *worker = arg;
	unsigned int tries;

	while (nr_cpus > 1 && !atomic_load(&stop)) {
		unsigned int cpu = 1 + below(&worker->rng, nr_cpus - 1);

		usleep(below(&worker->rng, 100000));
		set_state(cpu, 1);
		if (set_online(cpu, false)) {
			set_state(cpu, 3);
			continue;
		}
		set_state(cpu, 1);
		usleep(below(&worker->rng, 100000));
		set_state(cpu, 1);
		/* On a busy machine an emulated CPU may come too late for the kernel. */
		for (tries = 0; set_online(cpu, true) && tries < 20; tries++)
			usleep(100000);
		if (tries == 20) {
			printf("# CPU %u does not come\n", cpu);
			return NULL;
		}
		set_state(cpu, 1);
		worker->stats.calls[HOTPLUG] += 2;
		worker->stats.hotplugs += 2;
	}
	return NULL;
}

/* The whole of it */

static void set_up_worker(struct worker *worker, unsigned int number)
{
	unsigned int cpu, i;

	worker->number = number;
	worker->rng.state = options.seed * 1000 + number;
	worker->batch_fd = -1;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		worker->cpu_fds[cpu] = -1;
		for (i = 0; i < OWN && number < NR_WORKERS; i++)
			learn(&worker->own[cpu][i], peek(cpu, OWN_MSR(number, i)));
	}
	if (number < NR_WORKERS)
		open_batch(worker);
}

static void add_stats(struct stats *sum, const struct stats *stats)
{
	const uint64_t *from = (const uint64_t *)stats;
	uint64_t *to = (uint64_t *)sum;
	size_t i;

	for (i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* What the threads know their registers to hold, in the end */
static void check_own_registers(struct worker *worker)
{
	unsigned int cpu, i;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		for (i = 0; i < OWN && atomic_load(&cpu_state[cpu]) % 4 == 0; i++)
			if (!is_possible(&worker->own[cpu][i],
					 peek(cpu, OWN_MSR(worker->number, i))))
				mismatch(worker, "%#x of CPU %u is not what was written last",
					 OWN_MSR(worker->number, i), cpu);
}

static void tear_down_worker(struct worker *worker)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (worker->cpu_fds[cpu] >= 0)
			close(worker->cpu_fds[cpu]);
	if (worker->batch_fd >= 0)
		close(worker->batch_fd);
	if (worker->number < NR_WORKERS)
		check_own_registers(worker);
}

bool run_concurrent(struct stats *stats)
{
	static struct worker workers[NR_WORKERS + 2];
	unsigned int i;

	nr_cpus = cpus_online();
	make_lists();
	if (nr_cpus > MAX_CPUS || write_list(texts[EMPTY]) != 1) {
		printf("# the guest is not as it should be: %s\n", strerror(errno));
		return false;
	}
	for (i = 0; i < NR_WORKERS + 2; i++)
		set_up_worker(&workers[i], i);
	for (i = 0; i < NR_WORKERS + 2; i++)
		pthread_create(&workers[i].thread, NULL,
			       i < NR_WORKERS  ? work :
			       i == NR_WORKERS ? swap_lists :
						 toggle_cpus,
			       &workers[i]);
	for (i = 0; i < NR_WORKERS + 2; i++) {
		pthread_join(workers[i].thread, NULL);
		if (i == NR_WORKERS - 1)
			atomic_store(&stop, true);
	}
	for (i = 0; i < NR_WORKERS + 2; i++) {
		tear_down_worker(&workers[i]);
		add_stats(stats, &workers[i].stats);
	}
	return !atomic_load(&wrong) && write_list("\n") == 1;
}
