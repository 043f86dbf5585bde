// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a register of some CPUs once a second, with a session: the operations are checked
 * once, and each run writes the values into memory that this program has mapped.
 *
 * Usage: prepared REGISTER CPU...      for example: prepared 0x10 0 1 2 3
 */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <msr_safe.h>

#define MAX_CPUS 1024

int main(int argc, char **argv)
{
	static struct msr_op ops[MAX_CPUS];
	struct msr_ops head = { .size = sizeof(head), .op_size = sizeof(*ops), .slots = 1 };
	struct msr_run run = { .size = sizeof(run) };
	const struct msr_ring *ring;
	int batch, session, rounds;

	if (argc < 3 || argc - 2 > MAX_CPUS)
		errx(2, "usage: prepared REGISTER CPU...");
	for (head.count = 0; head.count < (unsigned int)argc - 2; head.count++) {
		ops[head.count].cpu = strtoul(argv[head.count + 2], NULL, 0);
		ops[head.count].msr = strtoul(argv[1], NULL, 0);
	}
	head.ops = (uintptr_t)ops;
	batch = open("/dev/cpu/msr_batch", O_RDONLY);
	session = batch < 0 ? -1 : ioctl(batch, MSR_IOC_PREPARE, &head);
	if (session < 0)
		err(1, "/dev/cpu/msr_batch");
	ring = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, session, 0);
	if (ring == MAP_FAILED)
		err(1, "mmap");

	for (rounds = 0; rounds < 3; rounds++, sleep(1)) {
		const char *at = (const char *)ring + 4096;

		if (ioctl(session, MSR_IOC_RUN, &run) < 0)
			err(1, "MSR_IOC_RUN");
		for (unsigned int i = 0; i < ring->cpus; i++, at += ring->stride) {
			const struct msr_stream *stream = (const void *)at;
			const struct msr_record *record = (const void *)(stream + 1);

			printf("CPU %u: 0x%" PRIx64 "%s\n", stream->cpu, (uint64_t)record->word[0],
			       record->failed ? " (failed)" : "");
		}
	}
	return 0;
}
