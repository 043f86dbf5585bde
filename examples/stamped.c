// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a register of a CPU ten times, with the time stamp counter before and after each read.
 *
 * Usage: stamped REGISTER CPU      for example: stamped 0x611 0
 */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <msr_safe.h>

int main(int argc, char **argv)
{
	struct msr_op ops[10] = { 0 };
	struct msr_ops head = {
		.size = sizeof(head),
		.op_size = sizeof(*ops),
		.count = 10,
		.ops = (uintptr_t)ops,
	};
	int batch, i;

	if (argc != 3)
		errx(2, "usage: stamped REGISTER CPU");
	for (i = 0; i < 10; i++) {
		ops[i].msr = strtoul(argv[1], NULL, 0);
		ops[i].cpu = strtoul(argv[2], NULL, 0);
		ops[i].flags = MSR_OP_TSC;
	}
	batch = open("/dev/cpu/msr_batch", O_RDONLY);
	if (batch < 0 || ioctl(batch, MSR_IOC_OPS, &head) < 0)
		err(1, "/dev/cpu/msr_batch");
	for (i = 0; i < 10; i++) {
		if (ops[i].err)
			errx(1, "register %s of CPU %s: %s", argv[1], argv[2],
			     strerror(-ops[i].err));
		printf("0x%016" PRIx64 " read within %" PRIu64 " cycles\n", (uint64_t)ops[i].data,
		       (uint64_t)(ops[i].tsc_after - ops[i].tsc_before));
	}
	return 0;
}
