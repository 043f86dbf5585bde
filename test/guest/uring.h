/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring by its system calls, one request at a time.
 */
#ifndef TEST_GUEST_URING_H
#define TEST_GUEST_URING_H

#include <linux/io_uring.h>

#include "guest.h"

/* Where a kernel has no io_uring, or refuses it, @fd is a negative errno. */
struct uring {
	int fd;
	struct io_uring_params params;
	char *sq;
	char *cq;
	struct io_uring_sqe *sqe;
};

/*
 * Opens one. RHEL 9 has io_uring turned off until the administrator allows it, which this does, if
 * root calls it.
 */
void uring_open(struct uring *ring, struct io_uring_params params);
void uring_close(struct uring *ring);

/* Returns what became of a request: a negative errno, that of @ring->fd included, or its result. */
int uring_do(struct uring *ring, struct io_uring_sqe request);

#endif /* TEST_GUEST_URING_H */
