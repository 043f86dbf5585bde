// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended operations.
 */

#include "sequential.h"

#define MAX_PLACED 600
#define MAX_STRIDE 256

static char array_bytes[MAX_PLACED * MAX_STRIDE];

/* Where the members that a call changes are */
static const struct {
	size_t at, len;
} results[] = {
	{ offsetof(struct msr_op, err), 4 + 8 },
	{ offsetof(struct msr_op, wmask), 8 },
};
#define STAMPS offsetof(struct msr_op, tsc_before), 16

static struct msr_op random_op(bool of_all)
{
	struct msr_op op = {
		.cpu = of_all ? below(&rng, model.nr_cpus) : home,
		.msr = random_msr(&rng, model.list),
		.flags = below(&rng, 4),
		.err = rnd(&rng),
		.data = rnd_value(&rng),
		.wmask = rnd(&rng),
		.tsc_before = rnd(&rng),
		.tsc_after = rnd(&rng),
		.probes = rnd(&rng),
	};

	if (one_in(&rng, 40))
		op.cpu = one_in(&rng, 2) ? 0x10000 + home : rnd(&rng);
	if (op.flags & MSR_OP_WRITE && one_in(&rng, 2))
		op.mask = one_in(&rng, 4) ? rnd(&rng) : UINT64_C(0xff) << 8 * below(&rng, 8);
	if (one_in(&rng, 2000))
		op.flags ^= 1U << below(&rng, 32);
	if (one_in(&rng, 500))
		op.flags |= MSR_OP_POLL;
	if (one_in(&rng, 2000))
		op.limit_us = rnd(&rng);
	if (one_in(&rng, 2000))
		op.mask = rnd(&rng);
	return op;
}

static uint32_t random_count(void)
{
	static const uint32_t middle[] = { 15, 16, 17, 64, 100, MAX_PLACED };
	static const uint32_t refused[] = { 0, MSR_BATCH_MAX_OPS + 1, 1U << 31, UINT32_MAX };

	if (one_in(&rng, 40))
		return pick(&rng, refused);
	return one_in(&rng, 6) ? pick(&rng, middle) : 1 + below(&rng, 14);
}

static uint32_t random_size(uint32_t known)
{
	if (one_in(&rng, 60))
		return one_in(&rng, 2) ? below(&rng, known) : 4097 + below(&rng, 100000);
	return one_in(&rng, 3) ? known + below(&rng, MAX_STRIDE - known + 1) : known;
}

static bool is_zero(const char *p, size_t len)
{
	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

/* The operations that can be read, with here and there something new behind one */
static void fill(char *array, const struct msr_ops *head)
{
	bool of_all = one_in(&rng, 8);
	uint32_t i;

	if (head->op_size < sizeof(struct msr_op) || head->op_size > MAX_STRIDE ||
	    head->count > MAX_PLACED)
		return;
	memset(array_bytes, 0, (size_t)head->count * head->op_size);
	for (i = 0; i < head->count; i++) {
		struct msr_op op = random_op(of_all);
		char *at = array_bytes + (size_t)i * head->op_size;

		memcpy(at, &op, sizeof(op));
		if (head->op_size > sizeof(op) && one_in(&rng, 1000))
			at[head->op_size - 1] = 1;
	}
	put_bytes(array, array_bytes, (size_t)head->count * head->op_size);
}

static void expect_size_refusals(uint32_t size, size_t known, struct answers *answers)
{
	if (size < known)
		may_fail(answers, EINVAL);
	else if (size > 4096)
		may_fail(answers, E2BIG);
}

static bool is_wait(const struct msr_op *op)
{
	return op->flags & MSR_OP_POLL && !(op->flags & (~UINT32_C(15) | MSR_OP_WRITE)) &&
	       op->limit_us <= MSR_POLL_MAX_US;
}

static void expect_op_refusals(const struct handle *handle, const char *at, uint32_t op_size,
			       bool first, struct answers *answers)
{
	struct msr_op op;

	memcpy(&op, at, sizeof(op));
	if (first && is_wait(&op)) {
		if (!handle->node->samples)
			may_fail(answers, EPERM);
	} else if (op.flags & ~(MSR_OP_WRITE | MSR_OP_TSC) || op.limit_us ||
		   (op.mask && !(op.flags & MSR_OP_WRITE))) {
		may_fail(answers, EINVAL);
	}
	if (!is_zero(at + sizeof(op), op_size - sizeof(op)))
		may_fail(answers, E2BIG);
}

/* Errors with which nothing is carried out. Any of them is right: no order is documented. */
static void expect_refusals(const struct handle *handle, const struct msr_ops *head,
			    const char *arg, const char *array, struct answers *answers)
{
	uint32_t i;

	if (!is_open_for(handle, false))
		may_fail(answers, EBADF);
	if (is_stale(handle))
		may_fail(answers, ESTALE);
	if (!can(arg, sizeof(*head), PROT_READ)) {
		may_fail(answers, EFAULT);
		if (!can(arg, 4, PROT_READ))
			return;
	}
	expect_size_refusals(head->size, sizeof(*head), answers);
	expect_size_refusals(head->op_size, sizeof(struct msr_op), answers);
	if (head->size >= sizeof(*head) && head->size <= MAX_STRIDE) {
		if (!can(arg, head->size, PROT_READ))
			may_fail(answers, EFAULT);
		else if (!is_zero(arg + sizeof(*head), head->size - sizeof(*head)))
			may_fail(answers, E2BIG);
	}
	if (!head->count || head->flags || head->slots || head->wake || head->map_len)
		may_fail(answers, EINVAL);
	if (head->count > MSR_BATCH_MAX_OPS)
		may_fail(answers, E2BIG);
	if (head->op_size < sizeof(struct msr_op) || head->op_size > MAX_STRIDE)
		return;
	for (i = 0; i < head->count && i < MAX_PLACED; i++) {
		const char *at = array + (size_t)i * head->op_size;

		if (can(at, head->op_size, PROT_READ)) {
			expect_op_refusals(handle, at, head->op_size, !i, answers);
		} else {
			/* An error in the part that can be read may be found first. */
			may_fail(answers, EFAULT);
			if (can(at, sizeof(struct msr_op), PROT_READ))
				expect_op_refusals(handle, at, sizeof(struct msr_op), !i, answers);
			break;
		}
	}
}

/* Nothing changes a register meanwhile. */
static void wait_for_it(const struct msr_op *op, uint64_t mask, struct outcome *outcome)
{
	bool differs = !(op->flags & MSR_OP_FROM_NOW) && (outcome->data ^ op->data) & mask;

	if (!outcome->err && !differs)
		outcome->err = -ETIME;
}

/* Executes the operations in the model. Return: how many fail. */
static long expect_results(const char *array, const struct msr_ops *head)
{
	long failed = 0;
	uint32_t i;

	for (i = 0; i < head->count; i++) {
		const char *at = array + (size_t)i * head->op_size;
		struct msr_op *after = expected(at);
		struct outcome outcome;
		struct msr_batch_op classic;
		struct msr_op op;
		uint64_t mask;

		memcpy(&op, at, sizeof(op));
		classic = (struct msr_batch_op){
			.cpu = op.cpu > UINT16_MAX ? UINT16_MAX : op.cpu,
			.isrdmsr = !(op.flags & MSR_OP_WRITE),
			.msr = op.msr,
			.msrdata = op.data,
		};
		mask = op.mask ? op.mask : UINT64_MAX;
		outcome = model_op(&model, &classic, mask);
		if (op.flags & MSR_OP_POLL)
			wait_for_it(&op, mask, &outcome);
		failed += outcome.err != 0;
		stats->op_errs[-outcome.err]++;
		op.err = outcome.err;
		op.data = outcome.data;
		op.wmask = outcome.wmask;
		if (op.flags & MSR_OP_TSC && op.err && op.err != -EIO && op.err != -ETIME)
			op.tsc_before = op.tsc_after = 0;
		memcpy(after, &op, sizeof(op));
	}
	return failed;
}

static bool results_can_be_written(const char *array, const struct msr_ops *head)
{
	uint32_t i, j;

	for (i = 0; i < head->count; i++) {
		const char *at = array + (size_t)i * head->op_size;
		struct msr_op op;

		for (j = 0; j < sizeof(results) / sizeof(results[0]); j++)
			if (!can(at + results[j].at, results[j].len, PROT_WRITE))
				return false;
		memcpy(&op, at, sizeof(op));
		if (op.flags & MSR_OP_TSC &&
		    !can(at + offsetof(struct msr_op, tsc_before), 16, PROT_WRITE))
			return false;
	}
	return true;
}

/* The model does not know stamps, some registers and, after EFAULT, any part: all values pass. */
static void allow(const char *array, const struct msr_ops *head, bool partly)
{
	uint32_t i, j;

	for (i = 0; i < head->count; i++) {
		const char *at = array + (size_t)i * head->op_size;
		const char *stamps = at + offsetof(struct msr_op, tsc_before);
		const char *data = at + offsetof(struct msr_op, data);
		const char *probes = at + offsetof(struct msr_op, probes);
		struct msr_op op;

		memcpy(&op, expected(at), sizeof(op));
		if (op.flags & MSR_OP_TSC && (!op.err || op.err == -EIO || op.err == -ETIME) &&
		    can(stamps, 16, PROT_READ))
			memcpy(expected(stamps), stamps, 16);
		if (!(op.flags & MSR_OP_WRITE) && !op.err && reg_kind(op.msr) == REG_ANY &&
		    can(data, 8, PROT_READ))
			memcpy(expected(data), data, 8);
		if (op.flags & MSR_OP_POLL && can(probes, 4, PROT_READ))
			memcpy(expected(probes), probes, 4);
		for (j = 0; partly && j < sizeof(results) / sizeof(results[0]); j++)
			expect_old_or_new(at + results[j].at, results[j].len);
		if (partly)
			expect_old_or_new(at + STAMPS);
	}
}

static void run(struct handle *handle, char *arg, const struct msr_ops *head, char *array)
{
	struct answers answers = { 0 };
	bool executed = false;
	long result;

	begin(IOCTL, handle, arg, head->count, 0);
	note("extended, op_size %u, ops %p", head->op_size, array);
	guard(array, head->count > MAX_PLACED || head->op_size > MAX_STRIDE ?
			     512 :
			     head->count * head->op_size);
	if (handle->node->device != BATCH)
		may_fail(&answers, ENOTTY);
	else
		expect_refusals(handle, head, arg, array, &answers);
	if (!answers.nr_errs) {
		executed = true;
		succeeds(&answers, expect_results(array, head));
		if (!results_can_be_written(array, head))
			answers = (struct answers){ .nr_errs = 1, .errs = { EFAULT } };
	}
	errno = 0;
	result = ioctl(handle->fd, MSR_IOC_OPS, arg);
	answered(&answers, result, errno);
	if (executed)
		allow(array, head, result < 0);
	if (unexpected())
		check_memory();
}

/* A wait before the others, of a register that nothing changes */
static void make_wait(char *array, const struct msr_ops *head)
{
	struct msr_op op;

	if (!can(array, sizeof(op), PROT_WRITE) || head->op_size < sizeof(op))
		return;
	memcpy(&op, array, sizeof(op));
	if (reg_kind(op.msr) == REG_ANY)
		return;
	op.flags = MSR_OP_POLL | (op.flags & MSR_OP_TSC) | (one_in(&rng, 4) ? MSR_OP_FROM_NOW : 0);
	op.limit_us = below(&rng, 300);
	op.mask = one_in(&rng, 2) ? 0 : rnd(&rng);
	put_bytes(array, &op, sizeof(op));
}

void random_extended(struct handle *handle)
{
	struct msr_ops head = {
		.size = random_size(sizeof(head)),
		.op_size = random_size(sizeof(struct msr_op)),
		.count = random_count(),
		.flags = one_in(&rng, 100),
		.slots = one_in(&rng, 100),
		.wake = one_in(&rng, 100),
		.map_len = one_in(&rng, 100),
	};
	char longer[MAX_STRIDE] = { 0 };
	char *arg, *array;
	size_t len;

	if (head.count > MAX_PLACED || head.op_size > MAX_STRIDE)
		array = random_place(&rng, LARGE, 512);
	else
		array = random_place(&rng, LARGE, (size_t)head.count * head.op_size);
	head.ops = (uintptr_t)array;
	fill(array, &head);
	if (handle->node->samples && one_in(&rng, 4))
		make_wait(array, &head);
	memcpy(longer, &head, sizeof(head));
	if (head.size > sizeof(head) && head.size <= MAX_STRIDE && one_in(&rng, 20))
		longer[head.size - 1] = 1;
	len = head.size > sizeof(head) && head.size <= MAX_STRIDE ? head.size : sizeof(head);
	arg = random_place(&rng, SMALL, len);
	put_bytes(arg, longer, len);
	run(handle, arg, &head, array);
}
