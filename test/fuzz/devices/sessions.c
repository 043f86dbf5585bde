// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions in the sequential mode: prepared, run, sampled, ended by lists, closed.
 *
 * The arguments are mostly right ones. What is wrong with the structure of operations is the
 * matter of ops.c, since the module reads both by the same code.
 */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "sequential.h"

#define ALL_SESSIONS 128
#define OF_ROOT 8 /* of them, only for root */
#define MAX_SESSIONS (ALL_SESSIONS + 1)
#define MAX_OPS 100

/* The timer of a CPU, as far as the model can know of it */
struct timer {
	bool gone; /* its CPU has been away since the start */
	bool may_have_ended;
	bool rests; /* it takes no sample, for as long as what is so now stays so */
	uint64_t head; /* since when there are so many records */
};

struct session {
	int fd;
	const struct msr_ring *ring;
	size_t len;
	unsigned int count;
	struct msr_op ops[MAX_OPS]; /* with the bits that each write changes in mask */
	unsigned int nr_writes;
	bool stamps;
	bool started;
	bool revoked;
	bool may_sample;
	bool privileged;
	unsigned int list_nr;
	unsigned int owner;
	uint64_t ticks[MAX_CPUS]; /* runs, and points of grids that have ended */
	uint64_t heads[MAX_CPUS]; /* of them, with records */
	struct msr_start start;
	bool exempt; /* the starter was */
	struct timer timers[MAX_CPUS];
	uint64_t late[MAX_CPUS], offline[MAX_CPUS]; /* when it was started */
};

static struct session sessions[MAX_SESSIONS];
static unsigned int nr_sessions;

/* Parameters of the module */
static struct parameter {
	const char *name;
	unsigned int usual, max, value;
} parameters[] = {
	{ .name = "session_max", .usual = 16, .max = UINT32_MAX },
	{ .name = "session_max_kib", .usual = 65536, .max = UINT32_MAX },
	{ .name = "sample_max_hz", .usual = 10000, .max = 100000 },
	{ .name = "sample_permille", .usual = 50, .max = 1000 },
};

enum { SESSION_MAX, SESSION_MAX_KIB, SAMPLE_MAX_HZ, SAMPLE_PERMILLE };

static bool set_parameter(struct parameter *parameter, unsigned int value)
{
	char path[80], text[16];

	snprintf(path, sizeof(path), PARAMETERS "%s", parameter->name);
	snprintf(text, sizeof(text), "%u", value);
	if (write_file(path, text))
		return false;
	parameter->value = value;
	return true;
}

static struct msr_batch_op classic_of(const struct msr_op *op)
{
	return (struct msr_batch_op){
		.cpu = op->cpu > UINT16_MAX ? UINT16_MAX : op->cpu,
		.isrdmsr = !(op->flags & MSR_OP_WRITE),
		.msr = op->msr,
		.msrdata = op->data,
	};
}

/* What preparing says of an operation, which it does not execute */
static int judge(const struct msr_op *op, uint64_t *wmask)
{
	const struct msr_allowlist_entry *entry = list_find(model.list, op->msr);
	struct msr_batch_op classic = classic_of(op);
	int err = err_by_list(model.list, &classic);

	*wmask = entry ? entry->wmask : 0;
	if (err == -EACCES || !model_reaches(&model, classic.cpu))
		return -EACCES;
	if (classic.cpu >= model.nr_cpus || !model.online[classic.cpu])
		return -ENXIO;
	if (op->flags & MSR_OP_WRITE && !(*wmask & (op->mask ? op->mask : UINT64_MAX)))
		return -EROFS;
	return 0;
}

static const struct msr_stream *stream_of(const struct session *session, unsigned int nr)
{
	return (const void *)((const char *)session->ring + 4096 + nr * session->ring->stride);
}

static uint64_t head_of_stream(const struct msr_stream *stream)
{
	return __atomic_load_n(&stream->head, __ATOMIC_ACQUIRE);
}

/* Runs and points that are accounted for */
static uint64_t points_of(const struct msr_stream *stream)
{
	const volatile struct msr_stream *now = stream;

	return now->head + now->late + now->throttled + now->offline;
}

/* Whether a list still allows what the session does */
static bool is_allowed(const struct session *session)
{
	unsigned int i;

	for (i = 0; i < session->count; i++) {
		const struct msr_op *op = &session->ops[i];
		const struct msr_allowlist_entry *entry =
			list_find(model.lists[session->list_nr], op->msr);

		if (!entry || (op->flags & MSR_OP_WRITE && op->mask & ~entry->wmask))
			return false;
	}
	return true;
}

/* A list has come: it ends sessions, which then take no sample any more. */
void sessions_judge(void)
{
	unsigned int i, nr;

	for (i = 0; i < nr_sessions; i++) {
		struct session *session = &sessions[i];

		if (session->revoked || (!model.revoke_on_change && is_allowed(session)))
			continue;
		session->revoked = true;
		for (nr = 0; session->started && nr < session->ring->cpus; nr++) {
			session->timers[nr].may_have_ended = true;
			if (!session->timers[nr].rests)
				session->timers[nr].head = head_of_stream(stream_of(session, nr));
			session->timers[nr].rests = true;
		}
	}
}

/* Whether no sample of a CPU is right, as things are */
static bool must_rest(const struct session *session, unsigned int nr)
{
	unsigned int cpu = stream_of(session, nr)->cpu;

	return session->timers[nr].gone || session->revoked || !parameters[SAMPLE_MAX_HZ].value ||
	       !parameters[SAMPLE_PERMILLE].value ||
	       (model.own_cpus_only && !session->exempt && !model.in_mask[cpu]);
}

static void look_at_timer(struct session *session, unsigned int nr)
{
	const struct msr_stream *stream = stream_of(session, nr);
	struct timer *timer = &session->timers[nr];
	uint64_t value;

	if (!must_rest(session, nr)) {
		timer->rests = false;
	} else if (!timer->rests) {
		/* What is in progress on that CPU ends before it answers. */
		if (model.online[stream->cpu])
			stock(stream->cpu, STORE_ADDR(0), &value, false);
		timer->rests = true;
		timer->may_have_ended = true;
		timer->head = head_of_stream(stream);
	}
}

static void check_timer(const struct session *session, unsigned int nr);

void sessions_look(void)
{
	unsigned int i, nr;

	for (i = 0; i < nr_sessions; i++)
		for (nr = 0; sessions[i].started && nr < sessions[i].ring->cpus; nr++) {
			if (sessions[i].timers[nr].rests && must_rest(&sessions[i], nr))
				check_timer(&sessions[i], nr);
			look_at_timer(&sessions[i], nr);
		}
}

void sessions_lose_cpu(unsigned int cpu)
{
	unsigned int i, nr;

	for (i = 0; i < nr_sessions; i++)
		for (nr = 0; sessions[i].started && nr < sessions[i].ring->cpus; nr++) {
			if (stream_of(&sessions[i], nr)->cpu != cpu)
				continue;
			sessions[i].timers[nr].may_have_ended = true;
			sessions[i].timers[nr].gone |= !model.online[cpu];
		}
}

/* The timer of a CPU says whether it runs, and takes no sample that it must not. */
static void check_timer(const struct session *session, unsigned int nr)
{
	const struct msr_stream *stream = stream_of(session, nr);
	const struct timer *timer = &session->timers[nr];
	uint64_t points = points_of(stream) - session->ticks[stream->cpu];
	uint32_t state = ((const volatile struct msr_stream *)stream)->state;
	uint64_t now = now_ns(), first = session->ring->first_ns;

	if (state != MSR_STREAM_SAMPLING && !(state == MSR_STREAM_ENDED && timer->may_have_ended))
		mismatch("the timer of CPU %u says %u", stream->cpu, state);
	if (timer->rests && head_of_stream(stream) != timer->head)
		mismatch("CPU %u has %llu records, when it had to end with %" PRIu64, stream->cpu,
			 stream->head, timer->head);
	if (!session->start.hold_ns &&
	    points > (now < first ? 0 : (now - first) / session->start.period_ns + 1))
		mismatch("CPU %u has counted %" PRIu64 " points, some ahead", stream->cpu, points);
}

/* A session that is not started, or has been stopped: each run is accounted for. */
static void check_at_rest(const struct session *session, unsigned int nr)
{
	const struct msr_stream *stream = stream_of(session, nr);

	if (stream->state != MSR_STREAM_IDLE)
		mismatch("the timer of CPU %u says %u and is not started", stream->cpu,
			 stream->state);
	if (points_of(stream) != session->ticks[stream->cpu] ||
	    stream->head != session->heads[stream->cpu])
		mismatch("CPU %u has %llu records of %" PRIu64 ", expected %" PRIu64 " of %" PRIu64,
			 stream->cpu, stream->head, points_of(stream), session->heads[stream->cpu],
			 session->ticks[stream->cpu]);
}

static void check_session(struct session *session)
{
	unsigned int nr;

	if (session->ring->state != (session->revoked ? MSR_RING_REVOKED :
				     session->started ? MSR_RING_SAMPLING :
							MSR_RING_READY))
		mismatch("the state of a session is %u", session->ring->state);
	for (nr = 0; nr < session->ring->cpus; nr++) {
		if (session->started)
			check_timer(session, nr);
		else
			check_at_rest(session, nr);
	}
}

/* What the call under way does is for a session. */
static void begin_session(const struct session *session, const void *arg)
{
	begin(IOCTL, NULL, arg, session->count, 0);
	judge_by(session->list_nr, session->privileged);
}

/* Whether the call may reach all CPUs of the session */
static bool reaches_all(const struct session *session)
{
	unsigned int nr;

	for (nr = 0; nr < session->ring->cpus; nr++)
		if (!model_reaches(&model, stream_of(session, nr)->cpu))
			return false;
	return true;
}

static struct msr_op random_op(bool may_write)
{
	struct msr_op op = {
		.cpu = one_in(&rng, 3) ? below(&rng, model.nr_cpus) : home,
		.msr = random_msr(&rng, model.list),
		.flags = may_write && one_in(&rng, 3) ? MSR_OP_WRITE : 0,
		.data = rnd_value(&rng),
		.err = 77,
	};

	/* One that cannot be executed makes the whole fail: seldom */
	if (model.list->count && !one_in(&rng, 100))
		op.msr = model.list->entries[below(&rng, model.list->count)].msr;
	if (op.flags && one_in(&rng, 2))
		op.mask = UINT64_C(0xff) << 8 * below(&rng, 8);
	if (op.flags && list_find(model.list, op.msr) && !one_in(&rng, 50) &&
	    !(list_find(model.list, op.msr)->wmask & (op.mask ? op.mask : UINT64_MAX)))
		op.flags = op.mask = 0;
	if (one_in(&rng, 1000))
		op.cpu = rnd(&rng);
	return op;
}

/* What the mapping of a session takes */
static uint64_t memory_of(const struct session *session, uint32_t slots)
{
	unsigned int i, most = 0, cpus = 0, ops[MAX_CPUS] = { 0 };
	uint64_t record, stride;

	for (i = 0; i < session->count; i++) {
		unsigned int cpu = session->ops[i].cpu;

		if (cpu >= MAX_CPUS)
			return 0; /* there will be none */
		cpus += !ops[cpu]++;
		most = ops[cpu] > most ? ops[cpu] : most;
	}
	record = sizeof(struct msr_record) +
		 8 * (most * (session->stamps ? 3 : 1) + (most + 63) / 64);
	stride = (sizeof(struct msr_stream) + slots * record + 4095) & ~UINT64_C(4095);
	return 4096 + cpus * stride;
}

static void prepared(struct session *session, const struct msr_ops *head, int fd)
{
	unsigned int i, cpus = 0;
	bool used[MAX_CPUS] = { 0 };

	session->fd = fd;
	session->len = head->map_len;
	if (session->len != memory_of(session, head->slots))
		mismatch("the mapping has %zu bytes", session->len);
	session->ring = mmap(NULL, session->len, PROT_READ, MAP_SHARED, fd, 0);
	if (session->ring == MAP_FAILED) {
		mismatch("the session cannot be mapped: %s", errno_name(errno));
		close(fd);
		return;
	}
	for (i = 0; i < session->count; i++) {
		cpus += !used[session->ops[i].cpu];
		used[session->ops[i].cpu] = true;
		session->nr_writes += session->ops[i].flags;
	}
	if (session->ring->cpus != cpus || session->ring->slots != head->slots ||
	    session->ring->state != MSR_RING_READY)
		mismatch("the ring says %u CPUs, %u slots, state %u", session->ring->cpus,
			 session->ring->slots, session->ring->state);
	nr_sessions++;
}

/* The limits of the user who has opened the device */
static void expect_limits(const struct handle *handle, uint64_t bytes, struct answers *answers)
{
	unsigned int i, own = 0;

	for (i = 0; i < nr_sessions; i++) {
		if (sessions[i].owner != handle->uid)
			continue;
		own++;
		bytes += sessions[i].len;
	}
	if (own >= parameters[SESSION_MAX].value ||
	    nr_sessions >= ALL_SESSIONS - (handle->of_root ? 0 : OF_ROOT))
		may_fail(answers, EMFILE);
	if (bytes > (uint64_t)parameters[SESSION_MAX_KIB].value << 10)
		may_fail(answers, ENOMEM);
}

static struct msr_ops random_head(struct session *session)
{
	struct msr_ops head = {
		.size = sizeof(head),
		.op_size = sizeof(struct msr_op),
		.slots = 1U << below(&rng, 6),
		.flags = one_in(&rng, 4) ? MSR_PREPARE_STAMPS : 0,
		.count = session->count,
		.ops = (uintptr_t)session->ops,
		.wake = one_in(&rng, 40) ? 1 + below(&rng, 4) : 0,
		.map_len = one_in(&rng, 10) ? rnd(&rng) : 0,
	};

	if (one_in(&rng, 40))
		head.slots = rnd(&rng);
	if (one_in(&rng, 40))
		head.flags ^= 1U << below(&rng, 32);
	session->stamps = head.flags & MSR_PREPARE_STAMPS;
	return head;
}

static void expect_prepared(const struct handle *handle, const struct msr_ops *head,
			    struct answers *answers)
{
	if (handle->node->device != BATCH)
		may_fail(answers, ENOTTY);
	else if (!is_open_for(handle, false))
		may_fail(answers, EBADF);
	else if (is_stale(handle))
		may_fail(answers, ESTALE);
	if (!head->slots || head->slots & (head->slots - 1) || head->wake ||
	    head->flags & ~MSR_PREPARE_STAMPS)
		may_fail(answers, EINVAL);
}

static void check_prepared_op(struct msr_op *op, unsigned int i, int err, uint64_t wmask)
{
	if (op->err != err || op->wmask != wmask)
		mismatch("operation %u: err %d, wmask %#llx; expected %d, %#" PRIx64, i, op->err,
			 op->wmask, err, wmask);
	if (op->flags & MSR_OP_WRITE)
		op->mask = (op->mask ? op->mask : UINT64_MAX) & wmask;
}

void prepare_session(struct handle *handle)
{
	struct session *session = &sessions[nr_sessions];
	struct answers answers = { 0 };
	int first = 0, errs[MAX_OPS];
	uint64_t wmasks[MAX_OPS];
	struct msr_ops head;
	unsigned int i;
	bool may_write;
	long result;

	*session = (struct session){
		.count = 1 + below(&rng, one_in(&rng, 6) ? MAX_OPS : 12),
		.may_sample = handle->node->samples,
		.list_nr = handle->list_nr,
		.privileged = handle->privileged,
		.owner = handle->uid,
	};
	head = random_head(session);
	begin(IOCTL, handle, &head, head.count, 0);
	may_write = !session->may_sample || one_in(&rng, 8);
	for (i = 0; i < session->count; i++) {
		session->ops[i] = random_op(may_write);
		errs[i] = judge(&session->ops[i], &wmasks[i]);
		first = first ? first : errs[i];
	}
	note("prepare as user %u, list %u, %u slots, wake %u", handle->uid, handle->list_nr,
	     head.slots, head.wake);
	expect_prepared(handle, &head, &answers);
	if (!answers.nr_errs && head.slots > 1024)
		return; /* more memory than there need be */
	if (!answers.nr_errs && first)
		may_fail(&answers, -first);
	else if (!answers.nr_errs)
		expect_limits(handle, memory_of(session, head.slots), &answers);
	result = ioctl(handle->fd, MSR_IOC_PREPARE, &head);
	if (result >= 0)
		succeeds(&answers, answers.nr_errs ? -1 : result);
	answered(&answers, result, errno);
	if (answers.nr_errs && (!first || answers.errs[0] != -first))
		return;
	for (i = 0; i < session->count; i++)
		check_prepared_op(&session->ops[i], i, errs[i], wmasks[i]);
	if (result >= 0)
		prepared(session, &head, result);
}

static const uint64_t *bits_of(const struct session *session, const struct msr_stream *stream,
			       const struct msr_record *record)
{
	return (const uint64_t *)&record->word[stream->ops * (session->stamps ? 3 : 1)];
}

/* Executes the operations of a CPU in the model, and compares. Return: how many fail. */
static unsigned int run_cpu(struct session *session, unsigned int nr, const uint64_t *values)
{
	const struct msr_stream *stream = stream_of(session, nr);
	const struct msr_ring *ring = session->ring;
	const struct msr_record *record =
		(const void *)((const char *)(stream + 1) +
			       ((stream->head - 1) & (ring->slots - 1)) * ring->record_size);
	unsigned int i, at = 0, failed = 0, write = 0;
	unsigned int cpu = stream->cpu;

	session->ticks[cpu]++;
	if (!model.online[cpu])
		return stream->ops;
	session->heads[cpu]++;
	if (record->tick != session->ticks[cpu])
		mismatch("the record of CPU %u is of %llu, expected %" PRIu64, cpu, record->tick,
			 session->ticks[cpu]);
	for (i = 0; i < session->count; i++) {
		const struct msr_op *op = &session->ops[i];
		struct msr_batch_op classic = classic_of(op);
		struct outcome outcome;
		uint64_t word, right;
		bool bit;

		if (op->flags & MSR_OP_WRITE && values)
			classic.msrdata = values[write];
		write += op->flags & MSR_OP_WRITE;
		if (op->cpu != cpu)
			continue;
		outcome = model_op(&model, &classic, op->flags & MSR_OP_WRITE ? op->mask : 0);
		word = record->word[session->stamps ? 3 * at + 1 : at];
		bit = bits_of(session, stream, record)[at / 64] >> at % 64 & 1;
		right = outcome.err ? (uint64_t)(int64_t)outcome.err : outcome.data;
		failed += outcome.err != 0;
		/* A write that keeps bits says what it has written. */
		if (!outcome.err && op->flags & MSR_OP_WRITE && op->mask != UINT64_MAX)
			outcome.any_data = true;
		if (bit != (outcome.err != 0) || (!outcome.any_data && word != right))
			mismatch("operation %u: word %#" PRIx64 ", failed %d; expected %#" PRIx64,
				 i, word, bit, right);
		at++;
	}
	if (record->failed != failed)
		mismatch("CPU %u: %u failed, expected %u", cpu, record->failed, failed);
	return failed;
}

/*
 * A call that is refused, or cut before anything was executed: whether that is a run is not said,
 * but it is the same for each CPU, and counts as offline.
 */
static void no_run(struct session *session)
{
	uint64_t more =
		points_of(stream_of(session, 0)) - session->ticks[stream_of(session, 0)->cpu];
	unsigned int nr;

	if (session->started)
		return;
	if (more > 1)
		mismatch("a call that ran nothing counts %" PRIu64 " runs", more);
	for (nr = 0; nr < session->ring->cpus; nr++)
		session->ticks[stream_of(session, nr)->cpu] += more;
}

static void run_one(struct session *session)
{
	struct msr_run run = { .size = sizeof(run) };
	struct answers answers = { 0 };
	unsigned int i, failed = 0;
	uint64_t values[MAX_OPS];
	long result;

	for (i = 0; i < session->nr_writes; i++)
		values[i] = rnd_value(&rng);
	run.values = one_in(&rng, 2) ? (uintptr_t)values : 0;
	run.flags = one_in(&rng, 200);
	if (one_in(&rng, 200))
		run.size = below(&rng, sizeof(run));
	begin_session(session, &run);
	note("run, values %d, started %d, revoked %d", run.values != 0, session->started,
	     session->revoked);
	if (run.flags || run.size != sizeof(run))
		may_fail(&answers, EINVAL);
	if (session->started)
		may_fail(&answers, EBUSY);
	if (session->revoked)
		may_fail(&answers, ESTALE);
	if (!reaches_all(session))
		may_fail(&answers, EACCES);
	result = ioctl(session->fd, MSR_IOC_RUN, &run);
	if (!answers.nr_errs) {
		for (i = 0; i < session->ring->cpus; i++)
			failed += run_cpu(session, i, run.values ? values : NULL);
		succeeds(&answers, failed);
	}
	answered(&answers, result, errno);
	if (answers.nr_errs)
		no_run(session);
	check_session(session);
}

static struct msr_start random_start(void)
{
	struct msr_start start = {
		.size = sizeof(start),
		.flags = one_in(&rng, 3) ? MSR_START_STAGGER : 0,
		.period_ns = 1000000 + below(&rng, 20000000),
	};

	if (one_in(&rng, 10))
		start.period_ns = MSR_PERIOD_MIN_NS + below(&rng, 1000000);
	if (one_in(&rng, 20))
		start.period_ns = rnd_value(&rng);
	if (one_in(&rng, 4))
		start.hold_ns = start.period_ns + below(&rng, 20000000);
	if (one_in(&rng, 20))
		start.hold_ns = one_in(&rng, 2) ? start.period_ns - 1 : rnd_value(&rng);
	if (one_in(&rng, 3))
		start.first_ns = one_in(&rng, 2) ? rnd(&rng) % now_ns() :
						   now_ns() + below(&rng, 50000000);
	if (one_in(&rng, 40))
		start.first_ns = now_ns() + MSR_PERIOD_MAX_NS * 2;
	if (one_in(&rng, 20))
		start.flags = rnd(&rng);
	if (one_in(&rng, 100))
		start.size = below(&rng, sizeof(start));
	return start;
}

static bool is_right(const struct msr_start *start)
{
	return start->size == sizeof(*start) && !(start->flags & ~MSR_START_STAGGER) &&
	       start->period_ns >= MSR_PERIOD_MIN_NS && start->period_ns <= MSR_PERIOD_MAX_NS &&
	       (!start->hold_ns ||
		(start->hold_ns >= start->period_ns && start->hold_ns <= MSR_PERIOD_MAX_NS)) &&
	       (!start->first_ns || start->first_ns < now_ns() + MSR_PERIOD_MAX_NS);
}

static unsigned int most_ops(const struct session *session)
{
	unsigned int nr, most = 0;

	for (nr = 0; nr < session->ring->cpus; nr++)
		if (stream_of(session, nr)->ops > most)
			most = stream_of(session, nr)->ops;
	return most;
}

/* Where several errors are right, any of them */
static void expect_start(const struct session *session, const struct msr_start *start,
			 struct answers *answers)
{
	if (!session->may_sample || !parameters[SAMPLE_MAX_HZ].value ||
	    !parameters[SAMPLE_PERMILLE].value)
		may_fail(answers, EPERM);
	if (session->started)
		may_fail(answers, EBUSY);
	if (session->nr_writes || !is_right(start))
		may_fail(answers, EINVAL);
	if (most_ops(session) > MSR_SAMPLE_MAX_OPS)
		may_fail(answers, E2BIG);
	if (!reaches_all(session))
		may_fail(answers, EACCES);
	if (session->revoked)
		may_fail(answers, ESTALE);
}

static void check_grid(const struct msr_ring *ring, const struct msr_start *start, uint64_t before)
{
	uint64_t first = ring->first_ns;

	if (ring->period_ns != start->period_ns || ring->hold_ns != start->hold_ns ||
	    ring->stop_ns || ring->reason)
		mismatch("the ring says period %llu, hold %llu, stop %llu", ring->period_ns,
			 ring->hold_ns, ring->stop_ns);
	if (ring->start_ns < before || ring->start_ns > now_ns())
		mismatch("the ring says start %llu", ring->start_ns);
	if (start->first_ns > ring->start_ns ?
		    first != start->first_ns :
		    first <= ring->start_ns || first > ring->start_ns + start->period_ns ||
			    (first - start->first_ns) % start->period_ns)
		mismatch("the ring says first %" PRIu64 ", start %llu", first, ring->start_ns);
}

static void started(struct session *session, const struct msr_start *start, uint64_t before)
{
	unsigned int nr;

	session->started = true;
	session->start = *start;
	session->exempt = model.exempt;
	check_grid(session->ring, start, before);
	for (nr = 0; nr < session->ring->cpus; nr++) {
		const struct msr_stream *stream = stream_of(session, nr);
		bool online = model.online[stream->cpu];

		session->timers[nr] = (struct timer){
			.gone = !online,
			.rests = !online,
			.may_have_ended = !online,
			.head = session->heads[stream->cpu],
		};
		session->late[nr] = stream->late;
		session->offline[nr] = stream->offline;
		if (!online && stream->state != MSR_STREAM_ENDED)
			mismatch("CPU %u is offline, and its timer says %u", stream->cpu,
				 stream->state);
	}
}

static void start_one(struct session *session)
{
	struct msr_start start = random_start();
	struct answers answers = { 0 };
	uint64_t before;
	int result;

	begin_session(session, &start);
	note("start, period %llu, hold %llu, first %llu, flags %#x", start.period_ns, start.hold_ns,
	     start.first_ns, start.flags);
	expect_start(session, &start, &answers);
	answers.success = !answers.nr_errs;
	before = now_ns();
	result = ioctl(session->fd, MSR_IOC_START, &start);
	answered(&answers, result, errno);
	if (!result)
		started(session, &start, before);
	check_session(session);
}

/* When sampling has ended, each point of the grid of a CPU is accounted for. */
static void check_points(struct session *session, unsigned int nr)
{
	const struct msr_stream *stream = stream_of(session, nr);
	const struct msr_ring *ring = session->ring;
	uint64_t first = ring->first_ns, points = 0;
	uint64_t all = points_of(stream);

	if (session->start.flags & MSR_START_STAGGER)
		first += nr * session->start.period_ns / ring->cpus;
	if (ring->stop_ns >= first)
		points = (ring->stop_ns - first) / session->start.period_ns + 1;
	if (!session->start.hold_ns && all - session->ticks[stream->cpu] != points)
		mismatch("CPU %u: %" PRIu64 " points, expected %" PRIu64, stream->cpu,
			 all - session->ticks[stream->cpu], points);
	if (session->start.hold_ns &&
	    (stream->late != session->late[nr] || stream->offline != session->offline[nr]))
		mismatch("CPU %u is late or offline on change", stream->cpu);
	if (session->timers[nr].rests && stream->head != session->timers[nr].head)
		mismatch("CPU %u has %llu records, when it had to end with %" PRIu64, stream->cpu,
			 stream->head, session->timers[nr].head);
	session->ticks[stream->cpu] = all;
	session->heads[stream->cpu] = stream->head;
}

static void stop_one(struct session *session)
{
	unsigned long arg = one_in(&rng, 40) ? rnd(&rng) : 0;
	struct answers answers = { .success = !arg };
	uint64_t before = now_ns();
	unsigned int nr;
	int result;

	begin_session(session, NULL);
	note("stop, started %d, revoked %d", session->started, session->revoked);
	if (arg)
		may_fail(&answers, EINVAL);
	result = ioctl(session->fd, MSR_IOC_STOP, arg);
	answered(&answers, result, errno);
	if (!result && session->started) {
		if (session->ring->stop_ns < before || session->ring->stop_ns > now_ns())
			mismatch("the ring says stop %llu", session->ring->stop_ns);
		session->started = false;
		for (nr = 0; nr < session->ring->cpus; nr++)
			check_points(session, nr);
	}
	check_session(session);
}

/* The memory of the mapping can be read, and nothing else be done with it. */
static void abuse_mapping(struct session *session)
{
	struct iovec from = { (void *)session->ring, 64 }, to;
	struct answers answers = { .nr_errs = 1, .errs = { EFAULT } };
	char bytes[64];
	int pipes[2];
	long result;

	if (pipe(pipes))
		abort();
	to = (struct iovec){ bytes, sizeof(bytes) };
	begin_session(session, session->ring);
	note("the mapping");
	result = vmsplice(pipes[1], &from, 1, SPLICE_F_NONBLOCK);
	answered(&answers, result, errno);
	may_fail(&answers, ENOSYS); /* some kernels do not have it */
	result = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	answered(&answers, result, errno);
	answers = (struct answers){ .nr_errs = 1, .errs = { EACCES } };
	result = mprotect((void *)session->ring, session->len, PROT_READ | PROT_WRITE);
	answered(&answers, result, errno);
	answers = (struct answers){ .success = true, .result = 64 };
	result = write(pipes[1], session->ring, 64);
	answered(&answers, result, errno);
	close(pipes[0]);
	close(pipes[1]);
}

/* It is always ready, so there is nothing to wait for. */
static void wait_for_session(struct session *session)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd fd = { .fd = session->fd, .events = POLLIN };
	struct answers answers = { .nr_errs = 1, .errs = { EPERM } };
	int epoll = epoll_create1(0), result;

	begin_session(session, NULL);
	note("poll");
	result = epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event);
	answered(&answers, result, errno);
	close(epoll);
	answers = (struct answers){ .success = true, .result = 1 };
	result = poll(&fd, 1, 0);
	answered(&answers, result, errno);
	if (fd.revents != POLLIN)
		mismatch("poll says %#x", fd.revents);
}

/* Either of the two can be the last reference. */
static void close_session(struct session *session)
{
	bool unmap_first = one_in(&rng, 2);

	if (unmap_first)
		munmap((void *)session->ring, session->len);
	close(session->fd);
	if (!unmap_first)
		munmap((void *)session->ring, session->len);
	*session = sessions[--nr_sessions];
}

void use_session(void)
{
	struct session *session;

	if (!nr_sessions)
		return;
	session = &sessions[below(&rng, nr_sessions)];
	begin_session(session, NULL);
	check_session(session);
	switch (below(&rng, 14)) {
	case 0:
	case 1:
	case 2:
		return start_one(session);
	case 3:
		return stop_one(session);
	case 4:
		/* Those that a list has ended are of little use. */
		if (session->revoked || one_in(&rng, 4))
			close_session(session);
		return;
	case 5:
		return one_in(&rng, 2) ? abuse_mapping(session) : wait_for_session(session);
	default:
		/* One that samples cannot be run. */
		return session->started && one_in(&rng, 4) ? stop_one(session) : run_one(session);
	}
}

/* A value for a parameter: 0 and what is too large now and then, mostly the usual one */
void set_session_parameter(void)
{
	static const unsigned int values[][5] = {
		[SESSION_MAX] = { 0, 1, 3, 1000, UINT32_MAX },
		[SESSION_MAX_KIB] = { 0, 8, 60, 500, UINT32_MAX },
		[SAMPLE_MAX_HZ] = { 0, 1, 100, 100000, 100001 },
		[SAMPLE_PERMILLE] = { 0, 1, 10, 300, 1001 },
	};
	unsigned int nr = below(&rng, ARRAY_SIZE(parameters));
	struct parameter *parameter = &parameters[nr];
	unsigned int value = one_in(&rng, 2) ? parameter->usual : pick(&rng, values[nr]);

	begin(PARAM, NULL, NULL, 0, 0);
	note("%s %u", parameter->name, value);
	stats->calls[PARAM]++;
	if (set_parameter(parameter, value) != (value <= parameter->max))
		mismatch("%s=%u", parameter->name, value);
	sessions_look();
}

bool set_up_sessions(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		if (!set_parameter(&parameters[i], parameters[i].usual))
			return false;
	return true;
}

void close_sessions(void)
{
	while (nr_sessions)
		close_session(&sessions[0]);
	set_up_sessions();
}
