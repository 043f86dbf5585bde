// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msr_tools.h"
#include "parse.h"
#include "say.h"

bool choose_cpus(struct chosen_cpus *chosen, const char *text)
{
	uint64_t cpu;

	memset(chosen, 0, sizeof(*chosen));
	if (parse_integer(text, MSR_SAFE_CPUS_MAX - 1, &cpu)) {
		msr_safe_cpus_add(&chosen->set, cpu);
		return true;
	}
	return !msr_safe_cpus_parse(&chosen->set, text);
}

int settle_cpus(struct chosen_cpus *chosen)
{
	return chosen->all && online_cpus(&chosen->set) ? TOOL_ERROR : TOOL_GOOD;
}

struct msr_batch_op *make_batch(const struct chosen_cpus *chosen, struct msr_batch_op op,
				size_t *count)
{
	struct msr_batch_op *ops = calloc(msr_safe_cpus_count(&chosen->set), sizeof(*ops));
	unsigned int cpu;

	*count = 0;
	if (!ops) {
		warnx("no memory for operations");
		return NULL;
	}
	msr_safe_for_each_cpu(cpu, &chosen->set)
	{
		ops[*count] = op;
		ops[(*count)++].cpu = cpu;
	}
	return ops;
}

/* By the node of its CPU. @batch: why the batch device cannot be opened, or NULL. Returns a status.
 */
static int run_alone(struct msr_batch_op *op, const struct msr_safe_error *batch)
{
	struct msr_safe_error error;
	uint64_t value = op->msrdata;
	int fd;

	fd = msr_safe_open_cpu(op->cpu, op->isrdmsr ? O_RDONLY : O_WRONLY, &error);
	if (fd == -ENXIO || (fd == -ENOENT && access("/dev/cpu/0/msr_safe", F_OK) == 0)) {
		op->err = -ENXIO;
		return TOOL_GOOD;
	}
	if (fd == -EIO) {
		warnx("CPU %u doesn't support MSRs", op->cpu);
		return TOOL_NO_MSRS;
	}
	if (fd < 0) {
		/* A container can have the batch device alone. */
		say_error(batch && fd == -ENOENT ? batch : &error);
		return TOOL_ERROR;
	}
	if (op->isrdmsr)
		op->err = msr_safe_read(fd, op->msr, &value);
	else
		op->err = msr_safe_write(fd, op->msr, value);
	op->msrdata = value;
	close(fd);
	return TOOL_GOOD;
}

int run_operations(struct msr_batch_op *ops, size_t count)
{
	struct msr_safe_error error;
	int fd = -1, err, status = TOOL_GOOD;
	size_t i;

	if (count > 1)
		fd = msr_safe_open_batch(&error);
	if (fd < 0) {
		for (i = 0; i < count && !status; i++)
			status = run_alone(&ops[i], count > 1 ? &error : NULL);
		return status;
	}
	err = msr_safe_batch(fd, ops, count);
	close(fd);
	if (err)
		say_failed(MSR_SAFE_BATCH_PATH, err);
	return err ? TOOL_ERROR : TOOL_GOOD;
}

int say_op_failed(const struct msr_batch_op *op)
{
	switch (-op->err) {
	case ENXIO:
		warnx("No CPU %u", op->cpu);
		return TOOL_NO_CPU;
	case EIO:
		if (op->isrdmsr)
			warnx("CPU %u cannot read MSR 0x%08" PRIx32, op->cpu, op->msr);
		else
			warnx("CPU %u cannot set MSR 0x%08" PRIx32 " to 0x%016" PRIx64, op->cpu,
			      op->msr, (uint64_t)op->msrdata);
		return TOOL_FAULT;
	case EACCES:
		if (op->isrdmsr)
			warnx("CPU %u: MSR 0x%08" PRIx32 " is not in the allowlist", op->cpu,
			      op->msr);
		else
			warnx("CPU %u: MSR 0x%08" PRIx32 " is not writable in the allowlist",
			      op->cpu, op->msr);
		return TOOL_ERROR;
	default:
		warnx("CPU %u: MSR 0x%08" PRIx32 ": %s", op->cpu, op->msr, op_error(op->err));
		return TOOL_ERROR;
	}
}

int finish_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return TOOL_GOOD;
	if (errno != EPIPE)
		warn("standard output");
	return TOOL_ERROR;
}
