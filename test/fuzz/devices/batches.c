// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches.
 */

#include "sequential.h"

#define NR_OPS (MSR_BATCH_MAX_OPS + 1)

static struct msr_batch_op ops[NR_OPS];

static uint32_t random_numops(void)
{
	static const uint32_t middle[] = { 15, 16, 17, 18, 31, 32, 33, 63, 64, 65 };
	static const uint32_t large[] = { 4095, 4096, 4097, 8192, 8193, 20000 };
	static const uint32_t refused[] = {
		0, MSR_BATCH_MAX_OPS + 1, 1 << 18, 0x80000000, 0x80000001, UINT32_MAX,
	};

	if (one_in(&rng, 50000))
		return MSR_BATCH_MAX_OPS;
	if (one_in(&rng, 2500))
		return pick(&rng, large);
	if (one_in(&rng, 300))
		return 65 + below(&rng, 1000);
	if (one_in(&rng, 40))
		return pick(&rng, refused);
	return one_in(&rng, 6) ? pick(&rng, middle) : 1 + below(&rng, one_in(&rng, 3) ? 14 : 4);
}

/* Numbers at the bounds of a version, just outside them, and far away */
static uint32_t near_a_version(void)
{
	static const uint8_t minors[] = {
		0, MSR_SAFE_VERSION_MINOR, MSR_SAFE_VERSION_MINOR + 1, 15, 16, 255,
	};
	static const uint8_t patches[] = { 0, MSR_SAFE_VERSION_PATCH, 15, 16, 255 };
	uint32_t major = one_in(&rng, 8) ? rnd(&rng) : below(&rng, MSR_SAFE_VERSION_MAJOR + 3);

	return major << 16 | pick(&rng, minors) << 8 | pick(&rng, patches);
}

/* What stray memory holds: the end of a text, a small number, the upper half of a pointer, anything
 */
static uint32_t stray_word(void)
{
	switch (below(&rng, 4)) {
	case 0:
		return (' ' + below(&rng, 95)) << 16 | (' ' + below(&rng, 95)) << 8 |
		       (' ' + below(&rng, 95));
	case 1:
		return below(&rng, 4000000);
	case 2:
		return 0x5500 + below(&rng, 0x2b00);
	default:
		return rnd(&rng);
	}
}

static uint32_t random_version(void)
{
	if (one_in(&rng, 4))
		return 0;
	if (one_in(&rng, 8))
		return one_in(&rng, 2) ? stray_word() : near_a_version();
	return MSR_SAFE_VERSION_u32;
}

static uint16_t random_cpu(bool of_all)
{
	static const uint16_t others[] = { 63, 64, 255, 256, 1000, 8191, 8192, 32768, 65535 };

	if (one_in(&rng, 60))
		return one_in(&rng, 2) ? model.nr_cpus : pick(&rng, others);
	return of_all ? below(&rng, model.nr_cpus) : home;
}

/* Members without a meaning on the way in are random, too. */
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
		ops[i].msr = model.list->count ? model.list->entries[0].msr : 0;
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

	if (cmd != X86_IOC_MSR_BATCH || handle->node->samples)
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
		outcome = model_op(&model, &op, UINT64_MAX);
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

	if (can(array, count * sizeof(*ops), PROT_WRITE))
		return true;
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
		0,
		0x5401,
		UINT32_MAX,
		_IO('c', 0xA2),
		_IOR('c', 0xA2, struct msr_batch_array),
		_IOWR('c', 0xA1, struct msr_batch_array),
		_IOWR('c', 0xA2, uint32_t),
	};

	if (!one_in(&rng, 40))
		return X86_IOC_MSR_BATCH;
	if (one_in(&rng, 2))
		return pick(&rng, others);
	return X86_IOC_MSR_BATCH ^ 1U << below(&rng, 32);
}

void random_batch(struct handle *handle)
{
	uint32_t numops = handle->node->device == BATCH ? random_numops() : 1;
	struct msr_batch_array batch = { .numops = numops, .version = random_version() };
	void *arg = random_place(&rng, SMALL, sizeof(batch));

	batch.ops = (struct msr_batch_op *)place_ops(numops);
	put_bytes(arg, &batch, sizeof(batch));
	run_ioctl(handle, random_cmd(), arg, &batch);
}
