// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sequential mode: what to call, and whether the answer is right.
 */

#include <grp.h>

#include "sequential.h"

/* The call under way, to be shown when its answer is wrong */
struct record {
	uint64_t number;
	enum call call;
	const struct handle *handle;
	const void *buf;
	size_t len;
	int64_t off;
	char more[200];
};

static struct record record;
static bool wrong;

struct rng rng;
struct model model;
struct stats *stats;
struct handle handles[NR_HANDLES];
unsigned int nr_handles;
unsigned int home;
bool values_survive;

void may_fail(struct answers *answers, int err)
{
	unsigned int i;

	for (i = 0; i < answers->nr_errs; i++)
		if (answers->errs[i] == err)
			return;
	answers->errs[answers->nr_errs++] = err;
}

void succeeds(struct answers *answers, int64_t result)
{
	answers->success = true;
	answers->result = result;
}

static bool is_among(const struct answers *answers, long result, int err)
{
	unsigned int i;

	if (result >= 0)
		return answers->success && result == answers->result;
	for (i = 0; i < answers->nr_errs; i++)
		if (answers->errs[i] == err)
			return true;
	return false;
}

static void print_record(void)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "" };

	printf("# call %" PRIu64 ": %s", record.number, call_names[record.call]);
	if (record.handle)
		printf(" of %s, %s, position %#" PRIx64 ",", record.handle->node->path,
		       modes[record.handle->flags & O_ACCMODE], record.handle->pos);
	printf(" buffer %p length %#zx offset %#" PRIx64 " %s\n", record.buf, record.len,
	       record.off, record.more);
}

void mismatch(const char *format, ...)
{
	va_list args;

	if (wrong)
		return;
	wrong = true;
	printf("# wrong answer; seed %" PRIu64 "\n", options.seed);
	print_record();
	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void judge_by(unsigned int nr, bool privileged)
{
	model.list = model.lists[nr];
	model.exempt = privileged && model.rawio;
}

void begin(enum call call, const struct handle *handle, const void *buf, size_t len, int64_t off)
{
	judge_by(handle ? handle->list_nr : 0, handle && handle->privileged);
	record.call = call;
	record.handle = handle;
	record.buf = buf;
	record.len = len;
	record.off = off;
	record.more[0] = '\0';
	if (record.number >= options.print_from)
		print_record();
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(record.more, sizeof(record.more), format, args);
	va_end(args);
	if (record.number >= options.print_from)
		printf("#   %s\n", record.more);
}

void answered(const struct answers *answers, long result, int err)
{
	char right[256] = "";
	size_t len = 0;
	unsigned int i;

	count_call(stats, record.call, result, err);
	if (is_among(answers, result, err))
		return;
	if (answers->success)
		len = snprintf(right, sizeof(right), " %" PRId64, answers->result);
	for (i = 0; i < answers->nr_errs; i++)
		len += snprintf(right + len, sizeof(right) - len, " %s",
				errno_name(answers->errs[i]));
	mismatch("expected%s; got %ld %s", right, result, result < 0 ? errno_name(err) : "");
}

void check_memory(void)
{
	const unsigned char *byte = unexpected();

	if (byte)
		mismatch("the byte at %p is %#x, expected %#x", byte, *byte,
			 *(unsigned char *)expected(byte));
}

static struct handle *random_handle(const unsigned int *weights)
{
	unsigned int tries;

	for (tries = 0; tries < 200; tries++) {
		struct handle *handle = &handles[below(&rng, nr_handles)];

		if (below(&rng, 1000) >= weights[handle->node->device])
			continue;
		/* Another CPU than where the call comes from takes an interrupt, and long. */
		if (handle->node->device == CPU && handle->node->cpu != home && !one_in(&rng, 12))
			continue;
		return handle;
	}
	return &handles[0];
}

static void refill_list(void)
{
	unsigned int i;

	for (i = 0; i < nr_handles; i++)
		if (handles[i].node->device == LIST && is_open_for(&handles[i], true))
			return read_or_write(&handles[i], true);
}

static void one_call(void)
{
	/* A new list takes as long as a thousand reads, or more. */
	static const unsigned int for_reads[] = {
		[CPU] = 900,
		[BATCH] = 30,
		[LIST] = 200,
		[VERSION] = 90,
	};
	static const unsigned int for_writes[] = {
		[CPU] = 990,
		[BATCH] = 20,
		[LIST] = 10,
		[VERSION] = 10,
	};
	static const unsigned int for_ioctls[] = {
		[CPU] = 10,
		[BATCH] = 990,
		[LIST] = 10,
		[VERSION] = 10,
	};
	static const unsigned int for_seeks[] = {
		[CPU] = 600,
		[BATCH] = 40,
		[LIST] = 600,
		[VERSION] = 200,
	};
	static const unsigned int for_cpus[] = { [CPU] = 1000 };
	unsigned int dice = below(&rng, 10000);
	struct handle *handle;

	record.number++;
	/* With nothing listed there is not much to be found. */
	judge_by(0, false);
	if (!model.list->count && one_in(&rng, 100))
		return refill_list();
	if (nr_handles < 8 || dice < 400)
		return open_one();
	if (dice < 800)
		return close_one(&handles[below(&rng, nr_handles)]);
	if (dice < 3500)
		return read_or_write(random_handle(for_reads), false);
	if (dice < 5700)
		return read_or_write(random_handle(for_writes), true);
	if (dice < 6400)
		return random_extended(random_handle(for_ioctls));
	if (dice < 7900)
		return random_batch(random_handle(for_ioctls));
	if (dice < 8300)
		return seek(random_handle(for_seeks));
	if (dice < 8450)
		return prepare_session(random_handle(for_ioctls));
	if (dice < 9300)
		return use_session();
	handle = random_handle(for_cpus);
	if (dice < 9700)
		return handle->node->device == CPU ? cpu_vector(handle, dice & 1) : (void)0;
	if (dice < 9760)
		return change_mode();
	if (dice < 9840)
		return check_some_register();
	if (dice < 9860)
		return change_register();
	if (dice < 9890)
		return move_home();
	if (dice < 9892)
		return toggle_parameter();
	if (dice < 9894)
		return toggle_cpu();
	if (dice < 9902)
		return change_rights();
	if (dice < 9910)
		return set_session_parameter();
	/* It makes most calls fail. */
	if (dice < 9918)
		return set_own_cpus_only(one_in(&rng, 3));
	seek(random_handle(for_seeks));
}

/* What the registers of this guest do that others' might not */
static void learn_guest(void)
{
	uint64_t value = 0x55, before;

	stock(0, PKRS, &value, true);
	stock(0, PKRS, &value, false);
	model.pkrs_holds = value == 0x55;

	values_survive = true;
	if (model.nr_cpus < 2)
		return;
	value = 0x123456789abcdef0;
	stock(1, STORE_ADDR(0), &value, true);
	stock(1, PKRS, &before, false);
	set_online(1, false);
	set_online(1, true);
	stock(1, STORE_ADDR(0), &value, false);
	values_survive = value == 0x123456789abcdef0;
	stock(1, PKRS, &value, false);
	values_survive &= value == before;
}

static bool set_up(void)
{
	unsigned int cpu;

	model.nr_cpus = cpus_online();
	model.check_version = true;
	model.revoke_on_change = options.revoke_on_change;
	if (model.nr_cpus > MAX_CPUS || write_list("\n") != 1 || !memory_init() || !make_nodes() ||
	    !set_up_sessions()) {
		printf("# the guest is not as it should be: %s\n", strerror(errno));
		return false;
	}
	for (cpu = 0; cpu < NR_LISTS; cpu++)
		publish(cpu, judge_text("\n", 1).list);
	judge_by(0, false);
	model.rawio = true;
	learn_guest();
	for (cpu = 0; cpu < model.nr_cpus; cpu++) {
		model.online[cpu] = true;
		learn_registers(cpu);
	}
	setgroups(0, NULL);
	rng.state = options.seed;
	come_from(0, true);
	return true;
}

static void tear_down(void)
{
	unsigned int i;

	close_sessions();
	set_own_cpus_only(false);
	set_rawio(true);
	while (nr_handles)
		close_one(&handles[0]);
	for (i = 0; i < model.nr_cpus; i++)
		if (!model.online[i])
			set_online(i, true);
	if (!model.check_version)
		toggle_parameter();
	remove_nodes();
}

bool run_sequential(struct stats *to_count)
{
	uint64_t start = now_ns();
	unsigned int cpu;

	stats = to_count;
	if (!set_up())
		return false;
	while (!wrong && !enough(record.number, start)) {
		one_call();
		if (record.number >= options.print_from)
			for (cpu = 0; cpu < model.nr_cpus; cpu++)
				check_registers(cpu);
	}
	tear_down();
	return !wrong;
}
