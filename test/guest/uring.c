// SPDX-License-Identifier: GPL-2.0-only

#include <sys/syscall.h>

#include "uring.h"

static void *map(const struct uring *ring, off_t what)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, what);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

void uring_open(struct uring *ring, struct io_uring_params params)
{
	write_file("/proc/sys/kernel/io_uring_disabled", "0");
	*ring = (struct uring){ .params = params };
	ring->fd = syscall(__NR_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0) {
		ring->fd = -errno;
		return;
	}
	ring->sq = map(ring, IORING_OFF_SQ_RING);
	ring->cq = map(ring, IORING_OFF_CQ_RING);
	ring->sqe = map(ring, IORING_OFF_SQES);
}

void uring_close(struct uring *ring)
{
	if (ring->fd < 0)
		return;
	munmap(ring->sq, 4096);
	munmap(ring->cq, 4096);
	munmap(ring->sqe, 4096);
	close(ring->fd);
	ring->fd = -EBADF;
}

static uint32_t *word(char *memory, uint32_t offset)
{
	return (uint32_t *)(memory + offset);
}

static int enter(const struct uring *ring, unsigned int to_submit, unsigned int to_wait,
		 unsigned int flags)
{
	int result;

	do {
		result = syscall(__NR_io_uring_enter, ring->fd, to_submit, to_wait, flags, NULL, 0);
	} while (result < 0 && errno == EINTR);
	return result;
}

static void submit(struct uring *ring)
{
	const struct io_sqring_offsets *at = &ring->params.sq_off;
	uint32_t *tail = word(ring->sq, at->tail);

	*word(ring->sq, at->array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_SEQ_CST);
	if (!(ring->params.flags & IORING_SETUP_SQPOLL)) {
		if (enter(ring, 1, 1, IORING_ENTER_GETEVENTS) != 1)
			abort();
		return;
	}
	/* A poller that is about to sleep says so before it looks for the last time. */
	if (__atomic_load_n(word(ring->sq, at->flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		enter(ring, 0, 0, IORING_ENTER_SQ_WAKEUP);
	enter(ring, 0, 1, IORING_ENTER_GETEVENTS);
}

int uring_do(struct uring *ring, struct io_uring_sqe request)
{
	const struct io_cqring_offsets *at = &ring->params.cq_off;
	uint32_t *head = word(ring->cq, at->head);
	const struct io_uring_cqe *cqe;
	int result;

	if (ring->fd < 0)
		return ring->fd;
	*ring->sqe = request;
	submit(ring);
	if (__atomic_load_n(word(ring->cq, at->tail), __ATOMIC_ACQUIRE) == *head)
		abort();
	cqe = (struct io_uring_cqe *)(ring->cq + at->cqes) +
	      (*head & *word(ring->cq, at->ring_mask));
	result = cqe->res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}
