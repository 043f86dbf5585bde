// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions in the sequential mode: prepared, run, sampled, ended by lists, closed.
 *
 * The arguments are mostly right ones. What is wrong with the structure of operations is the
 * matter of ops.c, since the module reads both by the same code.
 */

#include "sequential.h"

#define MAX_SESSIONS 8
#define MAX_OPS 100
#define MAX_SAMPLED 64 /* operations of a CPU */
#define SAMPLE_PATH "/dev/cpu/msr_sample"

struct session {
	int fd;
	const struct msr_ring *ring;
	size_t len;
	unsigned int count;
	struct msr_op ops[MAX_OPS]; /* with the bits that each write changes in mask */
	unsigned int nr_writes;
	bool stamps;
	bool may_sample;
	bool started;
	bool revoked;
	unsigned int list_nr;
	uint64_t publications; /* of that list, when it was prepared */
	uint64_t ticks[MAX_CPUS]; /* runs, and points of grids that have ended */
	uint64_t heads[MAX_CPUS]; /* of records of runs alone; any if it was sampled */
	bool sampled;
};

static struct session sessions[MAX_SESSIONS];
static unsigned int nr_sessions;

static const struct node sample_node = { .device = BATCH, .path = SAMPLE_PATH };
struct handle sample_handle = { .fd = -1, .node = &sample_node, .flags = O_RDONLY };

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
	if (err == -EACCES)
		return err;
	if (classic.cpu >= model.nr_cpus || !model.online[classic.cpu])
		return -ENXIO;
	if (op->flags & MSR_OP_WRITE && !(*wmask & (op->mask ? op->mask : UINT64_MAX)))
		return -EROFS;
	return 0;
}

/* A list ends sessions that it does not allow as a whole. */
void sessions_judge(void)
{
	unsigned int i, j;

	for (i = 0; i < nr_sessions; i++) {
		struct session *session = &sessions[i];

		if (session->publications == model.publications[session->list_nr])
			continue;
		session->revoked |= model.revoke_on_change;
		for (j = 0; j < session->count; j++) {
			const struct msr_op *op = &session->ops[j];
			const struct msr_allowlist_entry *entry =
				list_find(model.lists[session->list_nr], op->msr);

			if (!entry || (op->flags & MSR_OP_WRITE && op->mask & ~entry->wmask))
				session->revoked = true;
		}
	}
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

static const struct msr_stream *stream_of(const struct session *session, unsigned int nr)
{
	return (const void *)((const char *)session->ring + 4096 + nr * session->ring->stride);
}

static void prepared(struct session *session, const struct msr_ops *head, int fd)
{
	unsigned int i, cpus = 0;
	bool used[MAX_CPUS] = { 0 };

	session->fd = fd;
	session->len = head->map_len;
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

void prepare_session(struct handle *handle)
{
	struct session *session = &sessions[nr_sessions];
	struct answers answers = { 0 };
	struct msr_ops head = {
		.size = sizeof(head),
		.op_size = sizeof(struct msr_op),
		.slots = 1U << below(&rng, 6),
		.flags = one_in(&rng, 4) ? MSR_PREPARE_STAMPS : 0,
	};
	int first = 0, errs[MAX_OPS];
	uint64_t wmasks[MAX_OPS];
	bool may_write;
	unsigned int i;
	long result;

	if (nr_sessions == MAX_SESSIONS)
		return;
	*session = (struct session){
		.count = 1 + below(&rng, one_in(&rng, 6) ? MAX_OPS : 12),
		.stamps = head.flags,
		.may_sample = one_in(&rng, 2),
	};
	session->list_nr = session->may_sample ? 0 : handle->list_nr;
	session->publications = model.publications[session->list_nr];
	judge_by(session->list_nr);
	head.count = session->count;
	head.ops = (uintptr_t)session->ops;
	head.wake = one_in(&rng, 2) ? 1 + below(&rng, head.slots) : 0;
	if (one_in(&rng, 40))
		head.slots = rnd(&rng);
	may_write = !session->may_sample || one_in(&rng, 8);
	for (i = 0; i < session->count; i++) {
		session->ops[i] = random_op(may_write);
		errs[i] = judge(&session->ops[i], &wmasks[i]);
		first = first ? first : errs[i];
	}
	begin(IOCTL, session->may_sample ? NULL : handle, &head, head.count, 0);
	note("prepare, %u slots, wake %u", head.slots, head.wake);
	if (!session->may_sample && handle->node->device != BATCH)
		may_fail(&answers, ENOTTY);
	else if (!session->may_sample && !is_open_for(handle, false))
		may_fail(&answers, EBADF);
	else if (!session->may_sample && is_stale(handle))
		may_fail(&answers, ESTALE);
	else if (session->may_sample && model.revoke_on_change)
		return; /* the descriptor is stale, and nothing new */
	if (!head.slots || head.slots & (head.slots - 1) || head.wake > head.slots)
		may_fail(&answers, EINVAL);
	else if (head.slots > 1024)
		return; /* more memory than there need be */
	if (!answers.nr_errs && first)
		may_fail(&answers, -first);
	result = ioctl(session->may_sample ? sample_handle.fd : handle->fd, MSR_IOC_PREPARE, &head);
	if (result >= 0)
		succeeds(&answers, answers.nr_errs ? -1 : result);
	answered(&answers, result, errno);
	if (answers.nr_errs && answers.errs[0] != -first)
		return;
	for (i = 0; i < session->count; i++) {
		struct msr_op *op = &session->ops[i];

		if (op->err != errs[i] || op->wmask != wmasks[i])
			mismatch("operation %u: err %d, wmask %#llx; expected %d, %#" PRIx64, i,
				 op->err, op->wmask, errs[i], wmasks[i]);
		if (op->flags & MSR_OP_WRITE)
			op->mask = (op->mask ? op->mask : UINT64_MAX) & wmasks[i];
	}
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
	if (!session->sampled && stream->head != session->heads[cpu])
		mismatch("CPU %u has %llu records, expected %" PRIu64, cpu, stream->head,
			 session->heads[cpu]);
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
	begin(IOCTL, NULL, &run, session->count, 0);
	judge_by(session->list_nr);
	note("run, values %d, started %d, revoked %d", run.values != 0, session->started,
	     session->revoked);
	if (run.flags)
		may_fail(&answers, EINVAL);
	else if (session->started && !session->revoked)
		may_fail(&answers, EBUSY);
	else if (session->revoked)
		may_fail(&answers, ESTALE);
	result = ioctl(session->fd, MSR_IOC_RUN, &run);
	if (!answers.nr_errs) {
		for (i = 0; i < session->ring->cpus; i++)
			failed += run_cpu(session, i, run.values ? values : NULL);
		succeeds(&answers, failed);
	}
	answered(&answers, result, errno);
}

static void start_one(struct session *session)
{
	struct msr_start start = {
		.size = sizeof(start),
		.flags = one_in(&rng, 3) ? MSR_START_STAGGER : 0,
		.period_ns = 1000000 + below(&rng, 20000000),
	};
	struct answers answers = { .success = true };
	unsigned int i, most = 0;

	if (one_in(&rng, 20))
		start.period_ns = rnd_value(&rng);
	if (one_in(&rng, 20))
		start.flags = rnd(&rng);
	for (i = 0; i < session->ring->cpus; i++)
		if (stream_of(session, i)->ops > most)
			most = stream_of(session, i)->ops;
	begin(IOCTL, NULL, &start, session->count, 0);
	note("start, period %llu, flags %#x", start.period_ns, start.flags);
	/* Where several are right, any of them */
	if (!session->may_sample)
		may_fail(&answers, EPERM);
	if (session->started && !session->revoked)
		may_fail(&answers, EBUSY);
	if (session->nr_writes || start.flags & ~MSR_START_STAGGER ||
	    start.period_ns < MSR_PERIOD_MIN_NS || start.period_ns > MSR_PERIOD_MAX_NS)
		may_fail(&answers, EINVAL);
	else if (start.period_ns < 1000000)
		may_fail(&answers, EBUSY); /* or not: the rates of others */
	if (most > MAX_SAMPLED)
		may_fail(&answers, E2BIG);
	if (session->revoked)
		may_fail(&answers, ESTALE);
	answers.success = !answers.nr_errs || (start.period_ns < 1000000 && answers.nr_errs == 1 &&
					       answers.errs[0] == EBUSY && !session->started);
	if (!ioctl(session->fd, MSR_IOC_START, &start)) {
		session->started = session->sampled = true;
		answered(&answers, 0, 0);
	} else {
		answered(&answers, -1, errno);
	}
}

/* When sampling has ended, each point of the grid is accounted for. */
static void check_points(struct session *session)
{
	const struct msr_ring *ring = session->ring;
	unsigned int i;

	for (i = 0; i < ring->cpus; i++) {
		const struct msr_stream *stream = stream_of(session, i);
		uint64_t all = stream->head + stream->late + stream->throttled + stream->offline;
		uint64_t points = all - session->ticks[stream->cpu];
		uint64_t most = ring->stop_ns < ring->first_ns ?
					0 :
					(ring->stop_ns - ring->first_ns) / ring->period_ns + 1;

		/* One less where the CPU is behind the others */
		if (points != most && points + 1 != most)
			mismatch("CPU %u: %" PRIu64 " points, expected %" PRIu64, stream->cpu,
				 points, most);
		session->ticks[stream->cpu] = all;
	}
}

static void stop_one(struct session *session)
{
	struct answers answers = { .success = true };
	int result;

	begin(IOCTL, NULL, NULL, session->count, 0);
	note("stop");
	result = ioctl(session->fd, MSR_IOC_STOP, 0);
	answered(&answers, result, errno);
	if (session->started)
		check_points(session);
	session->started = false;
}

static void close_session(struct session *session)
{
	close(session->fd);
	munmap((void *)session->ring, session->len);
	*session = sessions[--nr_sessions];
}

void use_session(void)
{
	struct session *session;

	if (!nr_sessions)
		return;
	session = &sessions[below(&rng, nr_sessions)];
	if (session->ring->state != (session->revoked ? MSR_RING_REVOKED :
				     session->started ? MSR_RING_SAMPLING :
							MSR_RING_READY))
		mismatch("the state of a session is %u", session->ring->state);
	switch (below(&rng, 12)) {
	case 0:
		return start_one(session);
	case 1:
	case 2:
		return stop_one(session);
	case 3:
		/* Those that a list has ended are of little use. */
		if (session->revoked || one_in(&rng, 4))
			close_session(session);
		return;
	default:
		return run_one(session);
	}
}

bool open_sessions(void)
{
	sample_handle.fd = open(SAMPLE_PATH, O_RDONLY);
	return sample_handle.fd >= 0;
}

void close_sessions(void)
{
	while (nr_sessions)
		close_session(&sessions[0]);
	close(sample_handle.fd);
}
