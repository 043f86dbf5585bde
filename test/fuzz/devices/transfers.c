// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes of all devices, and seeking in them.
 */

#include <limits.h>
#include <sys/uio.h>

#include "sequential.h"

#define TEXT_ROOM (MAX_LIST_TEXT + 1024)
#define BIGGEST (4U << 20)

static char text[TEXT_ROOM];
static const char version_text[] = {
	'0' + MSR_SAFE_VERSION_MAJOR, '.',  '0' + MSR_SAFE_VERSION_MINOR, '.',
	'0' + MSR_SAFE_VERSION_PATCH, '\n',
};

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

bool is_open_for(const struct handle *handle, bool write)
{
	return (handle->flags & O_ACCMODE) == O_RDWR ||
	       (handle->flags & O_ACCMODE) == (write ? O_WRONLY : O_RDONLY);
}

bool is_stale(const struct handle *handle)
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
		if (!model_reaches(&model, op.cpu))
			err = -EACCES;
		if (answers->nr_errs == 1 && answers->errs[0] == EFAULT) {
			if (err)
				may_fail(answers, EACCES);
			else if (!model.online[op.cpu])
				may_fail(answers, ENXIO);
		}
		return;
	}

	*outcome = model_op(&model, &op, UINT64_MAX);
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

#define MAX_SEGMENTS 3

/* The kernel makes a call of each segment, until one fails. */
void cpu_vector(struct handle *handle, bool writing)
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
		/* A list may come in parts; so may what only a part of the buffer is there for. */
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

/* A read can have written more than it says, up to the fault, as seq_file of 4.18 does. */
static void expect_part_of(const struct transfer *t, const char *text, int64_t len, size_t guarded)
{
	if (t->off >= 0 && t->off < len && reach(t->buf, t->len, PROT_WRITE) > 0)
		memcpy(expected(t->buf), text + t->off,
		       (int64_t)guarded < len - t->off ? (int64_t)guarded : len - t->off);
	expect_old_or_new(t->buf, guarded);
}

static void text_read(struct handle *handle, const struct transfer *t)
{
	bool of_list = handle->node->device == LIST;
	const char *whole = of_list ? handle->list->text : version_text;
	int64_t len = of_list ? handle->list->len : sizeof(version_text);
	size_t guarded = t->len < 4 * MAX_LIST_TEXT ? t->len : (size_t)len;
	struct answers answers = { 0 };
	long result;

	begin(of_list ? LIST_READ : VERSION_READ, handle, t->buf, t->len, t->off);
	note("%s", t->positional ? "pread" : "read");
	guard(t->buf, guarded);
	errno = 0;
	result = do_transfer(handle, t);
	expect_text(handle, t, len, &answers, result);
	answered(&answers, result, errno);
	if (!buffer_is_good(t))
		expect_part_of(t, whole, len, guarded);
	if (result > 0 && t->off + result <= len && result <= (int64_t)t->len)
		memcpy(expected(t->buf), whole + t->off, result);
	check_memory();
	if (result > 0 && !t->positional)
		handle->pos += result;
}

/* Puts a list into force, as the write of it has done. */
void publish(unsigned int nr, struct list *list)
{
	model_publish(&model, nr, list);
	stats->list_swaps++;
	sessions_judge();
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
			may_fail(answers, ENOMSG); /* no byte of the buffer is needed */
		return;
	}
	*verdict = judge_text(t->buf, t->len);
	if (!verdict->err && handle->node->list_nr &&
	    !list_is_within(verdict->list, model.lists[0])) {
		verdict->err = EPERM;
		list_put(verdict->list);
		verdict->list = NULL;
	}
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
	note("%s, err %s, entries %d", t->positional ? "pwrite" : "write", errno_name(verdict.err),
	     verdict.list ? (int)verdict.list->count : -1);
	guard(t->buf, t->len < 4 * MAX_LIST_TEXT ? t->len : 8);
	errno = 0;
	result = do_transfer(handle, t);
	refused = result < 0 && errno == ESPIPE;
	answered(&answers, result, errno);
	check_memory();
	if (verdict.list && refused)
		list_put(verdict.list);
	else if (verdict.list)
		publish(handle->node->list_nr, verdict.list);
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
		-1,
		INT64_MIN,
		INT64_MAX,
		INT64_MAX - 7,
		INT64_MAX - 8,
		INT64_MAX - 9,
		UINT32_MAX,
		INT64_C(0x100000000),
		INT64_C(0x100000402),
		0,
		-0x402,
		INT64_C(0x8000000000000402),
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

/* A list for a class that is within the default list, or almost */
static size_t part_of_default_list(void)
{
	const struct list *list = model.lists[0];
	size_t len = sprintf(text, "# part\n");
	unsigned int i;

	for (i = 0; i < list->count && len < TEXT_ROOM - 100; i++) {
		uint64_t mask = list->entries[i].wmask;

		if (one_in(&rng, 2))
			continue;
		if (one_in(&rng, 3))
			mask &= rnd(&rng);
		if (one_in(&rng, 200))
			mask |= UINT64_C(1) << below(&rng, 60);
		len += sprintf(text + len, "%#llx %#" PRIx64 "\n",
			       (unsigned long long)list->entries[i].msr, mask);
	}
	return len;
}

static void random_list_write(struct handle *handle, struct transfer *t)
{
	if (handle->node->list_nr && !one_in(&rng, 4))
		t->len = part_of_default_list();
	else
		t->len = random_text(&rng, text, TEXT_ROOM);
	if (t->positional)
		t->off = one_in(&rng, 8) ? -1 : (int64_t)below(&rng, 1 << 20);
	t->buf = random_place(&rng, LARGE, t->len);
	put_bytes(t->buf, text, t->len);
	list_write(handle, t);
}

void read_or_write(struct handle *handle, bool writing)
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

void seek(struct handle *handle)
{
	static const int ways[] = { SEEK_SET, SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_CUR };
	static const int others[] = { SEEK_END, SEEK_DATA, SEEK_HOLE, 5, 99, -1 };
	/* No document says what else the version can do. */
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
