// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits until a register of a CPU changes, and then reads another one at once: for example, how
 * many cycles a CPU has been active (0xE8) at each update of an energy counter (0x611).
 *
 * Usage: wait REGISTER OTHER CPU      for example: wait 0x611 0xe8 0
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <msr_safe.h>

int main(int argc, char **argv)
{
	struct msr_op ops[2] = { { .flags = MSR_OP_POLL | MSR_OP_FROM_NOW, .limit_us = 1000000 } };
	struct msr_ops head = { .size = sizeof(head), .op_size = sizeof(*ops), .count = 2 };
	cpu_set_t here;
	int device, i;

	if (argc != 4)
		errx(2, "usage: wait REGISTER OTHER CPU");
	for (i = 0; i < 2; i++) {
		ops[i].msr = strtoul(argv[1 + i], NULL, 0);
		ops[i].cpu = strtoul(argv[3], NULL, 0);
	}
	/* On the CPU itself the wait needs no interrupts, and ends within a microsecond. */
	CPU_ZERO(&here);
	CPU_SET(ops[0].cpu, &here);
	sched_setaffinity(0, sizeof(here), &here);

	head.ops = (uintptr_t)ops;
	device = open("/dev/cpu/msr_sample", O_RDONLY);
	for (i = 0; i < 10; i++) {
		if (device < 0 || ioctl(device, MSR_IOC_OPS, &head) < 0)
			err(1, "/dev/cpu/msr_sample");
		if (ops[0].err == -ETIME)
			errx(1, "%s did not change within a second", argv[1]);
		if (ops[0].err || ops[1].err)
			errx(1, "%s", strerror(-(ops[0].err ? ops[0].err : ops[1].err)));
		printf("after %u reads 0x%" PRIx64 ", and the other is 0x%" PRIx64 "\n",
		       ops[0].probes, (uint64_t)ops[0].data, (uint64_t)ops[1].data);
	}
	return 0;
}
