// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: operations that are prepared once.
 */

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libmsrsafe.h"

static const struct msr_safe_session none = { .fd = -1 };

int msr_safe_session_prepare(struct msr_safe_session *session, int fd, struct msr_op *ops,
			     uint32_t count, uint32_t slots, uint32_t flags)
{
	struct msr_ops head = {
		.size = sizeof(head),
		.op_size = sizeof(*ops),
		.count = count,
		.flags = flags,
		.ops = (uintptr_t)ops,
		.slots = slots,
	};
	void *map;
	int err;

	*session = none;
	session->fd = ioctl(fd, MSR_IOC_PREPARE, &head);
	if (session->fd < 0)
		return -errno;
	map = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, session->fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		close(session->fd);
		*session = none;
		return err;
	}
	session->ring = map;
	session->map_len = head.map_len;
	return 0;
}

static int command(const struct msr_safe_session *session, unsigned long request, const void *arg)
{
	int ret = ioctl(session->fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int msr_safe_session_run(const struct msr_safe_session *session, const uint64_t *values)
{
	struct msr_run run = { .size = sizeof(run), .values = (uintptr_t)values };

	return command(session, MSR_IOC_RUN, &run);
}

int msr_safe_session_start(const struct msr_safe_session *session, uint64_t period_ns,
			   uint64_t hold_ns, uint32_t flags)
{
	struct msr_start start = {
		.size = sizeof(start),
		.flags = flags,
		.period_ns = period_ns,
		.hold_ns = hold_ns,
	};

	return command(session, MSR_IOC_START, &start);
}

int msr_safe_session_stop(const struct msr_safe_session *session)
{
	return command(session, MSR_IOC_STOP, NULL);
}

void msr_safe_session_close(struct msr_safe_session *session)
{
	if (session->fd < 0)
		return;
	munmap((void *)session->ring, session->map_len);
	close(session->fd);
	*session = none;
}
