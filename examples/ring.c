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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/libmsrsafe.h"

int main(int argc, char **argv)
{
	struct msr_safe_session session;
	struct msr_safe_error error;
	struct msr_record *record;
	struct msr_safe_ring ring;
	struct msr_op op = { 0 };
	uint64_t seen = 0;
	int device, code;

	if (argc != 3)
		errx(2, "usage: ring REGISTER CPU");
	op.msr = strtoul(argv[1], NULL, 0);
	op.cpu = strtoul(argv[2], NULL, 0);
	device = msr_safe_open(MSR_SAFE_SAMPLE_PATH, O_RDONLY, &error);
	if (device < 0)
		errx(1, "%s", error.text);
	code = msr_safe_session_prepare(&session, device, &op, 1, 1024, 0);
	if (!code)
		code = msr_safe_session_start(&session, 1000000, 0, 0);
	if (code)
		errx(1, "%s: %s", MSR_SAFE_SAMPLE_PATH, strerror(-code));
	msr_safe_ring_init(&ring, session.ring, 0);
	record = malloc(session.ring->record_size);
	while (seen < 1000) {
		/* Sleeps until there are 100 records, or fewer if the session ends */
		code = msr_safe_session_wait(&session, &ring, 1, 100, -1);
		if (code)
			errx(1, "sampling has ended: %s", strerror(-code));
		for (; msr_safe_ring_next(&ring, record); seen++)
			printf("%" PRIu64 " ns: 0x%" PRIx64 "%s\n",
			       msr_safe_ring_ns(ring.ring, record->tsc), (uint64_t)record->word[0],
			       record->failed ? " (failed)" : "");
	}
	msr_safe_session_stop(&session);
	printf("%" PRIu64 " samples, lost %" PRIu64 ", late %" PRIu64 ", throttled %" PRIu64 "\n",
	       seen, ring.lost, (uint64_t)ring.stream->late, (uint64_t)ring.stream->throttled);
	msr_safe_session_close(&session);
	return 0;
}
