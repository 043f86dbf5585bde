// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sequential mode: one call at a time, each with one right answer, or a few
 * where the documents leave open which of several errors comes first.
 */

#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "memory.h"

#define NR_HANDLES	40
#define NR_OPS		(MSR_BATCH_MAX_OPS + 1)
#define TEXT_ROOM	(MAX_LIST_TEXT + 1024)
#define BIGGEST		(4U << 20)

enum device { CPU, BATCH, LIST, VERSION };

struct node {
	enum device device;
	unsigned int cpu;
	bool leaves;		/* with its CPU */
	unsigned int mode;
	char path[40];
};

struct handle {
	int fd;
	const struct node *node;
	int flags;
	int64_t pos;
	struct list *list;	/* in force at the open, if this is the list's device */
	uint64_t publications;	/* until the open */
};

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

static struct rng rng;
static struct model model;
static struct stats *stats;
static struct record record;
static bool wrong;

static struct node nodes[2 * MAX_CPUS + 8];
static unsigned int nr_nodes;
static struct handle handles[NR_HANDLES];
static unsigned int nr_handles;
static unsigned int home;		/* the CPU that most calls are for, and come from */

static struct msr_batch_op ops[NR_OPS];
static char text[TEXT_ROOM];
static const char version_text[] = {
	'0' + MSR_SAFE_VERSION_MAJOR, '.', '0' + MSR_SAFE_VERSION_MINOR, '.',
	'0' + MSR_SAFE_VERSION_PATCH, '\n',
};

/* What a call may answer */
struct answers {
	bool success;
	int64_t result;
	unsigned int nr_errs;
	int errs[16];
};

static void may_fail(struct answers *answers, int err)
{
	answers->errs[answers->nr_errs++] = err;
}

static void succeeds(struct answers *answers, int64_t result)
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

static void mismatch(const char *format, ...)
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

static void begin(enum call call, const struct handle *handle, const void *buf, size_t len,
		  int64_t off)
{
	record.call = call;
	record.handle = handle;
	record.buf = buf;
	record.len = len;
	record.off = off;
	if (record.number >= options.print_from)
		print_record();
	record.more[0] = '\0';
}

static void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(record.more, sizeof(record.more), format, args);
	va_end(args);
	if (record.number >= options.print_from)
		printf("#   %s\n", record.more);
}

static void answered(const struct answers *answers, long result, int err)
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

static void check_memory(void)
{
	const unsigned char *byte = unexpected();

	if (byte)
		mismatch("the byte at %p is %#x, expected %#x", byte, *byte,
			 *(unsigned char *)expected(byte));
}

/* Reads and writes */

struct transfer {
	bool write;
	bool positional;
	void *buf;
	size_t len;
	int64_t off;
};

static long do_transfer(const struct handle *handle, const struct transfer *t)
{
	if (t->positional)
		return t->write ? pwrite(handle->fd, t->buf, t->len, t->off) :
				  pread(handle->fd, t->buf, t->len, t->off);
	return t->write ? write(handle->fd, t->buf, t->len) : read(handle->fd, t->buf, t->len);
}

static enum call call_of(const struct transfer *t)
{
	if (t->positional)
		return t->write ? PWRITE : PREAD;
	return t->write ? WRITE : READ;
}

static bool is_open_for(const struct handle *handle, bool write)
{
	return (handle->flags & O_ACCMODE) == O_RDWR ||
	       (handle->flags & O_ACCMODE) == (write ? O_WRONLY : O_RDONLY);
}

static bool is_stale(const struct handle *handle)
{
	return model.revoke_on_change && handle->publications != model.publications;
}

static bool buffer_is_good(const struct transfer *t)
{
	return can(t->buf, t->len ? t->len : 1, t->write ? PROT_READ : PROT_WRITE);
}

/*
 * What is wrong with a call whatever the device says. Where several things are,
 * each is a right answer: nothing says which one the kernel looks at first.
 */
static void expect_refusals(const struct handle *handle, const struct transfer *t,
			    struct answers *answers)
{
	if (t->off < 0 || t->len > SSIZE_MAX)
		may_fail(answers, EINVAL);
	if (!is_open_for(handle, t->write))
		may_fail(answers, EBADF);
}

/* One register */
static void expect_cpu(const struct handle *handle, const struct transfer *t,
		       struct answers *answers, struct outcome *outcome)
{
	struct msr_batch_op op = { .cpu = handle->node->cpu, .isrdmsr = !t->write, .msr = t->off };
	bool stale = is_stale(handle);
	int err;

	expect_refusals(handle, t, answers);
	if (t->len != 8)
		may_fail(answers, EINVAL);
	if (stale)
		may_fail(answers, ESTALE);
	/* The kernel refuses what would end behind the last offset; so does the device. */
	if (t->off > INT64_MAX - 8)
		may_fail(answers, EINVAL);
	if (t->off > UINT32_MAX && (!answers->nr_errs || stale || t->off > INT64_MAX - 8))
		may_fail(answers, EACCES);
	/* Nothing says whether the buffer is looked at before all else, or last. */
	if (!buffer_is_good(t))
		may_fail(answers, EFAULT);
	else if (!answers->nr_errs && t->write)
		memcpy(&op.msrdata, t->buf, 8);
	if (answers->nr_errs) {
		err = err_by_list(model.list, &op);
		if (answers->nr_errs == 1 && answers->errs[0] == EFAULT) {
			if (err)
				may_fail(answers, EACCES);
			else if (!model.online[op.cpu])
				may_fail(answers, ENXIO);
		}
		return;
	}

	*outcome = model_op(&model, &op);
	if (outcome->err)
		may_fail(answers, outcome->err == -EROFS ? EACCES : -outcome->err);
	else
		succeeds(answers, 8);
}

/* What a read leaves in memory */
static void expect_data(const struct transfer *t, bool success, const struct outcome *outcome)
{
	if (success && outcome->any_data)
		memcpy(expected(t->buf), t->buf, 8);
	else if (success)
		memcpy(expected(t->buf), &outcome->data, 8);
	else if (!buffer_is_good(t))
		expect_old_or_new(t->buf, 8);
}

static void cpu_transfer(struct handle *handle, const struct transfer *t)
{
	struct answers answers = { 0 };
	struct outcome outcome = { 0 };
	long result;

	begin(call_of(t), handle, t->buf, t->len, t->off);
	guard(t->buf, t->len < 4096 ? t->len : 8);
	expect_cpu(handle, t, &answers, &outcome);
	errno = 0;
	result = do_transfer(handle, t);
	answered(&answers, result, errno);
	if (!t->write)
		expect_data(t, result == 8, &outcome);
	check_memory();
}


#define MAX_SEGMENTS	3

/* The kernel makes a call of each segment, until one fails. */
static void cpu_vector(struct handle *handle, bool writing)
{
	unsigned int nr = 1 + below(&rng, MAX_SEGMENTS), done = 0, i;
	struct transfer t[MAX_SEGMENTS] = { 0 };
	struct outcome outcomes[MAX_SEGMENTS] = { 0 };
	struct answers answers[MAX_SEGMENTS] = { 0 };
	struct iovec segments[MAX_SEGMENTS];
	char *buf = random_place(&rng, SMALL, 24 * nr);
	long result;

	begin(writing ? WRITEV : READV, handle, buf, nr, handle->pos);
	for (i = 0; i < nr; i++) {
		uint64_t value = rnd_value(&rng);

		t[i].write = writing;
		t[i].off = handle->pos;
		t[i].buf = buf + 24 * i;
		t[i].len = one_in(&rng, 12) ? 1 + below(&rng, 16) : 8;
		put_bytes(t[i].buf, &value, 8);
		segments[i] = (struct iovec){ t[i].buf, t[i].len };
	}
	guard(buf, 24 * nr);
	do
		expect_cpu(handle, &t[done], &answers[done], &outcomes[done]);
	while (answers[done].success && ++done < nr);
	if (done)
		succeeds(&answers[0], 8 * done);
	/* The kernel looks at where all of it would end. */
	if (handle->pos > INT64_MAX - 24 * MAX_SEGMENTS)
		may_fail(&answers[0], EINVAL);

	errno = 0;
	result = writing ? writev(handle->fd, segments, nr) : readv(handle->fd, segments, nr);
	answered(&answers[0], result, errno);
	for (i = 0; i < nr && !writing; i++)
		if (i <= done)
			expect_data(&t[i], i < done, &outcomes[i]);
	check_memory();
}

/* The texts of the allowlist and of the version */

static void expect_text(const struct handle *handle, const struct transfer *t, int64_t len,
			struct answers *answers, long result)
{
	bool of_list = handle->node->device == LIST;
	int64_t most = reach(t->buf, t->len, PROT_WRITE);
	int64_t least;

	expect_refusals(handle, t, answers);
	if (of_list && t->len < 60)
		may_fail(answers, E2BIG);
	if (!answers->nr_errs) {
		int64_t rest = t->off < len ? len - t->off : 0;

		most = rest < most ? rest : most;
		/* A list may come in parts. Where a part of the buffer is there, it may be filled. */
		least = of_list || !buffer_is_good(t) ? !!most : most;
		if (most || !rest || !t->len)
			succeeds(answers, result >= least && result <= most ? result : least);
	}
	/* The end of the text, or of what the kernel takes for an offset? */
	if (t->off > INT64_MAX - (int64_t)(t->len & INT64_MAX))
		may_fail(answers, EINVAL);
	if (!buffer_is_good(t))
		may_fail(answers, EFAULT);
}

static void text_read(struct handle *handle, const struct transfer *t)
{
	bool of_list = handle->node->device == LIST;
	const char *whole = of_list ? handle->list->text : version_text;
	int64_t len = of_list ? handle->list->len : sizeof(version_text);
	size_t guarded = t->len < 4 * MAX_LIST_TEXT ? t->len : 8;
	struct answers answers = { 0 };
	long result;

	begin(of_list ? LIST_READ : VERSION_READ, handle, t->buf, t->len, t->off);
	note("%s", t->positional ? "pread" : "read");
	guard(t->buf, guarded);
	errno = 0;
	result = do_transfer(handle, t);
	expect_text(handle, t, len, &answers, result);
	answered(&answers, result, errno);
	if (result > 0 && !wrong)
		memcpy(expected(t->buf), whole + t->off, result);
	else if (!buffer_is_good(t))
		expect_old_or_new(t->buf, guarded);
	check_memory();
	if (result > 0 && !t->positional)
		handle->pos += result;
}

/* Puts a list into force, as the write of it has done. */
static void publish(struct list *list)
{
	model_publish(&model, list);
	stats->list_swaps++;
}

static void expect_list_write(const struct handle *handle, const struct transfer *t,
			      struct answers *answers, struct verdict *verdict)
{
	/* Only write(2) is documented; pwrite(2) may be refused as what cannot be sought in. */
	if (t->positional)
		may_fail(answers, ESPIPE);
	expect_refusals(handle, t, answers);
	if (t->len > MAX_LIST_TEXT)
		may_fail(answers, E2BIG);
	if (!buffer_is_good(t))
		may_fail(answers, EFAULT);
	/* The kernel does not write behind the last offset. */
	if (t->off > INT64_MAX - (int64_t)(t->len & INT64_MAX))
		may_fail(answers, EINVAL);
	if (answers->nr_errs > t->positional) {
		if (!t->len)
			may_fail(answers, ENOMSG);	/* no byte of the buffer is needed */
		return;
	}
	*verdict = judge_text(t->buf, t->len);
	if (!verdict->err)
		succeeds(answers, t->len);
	else
		may_fail(answers, verdict->err);
	if (verdict->other_err)
		may_fail(answers, verdict->other_err);
}

/* Nothing says whether a write moves the position. */
static void ask_for_position(struct handle *handle, long moved)
{
	int64_t pos = lseek(handle->fd, 0, SEEK_CUR);

	if (pos != handle->pos && pos != handle->pos + moved)
		mismatch("the position is %" PRId64 " after a write", pos);
	handle->pos = pos;
}

static void list_write(struct handle *handle, const struct transfer *t)
{
	struct answers answers = { 0 };
	struct verdict verdict = { 0 };
	bool refused;
	long result;

	begin(LIST_WRITE, handle, t->buf, t->len, t->off);
	expect_list_write(handle, t, &answers, &verdict);
	if (verdict.list && !list_is_harmless(verdict.list)) {
		list_put(verdict.list);
		return;
	}
	note("%s, err %s, entries %d", t->positional ? "pwrite" : "write",
	     errno_name(verdict.err), verdict.list ? (int)verdict.list->count : -1);
	guard(t->buf, t->len < 4 * MAX_LIST_TEXT ? t->len : 8);
	errno = 0;
	result = do_transfer(handle, t);
	refused = result < 0 && errno == ESPIPE;
	answered(&answers, result, errno);
	check_memory();
	if (verdict.list && refused)
		list_put(verdict.list);
	else if (verdict.list)
		publish(verdict.list);
	if (!t->positional && result > 0)
		ask_for_position(handle, result);
}

/* Reads of the batch device, writes of it and of the version: there are none. */
static void no_transfer(struct handle *handle, const struct transfer *t)
{
	struct answers answers = { 0 };
	long result;

	begin(call_of(t), handle, t->buf, t->len, t->off);
	guard(t->buf, t->len < 4096 ? t->len : 8);
	expect_refusals(handle, t, &answers);
	may_fail(&answers, EINVAL);
	if (!buffer_is_good(t))
		may_fail(&answers, EFAULT);
	errno = 0;
	result = do_transfer(handle, t);
	answered(&answers, result, errno);
	check_memory();
}

static int64_t random_offset(void)
{
	static const int64_t special[] = {
		-1, INT64_MIN, INT64_MAX, INT64_MAX - 7, INT64_MAX - 8, INT64_MAX - 9, UINT32_MAX,
		INT64_C(0x100000000), INT64_C(0x100000402), 0, -0x402, INT64_C(0x8000000000000402),
	};

	switch (below(&rng, 16)) {
	case 0:
		return pick(&rng, special);
	case 1:
		return rnd(&rng) >> below(&rng, 64);
	case 2:
		return random_msr(&rng, model.list) | rnd(&rng) << 32;
	default:
		return random_msr(&rng, model.list);
	}
}

static size_t random_text_len(size_t len)
{
	static const size_t special[] = {
		0, 1, 59, 60, 61, 62, 89, 90, 4095, 4096, 4097, 8192, 1 << 20, SSIZE_MAX, SIZE_MAX,
	};

	if (one_in(&rng, 3))
		return pick(&rng, special);
	return below(&rng, one_in(&rng, 4) ? 2 * len + 60 : 400);
}

static size_t random_reg_len(void)
{
	static const size_t special[] = { 0, 1, 4, 7, 9, 16, 24, 4096, SSIZE_MAX, SIZE_MAX };

	return one_in(&rng, 12) ? pick(&rng, special) : 8;
}

static void cpu_read_or_write(struct handle *handle, struct transfer *t)
{
	uint64_t value = rnd_value(&rng);

	t->len = random_reg_len();
	t->buf = random_place(&rng, SMALL, t->len < 4096 ? t->len : 8);
	if (t->write)
		put_bytes(t->buf, &value, sizeof(value));
	cpu_transfer(handle, t);
}

static void list_or_version_read(struct handle *handle, struct transfer *t)
{
	size_t len = handle->node->device == LIST ? handle->list->len : sizeof(version_text);

	if (!one_in(&rng, 16))
		t->off = below(&rng, len + 20);
	if (!t->positional)
		t->off = handle->pos;
	t->len = random_text_len(len);
	t->buf = random_place(&rng, t->len > 4096 ? LARGE : SMALL, t->len < BIGGEST ? t->len : 60);
	text_read(handle, t);
}

static void random_list_write(struct handle *handle, struct transfer *t)
{
	t->len = random_text(&rng, text, TEXT_ROOM);
	if (t->positional)
		t->off = one_in(&rng, 8) ? -1 : (int64_t)below(&rng, 1 << 20);
	t->buf = random_place(&rng, LARGE, t->len);
	put_bytes(t->buf, text, t->len);
	list_write(handle, t);
}

static void read_or_write(struct handle *handle, bool writing)
{
	struct transfer t = { .write = writing, .positional = !one_in(&rng, 4) };

	if (writing && handle->node->device == LIST)
		t.positional = one_in(&rng, 12);
	t.off = t.positional ? random_offset() : handle->pos;
	switch (handle->node->device) {
	case CPU:
		cpu_read_or_write(handle, &t);
		return;
	case LIST:
		if (writing)
			random_list_write(handle, &t);
		else
			list_or_version_read(handle, &t);
		return;
	case VERSION:
		if (!writing) {
			list_or_version_read(handle, &t);
			return;
		}
		break;
	default:
		break;
	}
	t.len = below(&rng, 100);
	t.buf = random_place(&rng, SMALL, t.len);
	no_transfer(handle, &t);
}

/* lseek */

static int64_t random_distance(const struct handle *handle)
{
	if (handle->node->device != CPU && !one_in(&rng, 4))
		return below(&rng, 400);
	if (one_in(&rng, 4))
		return (int64_t)below(&rng, 2000) - 1000;
	return random_offset();
}

static void seek(struct handle *handle)
{
	static const int ways[] = { SEEK_SET, SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_CUR };
	static const int others[] = { SEEK_END, SEEK_DATA, SEEK_HOLE, 5, 99, -1 };
	/* What else the version can do is nowhere said. */
	bool other = one_in(&rng, 16) && handle->node->device != VERSION;
	int whence = other ? pick(&rng, others) : pick(&rng, ways);
	int64_t off = random_distance(handle), pos;
	struct answers answers = { 0 };
	long result;

	/* The address of a register, whichever way */
	if (whence == SEEK_CUR && handle->node->device == CPU && one_in(&rng, 2))
		off -= handle->pos & INT64_MAX;
	begin(LSEEK, handle, NULL, 0, off);
	note("whence %d", whence);
	if (handle->node->device == BATCH) {
		may_fail(&answers, ESPIPE);
		may_fail(&answers, EINVAL);
	} else if (other) {
		may_fail(&answers, EINVAL);
	} else if (whence == SEEK_CUR && off > INT64_MAX - handle->pos) {
		may_fail(&answers, EINVAL);
		may_fail(&answers, EOVERFLOW);
	} else {
		pos = whence == SEEK_CUR ? handle->pos + off : off;
		if (pos < 0)
			may_fail(&answers, EINVAL);
		else
			succeeds(&answers, pos);
	}
	errno = 0;
	result = lseek(handle->fd, off, whence);
	answered(&answers, result, errno);
	if (result >= 0)
		handle->pos = result;
}

/* Batches */

static uint32_t random_numops(void)
{
	static const uint32_t middle[] = { 15, 16, 17, 18, 31, 32, 33, 63, 64, 65 };
	static const uint32_t large[] = { 4095, 4096, 4097, 8192, 8193, 20000 };
	static const uint32_t refused[] = {
		0, MSR_BATCH_MAX_OPS + 1, 1 << 18, 0x80000000, 0x80000001, UINT32_MAX,
	};

	if (one_in(&rng, 20000))
		return MSR_BATCH_MAX_OPS;
	if (one_in(&rng, 800))
		return pick(&rng, large);
	if (one_in(&rng, 100))
		return 65 + below(&rng, 1000);
	if (one_in(&rng, 40))
		return pick(&rng, refused);
	return one_in(&rng, 6) ? pick(&rng, middle) : 1 + below(&rng, one_in(&rng, 3) ? 14 : 4);
}

static uint32_t random_version(void)
{
	static const uint32_t near[] = {
		1, MSR_SAFE_VERSION_u32 + 1, MSR_SAFE_VERSION_u32 | 0xff,
		MSR_SAFE_VERSION_u32 + 0x100, MSR_SAFE_VERSION_u32 - 1,
		MSR_SAFE_VERSION_u32 + 0x10000, MSR_SAFE_VERSION_u32 - 0x10000,
		MSR_SAFE_VERSION_u32 | 0x1000000, MSR_SAFE_VERSION_MAJOR << 16,
	};

	if (one_in(&rng, 4))
		return 0;
	if (one_in(&rng, 12))
		return one_in(&rng, 4) ? rnd(&rng) : pick(&rng, near);
	return MSR_SAFE_VERSION_u32;
}

static uint16_t random_cpu(bool of_all)
{
	static const uint16_t others[] = { 63, 64, 255, 256, 1000, 8191, 8192, 32768, 65535 };

	if (one_in(&rng, 60))
		return one_in(&rng, 2) ? model.nr_cpus : pick(&rng, others);
	return of_all ? below(&rng, model.nr_cpus) : home;
}

/* What has no meaning on the way in is random, too. */
static void random_ops(uint32_t count)
{
	bool of_all = one_in(&rng, 16);
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint64_t junk = rnd(&rng);

		memcpy((char *)&ops[i] + 8, &junk, 8);
		ops[i].cpu = random_cpu(of_all);
		ops[i].isrdmsr = junk & 1 << 30 ? 0 : junk & 1 << 29 ? 1 : junk;
		ops[i].err = one_in(&rng, 4) ? 0 : junk >> 32;
		ops[i].msr = random_msr(&rng, model.list);
		ops[i].msrdata = rnd_value(&rng);
		ops[i].wmask = rnd(&rng);
	}
	/* Mostly without mistakes that would hide later ones in the answer */
	for (i = 0; i < count && one_in(&rng, 2); i++) {
		ops[i].isrdmsr = 1;
		ops[i].msr = model.list->count ? model.list->entries[0].addr : 0;
	}
}

/*
 * Where an array ends at memory that is not there, not behind what the module
 * has to read of an operation: nothing says whether it reads the rest, too.
 */
static char *random_array(uint64_t len)
{
	char *array = random_place(&rng, LARGE, len);
	size_t reached = reach(array, len, PROT_READ);

	if (reached < len && reached + sizeof(*ops) > len && reached % sizeof(*ops) >= 12)
		array += reached % sizeof(*ops) - below(&rng, 12);
	return array;
}

/* A random array of operations, of which those are filled in that can be reached */
static char *place_ops(uint32_t numops)
{
	uint32_t filled = numops < NR_OPS ? numops : 16;
	char *array = random_array((uint64_t)numops * sizeof(*ops));

	/* No time for a large array that would be refused anyway, but once in a while */
	if (filled > 20000 && !can(array, filled * sizeof(*ops), PROT_READ) && !one_in(&rng, 8))
		filled = 16;
	random_ops(filled);
	put_bytes(array, ops, filled * sizeof(*ops));
	return array;
}

/* Errors with which nothing is carried out. Any of them is right: no order is documented. */
static void expect_batch_refusals(const struct handle *handle, unsigned int cmd,
				  const struct msr_batch_array *batch, const void *arg,
				  struct answers *answers)
{
	uint64_t len = (uint64_t)batch->numops * sizeof(*ops);

	if (cmd != X86_IOC_MSR_BATCH)
		may_fail(answers, ENOTTY);
	if (!is_open_for(handle, false))
		may_fail(answers, EBADF);
	if (is_stale(handle))
		may_fail(answers, ESTALE);
	if (!can(arg, sizeof(*batch), PROT_READ)) {
		may_fail(answers, EFAULT);
		return;
	}
	if (!model_serves(&model, batch->version))
		may_fail(answers, ENOPROTOOPT);
	if (!batch->numops)
		may_fail(answers, EINVAL);
	else if (batch->numops > MSR_BATCH_MAX_OPS)
		may_fail(answers, E2BIG);
	if (batch->numops && !can(batch->ops, len, PROT_READ))
		may_fail(answers, EFAULT);
}

/* Executes a batch in the model. The fields in the array need not be aligned. */
static int expect_ops(char *array, uint32_t count)
{
	int first = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct msr_batch_op *after = expected(array + i * sizeof(*ops));
		struct outcome outcome;
		struct msr_batch_op op;

		memcpy(&op, array + i * sizeof(op), sizeof(op));
		outcome = model_op(&model, &op);
		first = first ? first : -outcome.err;
		stats->op_errs[-outcome.err]++;
		op.err = outcome.err;
		op.wmask = outcome.wmask;
		op.msrdata = outcome.data;
		memcpy((char *)after + 4, &op.err, 4);
		memcpy((char *)after + 16, &op.msrdata, 16);
	}
	return first;
}

/* Registers of which the model does not know the value: it is what it is. */
static void allow_any_data(const char *array, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const char *data = array + i * sizeof(*ops) + 16;
		struct msr_batch_op op;

		memcpy(&op, expected(array + i * sizeof(op)), sizeof(op));
		if (op.isrdmsr && !op.err && reg_kind(op.msr) == REG_ANY && can(data, 8, PROT_READ))
			memcpy(expected(data), data, 8);
	}
}

static void allow_partial_copy(const char *array, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		expect_old_or_new(array + i * sizeof(*ops) + 4, 4);
		expect_old_or_new(array + i * sizeof(*ops) + 16, 16);
	}
}

static bool results_can_be_written(const char *array, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const char *op = array + i * sizeof(*ops);

		if (!can(op + 4, 4, PROT_WRITE) || !can(op + 16, 16, PROT_WRITE))
			return false;
	}
	return true;
}

static void check_batch(char *array, uint32_t count, long result, bool executed)
{
	const unsigned char *byte;
	uint64_t at;

	if (executed && result < 0 && errno == EFAULT)
		allow_partial_copy(array, count);
	if (executed)
		allow_any_data(array, count);
	byte = unexpected();
	if (!byte)
		return;
	at = byte - (unsigned char *)array;
	if (at < (uint64_t)count * sizeof(*ops))
		note("operation %" PRIu64 " of %u at %p, byte %" PRIu64 " of it", at / sizeof(*ops),
		     count, array, at % sizeof(*ops));
	check_memory();
}

static void run_ioctl(struct handle *handle, unsigned int cmd, void *arg,
		      const struct msr_batch_array *batch)
{
	char *array = (char *)batch->ops;
	struct answers answers = { 0 };
	bool executed = false;
	long result;
	int first;

	begin(IOCTL, handle, arg, batch->numops, 0);
	note("cmd %#x, version %#x, ops %p", cmd, batch->version, array);
	guard(array, batch->numops > MSR_BATCH_MAX_OPS ? 512 : batch->numops * sizeof(*ops));
	if (handle->node->device != BATCH)
		may_fail(&answers, ENOTTY);
	else
		expect_batch_refusals(handle, cmd, batch, arg, &answers);
	if (!answers.nr_errs) {
		executed = true;
		first = expect_ops(array, batch->numops);
		if (first)
			may_fail(&answers, first);
		else
			succeeds(&answers, 0);
		if (!results_can_be_written(array, batch->numops))
			answers = (struct answers){ .nr_errs = 1, .errs = { EFAULT } };
		else if (!can(array, batch->numops * sizeof(*ops), PROT_WRITE))
			/* Only what is not written is read-only: may be written nevertheless */
			may_fail(&answers, EFAULT);
	}
	errno = 0;
	result = ioctl(handle->fd, cmd, arg);
	answered(&answers, result, errno);
	check_batch(array, batch->numops, result, executed);
}

static unsigned int random_cmd(void)
{
	static const unsigned int others[] = {
		0, 0x5401, UINT32_MAX, _IO('c', 0xA2), _IOR('c', 0xA2, struct msr_batch_array),
		_IOWR('c', 0xA1, struct msr_batch_array), _IOWR('c', 0xA2, uint32_t),
	};

	if (!one_in(&rng, 40))
		return X86_IOC_MSR_BATCH;
	if (one_in(&rng, 2))
		return pick(&rng, others);
	return X86_IOC_MSR_BATCH ^ 1U << below(&rng, 32);
}

static void batch(struct handle *handle)
{
	uint32_t numops = handle->node->device == BATCH ? random_numops() : 1;
	struct msr_batch_array batch = { .numops = numops, .version = random_version() };
	void *arg = random_place(&rng, SMALL, sizeof(batch));

	batch.ops = (struct msr_batch_op *)place_ops(numops);
	put_bytes(arg, &batch, sizeof(batch));
	run_ioctl(handle, random_cmd(), arg, &batch);
}

/* Opening and closing */

static const char *node_path(unsigned int cpu)
{
	static char path[40];

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
	return path;
}

static void add_node(enum device device, unsigned int cpu, bool leaves, const char *path)
{
	struct node *node = &nodes[nr_nodes++];

	*node = (struct node){ .device = device, .cpu = cpu, .leaves = leaves, .mode = 0600 };
	snprintf(node->path, sizeof(node->path), "%s", path);
}

/* Nodes of CPUs that stay when the CPU goes, and of CPUs that there are not */
static bool add_own_node(unsigned int major, unsigned int cpu)
{
	char path[40];

	snprintf(path, sizeof(path), "/tmp/fuzz_cpu%u", cpu);
	unlink(path);
	add_node(CPU, cpu, false, path);
	return !mknod(path, S_IFCHR | 0600, makedev(major, cpu));
}

static bool make_nodes(void)
{
	static const unsigned int no_cpus[] = { 63, 8192, 70000 };
	unsigned int cpu;
	struct stat st;

	nr_nodes = 0;
	if (stat(node_path(0), &st))
		return false;
	for (cpu = 0; cpu < model.nr_cpus; cpu++) {
		add_node(CPU, cpu, true, node_path(cpu));
		if (!add_own_node(major(st.st_rdev), cpu))
			return false;
	}
	for (cpu = 0; cpu < ARRAY_SIZE(no_cpus); cpu++)
		if (!add_own_node(major(st.st_rdev), no_cpus[cpu]))
			return false;
	add_node(BATCH, 0, false, BATCH_PATH);
	add_node(LIST, 0, false, LIST_PATH);
	add_node(VERSION, 0, false, "/dev/cpu/msr_safe_version");
	add_node(VERSION, 0, false, "/dev/cpu/msr_version");
	for (cpu = 0; cpu < nr_nodes; cpu++)
		if (chmod(nodes[cpu].path, nodes[cpu].mode))
			return false;
	return true;
}

static bool is_present(const struct node *node)
{
	return node->device != CPU || (node->cpu < model.nr_cpus && model.online[node->cpu]);
}

static struct node *random_node(void)
{
	unsigned int kind = below(&rng, 8);
	struct node *node;

	do
		node = &nodes[below(&rng, nr_nodes)];
	while (kind < 2 ? node->device != BATCH : kind == 2 ? node->device != LIST : false);
	return node;
}

static void expect_open(const struct node *node, int flags, bool as_user, struct answers *answers)
{
	bool to_read = (flags & O_ACCMODE) != O_WRONLY;
	bool to_write = (flags & O_ACCMODE) != O_RDONLY;

	if (node->leaves && !is_present(node))
		may_fail(answers, ENOENT);
	else if (as_user && ((to_read && !(node->mode & 04)) || (to_write && !(node->mode & 02))))
		may_fail(answers, EACCES);
	else if (!is_present(node))
		may_fail(answers, ENXIO);
}

static void close_one(struct handle *handle)
{
	struct answers answers = { .success = true };

	begin(CLOSE, handle, NULL, 0, 0);
	answered(&answers, close(handle->fd), errno);
	if (handle->list)
		list_put(handle->list);
	*handle = handles[--nr_handles];
}

static void open_one(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR };
	static const int more[] = { O_APPEND, O_NONBLOCK, O_CLOEXEC, O_SYNC };
	const struct node *node = random_node();
	int flags = pick(&rng, modes);
	bool as_user = one_in(&rng, 3);
	struct answers answers = { 0 };
	struct handle *handle;
	int fd;

	if (nr_handles == NR_HANDLES)
		close_one(&handles[below(&rng, nr_handles)]);
	if (one_in(&rng, 4))
		flags |= pick(&rng, more);
	handle = &handles[nr_handles];
	*handle = (struct handle){
		.node = node, .flags = flags, .publications = model.publications,
	};
	begin(OPEN, handle, NULL, 0, 0);
	note("flags %#x%s", flags, as_user ? " as user" : "");
	expect_open(node, flags, as_user, &answers);
	if (as_user) {
		setfsgid(1000);
		setfsuid(1000);
	}
	errno = 0;
	fd = open(node->path, flags);
	if (as_user) {
		setfsuid(0);
		setfsgid(0);
	}
	if (!answers.nr_errs)
		succeeds(&answers, fd);
	answered(&answers, fd, errno);
	if (fd < 0)
		return;
	handle->fd = fd;
	if (node->device == LIST)
		handle->list = list_get(model.list);
	nr_handles++;
}

static void change_mode(void)
{
	static const unsigned int modes[] = { 0600, 0604, 0602, 0606, 0666, 0660, 0444, 0 };
	struct node *node = random_node();

	if (node->leaves && !is_present(node))
		return;
	begin(CHMOD, NULL, NULL, 0, 0);
	node->mode = pick(&rng, modes);
	note("%s %o", node->path, node->mode);
	answered(&(struct answers){ .success = true }, chmod(node->path, node->mode), errno);
}

/* Registers past the module, through the kernel's own driver */

static bool stock(unsigned int cpu, uint32_t msr, uint64_t *value, bool writing)
{
	int fd = open_cpu(cpu, "msr", writing ? O_WRONLY : O_RDONLY);
	bool good;

	good = (writing ? pwrite(fd, value, 8, msr) : pread(fd, value, 8, msr)) == 8;
	close(fd);
	return good;
}

static uint64_t *model_register(unsigned int cpu, unsigned int i)
{
	return i < NR_STORES ? &model.store[cpu][i] : &model.pkrs[cpu];
}

static void check_register(unsigned int cpu, unsigned int i)
{
	uint32_t msr = i < NR_STORES ? STORE_ADDR(i) : PKRS;
	uint64_t value;

	stats->calls[PEEK]++;
	if (!stock(cpu, msr, &value, false))
		mismatch("the kernel's driver does not read %#x of CPU %u", msr, cpu);
	else if (value != *model_register(cpu, i))
		mismatch("%#x of CPU %u is %#" PRIx64 ", expected %#" PRIx64, msr, cpu, value,
			 *model_register(cpu, i));
}

static void check_registers(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i <= NR_STORES && model.online[cpu]; i++)
		check_register(cpu, i);
}

static void check_some_register(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus);

	begin(PEEK, NULL, NULL, 0, 0);
	if (model.online[cpu])
		check_register(cpu, below(&rng, NR_STORES + 1));
}

static void change_register(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus), i = below(&rng, NR_STORES);
	uint64_t value = rnd_value(&rng) & writable_bits(STORE_ADDR(i));

	if (!model.online[cpu])
		return;
	begin(POKE, NULL, NULL, 0, STORE_ADDR(i));
	stats->calls[POKE]++;
	model.store[cpu][i] = value;
	if (!stock(cpu, STORE_ADDR(i), &value, true))
		mismatch("the kernel's driver does not write");
}

/* CPUs */

static void come_from(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void move_home(void)
{
	unsigned int cpu = below(&rng, model.nr_cpus);

	if (!model.online[cpu])
		return;
	stats->calls[MOVE]++;
	home = cpu;
	/* Mostly, but not always, on the CPU that the calls are for */
	come_from(one_in(&rng, 8) ? 0 : home);
}

static bool values_survive;	/* while their CPU is off line */

static void learn_registers(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i <= NR_STORES; i++)
		stock(cpu, i < NR_STORES ? STORE_ADDR(i) : PKRS, model_register(cpu, i), false);
}

static void toggle_cpu(void)
{
	unsigned int cpu = 1 + below(&rng, model.nr_cpus - 1);
	unsigned int i;
	int err;

	if (model.nr_cpus < 2)
		return;
	begin(HOTPLUG, NULL, NULL, 0, cpu);
	note("%s", model.online[cpu] ? "off" : "on");
	if (home == cpu) {
		home = 0;
		come_from(0);
	}
	err = set_online(cpu, !model.online[cpu]);
	if (err) {
		/* On a busy machine an emulated CPU may come too late for the kernel. */
		printf("# CPU %u stays as it is: %s\n", cpu, errno_name(-err));
		return;
	}
	stats->calls[HOTPLUG]++;
	stats->hotplugs++;
	model.online[cpu] = !model.online[cpu];
	/* The node of a CPU that returns is a new one. */
	for (i = 0; i < nr_nodes; i++)
		if (nodes[i].leaves && nodes[i].cpu == cpu)
			nodes[i].mode = 0600;
	if (!model.online[cpu])
		return;
	if (!values_survive)
		learn_registers(cpu);
	check_registers(cpu);
}

static void toggle_parameter(void)
{
	stats->calls[PARAM]++;
	model.check_version = !model.check_version;
	if (write_file("/sys/module/msr_safe/parameters/check_batch_version",
		       model.check_version ? "1" : "0"))
		mismatch("check_batch_version cannot be set");
}

/* The whole of it */

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
		[CPU] = 900, [BATCH] = 30, [LIST] = 200, [VERSION] = 90,
	};
	static const unsigned int for_writes[] = {
		[CPU] = 990, [BATCH] = 20, [LIST] = 6, [VERSION] = 10,
	};
	static const unsigned int for_ioctls[] = {
		[CPU] = 10, [BATCH] = 990, [LIST] = 10, [VERSION] = 10,
	};
	static const unsigned int for_seeks[] = {
		[CPU] = 600, [BATCH] = 40, [LIST] = 600, [VERSION] = 200,
	};
	static const unsigned int for_cpus[] = { [CPU] = 1000 };
	unsigned int dice = below(&rng, 10000);
	struct handle *handle;

	record.number++;
	/* With nothing listed there is not much to be found. */
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
	if (dice < 8400)
		return batch(random_handle(for_ioctls));
	if (dice < 9300)
		return seek(random_handle(for_seeks));
	handle = random_handle(for_cpus);
	if (dice < 9700)
		return handle->node->device == CPU ? cpu_vector(handle, dice & 1) : (void)0;
	if (dice < 9760)
		return change_mode();
	if (dice < 9840)
		return check_some_register();
	if (dice < 9860)
		return change_register();
	if (dice < 9880)
		return move_home();
	if (dice < 9882)
		return toggle_parameter();
	if (dice < 9883)
		return toggle_cpu();
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
	if (model.nr_cpus > MAX_CPUS || write_list("\n") != 1 || !memory_init() || !make_nodes()) {
		printf("# the guest is not as it should be: %s\n", strerror(errno));
		return false;
	}
	publish(judge_text("\n", 1).list);
	learn_guest();
	for (cpu = 0; cpu < model.nr_cpus; cpu++) {
		model.online[cpu] = true;
		learn_registers(cpu);
	}
	setgroups(0, NULL);
	come_from(0);
	rng.state = options.seed;
	return true;
}

static void tear_down(void)
{
	unsigned int i;

	while (nr_handles)
		close_one(&handles[0]);
	for (i = 0; i < model.nr_cpus; i++)
		if (!model.online[i])
			set_online(i, true);
	if (!model.check_version)
		toggle_parameter();
	for (i = 0; i < nr_nodes; i++)
		if (!strncmp(nodes[i].path, "/tmp/", 5))
			unlink(nodes[i].path);
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
