// SPDX-License-Identifier: GPL-2.0-only
/*
 * One register, or any number of operations at once.
 */

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../msr_version.h"
#include "libmsrsafe.h"

int msr_safe_read(int fd, uint32_t msr, uint64_t *value)
{
	ssize_t done = pread(fd, value, sizeof(*value), msr);

	if (done < 0)
		return -errno;
	return done == sizeof(*value) ? 0 : -EPROTO;
}

int msr_safe_write(int fd, uint32_t msr, uint64_t value)
{
	ssize_t done = pwrite(fd, &value, sizeof(value), msr);

	if (done < 0)
		return -errno;
	return done == sizeof(value) ? 0 : -EPROTO;
}

/* Operations that were carried out have another error than MSR_SAFE_NOT_RUN. */
static bool all_run(const struct msr_batch_op *ops, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ops[i].err == MSR_SAFE_NOT_RUN)
			return false;
	return true;
}

int msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count)
{
	struct msr_batch_array batch = { .version = MSR_SAFE_VERSION_u32 };
	size_t most = MSR_BATCH_MAX_OPS, i;

	for (i = 0; i < count; i++)
		ops[i].err = MSR_SAFE_NOT_RUN;
	while (count > 0) {
		batch.ops = ops;
		batch.numops = count < most ? count : most;
		if (ioctl(fd, X86_IOC_MSR_BATCH, &batch) && !all_run(ops, batch.numops)) {
			/* Also how the module says that it has no memory for so many */
			if (errno != E2BIG || batch.numops == 1)
				return -errno;
			most = batch.numops / 2;
			continue;
		}
		ops += batch.numops;
		count -= batch.numops;
	}
	return 0;
}

int msr_safe_ops(int fd, struct msr_op *ops, size_t count)
{
	struct msr_ops head = { .size = sizeof(head), .op_size = sizeof(*ops) };

	for (; count > 0; ops += head.count, count -= head.count) {
		head.ops = (uintptr_t)ops;
		head.count = count < MSR_BATCH_MAX_OPS ? count : MSR_BATCH_MAX_OPS;
		if (ioctl(fd, MSR_IOC_OPS, &head) < 0)
			return -errno;
	}
	return 0;
}
