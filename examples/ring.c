// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a timer in the kernel read a register of a CPU 1,000 times a second, for a second, and
 * prints what it has read. The records are read while they are written.
 *
 * Usage: ring REGISTER CPU      for example: ring 0x611 0
 */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../lib/libmsrsafe.h"

int main(int argc, char **argv)
{
	struct msr_start start = { .size = sizeof(start), .period_ns = 1000000 };
	struct msr_ops head = { .size = sizeof(head), .op_size = sizeof(struct msr_op) };
	struct msr_record *record;
	struct msr_safe_ring ring;
	uint64_t seen = 0;
	struct msr_op op = { 0 };
	struct pollfd session;
	int device;

	if (argc != 3)
		errx(2, "usage: ring REGISTER CPU");
	op.msr = strtoul(argv[1], NULL, 0);
	op.cpu = strtoul(argv[2], NULL, 0);
	head.ops = (uintptr_t)&op;
	head.count = 1;
	head.slots = 1024;
	head.wake = 100;
	device = open("/dev/cpu/msr_sample", O_RDONLY);
	session.fd = device < 0 ? -1 : ioctl(device, MSR_IOC_PREPARE, &head);
	if (session.fd < 0 || ioctl(session.fd, MSR_IOC_START, &start))
		err(1, "/dev/cpu/msr_sample");
	msr_safe_ring_init(&ring, mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, session.fd, 0),
			   0);
	record = malloc(ring.ring->record_size);
	for (session.events = POLLIN; seen < 1000 && poll(&session, 1, -1) > 0;) {
		for (; msr_safe_ring_next(&ring, record); seen++)
			printf("%" PRIu64 " ns: 0x%" PRIx64 "%s\n",
			       msr_safe_ring_ns(ring.ring, record->tsc), (uint64_t)record->word[0],
			       record->failed ? " (failed)" : "");
		if (session.revents & POLLHUP)
			errx(1, "a new allowlist has ended the session");
	}
	ioctl(session.fd, MSR_IOC_STOP, 0);
	printf("%" PRIu64 " samples, lost %" PRIu64 ", late %" PRIu64 ", throttled %" PRIu64 "\n",
	       seen, ring.lost, (uint64_t)ring.stream->late, (uint64_t)ring.stream->throttled);
	return 0;
}
