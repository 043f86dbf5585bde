// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <stdlib.h>

#include "../../lib/array.h"
#include "reads.h"
#include "say.h"

size_t reads_add(struct reads *reads, unsigned int cpu, uint32_t msr)
{
	struct msr_batch_op *ops = array_with_room(reads->ops, reads->count, sizeof(*ops));

	if (!ops)
		err(1, "reads of registers");
	reads->ops = ops;
	ops[reads->count] = (struct msr_batch_op){ .cpu = cpu, .isrdmsr = 1, .msr = msr };
	return reads->count++;
}

int reads_run(struct reads *reads, int fd)
{
	int code = msr_safe_batch(fd, reads->ops, reads->count);

	if (code)
		say_failed(MSR_SAFE_BATCH_PATH, code);
	return code;
}

bool reads_lack_cpu(const struct reads *reads)
{
	size_t i;

	for (i = 0; i < reads->count; i++)
		if (reads->ops[i].err == -ENXIO)
			return true;
	return false;
}

void reads_free(struct reads *reads)
{
	free(reads->ops);
	*reads = (struct reads){ 0 };
}
