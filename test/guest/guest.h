/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests in the guest have in common. Each test starts from a loaded
 * module and an empty list, and reads as the promise that it is named after.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../msr_safe.h"
#include "../../msr_version.h"
#include "../harness.h"

#define LIST_PATH "/dev/cpu/msr_allowlist"
#define BATCH_PATH "/dev/cpu/msr_batch"

/* In the guest these are plain storage, one of each a CPU, that nothing else uses. */
#define STORE_A 0x402 /* MC0_ADDR */
#define STORE_B 0x406 /* MC1_ADDR */
#define STORE_C 0x40A /* MC2_ADDR */
#define STORE_D 0x40E /* MC3_ADDR */
/* The kernel keeps the number of the CPU here. */
#define CPU_NUMBER 0xC0000103 /* TSC_AUX */
/* #GP when one of bits 63:32 is written. */
#define FAULTING 0x6E1 /* PKRS */

/* The call fails, with this errno. */
#define assert_fails(call, expected)                \
	do {                                        \
		errno = 0;                          \
		assert_int_equal((long)(call), -1); \
		assert_int_equal(errno, expected);  \
	} while (0)

/* Opens a file that must open. */
int open_path(const char *path, int flags);

/* Opens /dev/cpu/CPU/NAME; may fail, as open(2) does. */
int open_cpu(unsigned int cpu, const char *name, int flags);

/* Replaces the allowlist; returns what write(2) did. For children and threads, too. */
ssize_t write_bytes(const void *bytes, size_t len);
ssize_t write_list(const char *text);

/* Replaces the allowlist, which must succeed. */
void load_list(const char *text);

/* A test's setup and teardown: nothing is listed. */
int clear_list(void **state);

/*
 * A test's setup: STORE_A is writable as a whole, STORE_B in bits 31:16, STORE_C
 * not at all, STORE_D not listed, CPU_NUMBER can be read, FAULTING written.
 */
int load_the_list(void **state);

/* Opens the batch device, runs one batch, returns what ioctl(2) did. */
int run_batch(struct msr_batch_op *ops, unsigned int count);

/* Opens the batch device, and returns what ioctl(2) did. */
int batch_ioctl(unsigned long command, void *arg);

/* A system call as a 32-bit program makes it, by its way into the kernel: a negative errno */
long ioctl_of_32_bits(int fd, unsigned long cmd, void *arg);

/* A batch on an open descriptor. */
int run_batch_fd(int fd, struct msr_batch_op *ops, unsigned int count);

static inline struct msr_batch_op read_op(unsigned int cpu, uint32_t msr)
{
	return (struct msr_batch_op){ .cpu = cpu, .isrdmsr = 1, .msr = msr };
}

static inline struct msr_batch_op write_op(unsigned int cpu, uint32_t msr, uint64_t value)
{
	return (struct msr_batch_op){ .cpu = cpu, .msr = msr, .msrdata = value };
}

static inline struct msr_op extended_read(unsigned int cpu, uint32_t msr)
{
	return (struct msr_op){ .cpu = cpu, .msr = msr };
}

static inline struct msr_op extended_write(unsigned int cpu, uint32_t msr, uint64_t value,
					   uint64_t mask)
{
	return (struct msr_op){
		.cpu = cpu,
		.msr = msr,
		.flags = MSR_OP_WRITE,
		.data = value,
		.mask = mask,
	};
}

/* What MSR_IOC_OPS is called with; slots, if any, are of MSR_IOC_PREPARE. */
static inline struct msr_ops head_of(struct msr_op *ops, unsigned int count, unsigned int slots)
{
	return (struct msr_ops){
		.size = sizeof(struct msr_ops),
		.op_size = sizeof(struct msr_op),
		.count = count,
		.ops = (uintptr_t)ops,
		.slots = slots,
	};
}

/* An address at which there is nothing. */
void *no_memory(void);

/* The register itself, past the allowlist: through the kernel's own msr driver. */
uint64_t peek(unsigned int cpu, uint32_t msr);
void poke(unsigned int cpu, uint32_t msr, uint64_t value);

/* Takes a CPU offline or online; returns 0 or a negative errno. */
int set_online(unsigned int cpu, bool online);

/*
 * Has the kernel trace an event, or all of a kind, such as msr, or not; returns 0 or a
 * negative errno. That changes code of the kernel's, which the emulator does not bear
 * while other CPUs execute it: they are offline meanwhile.
 */
int trace_event(const char *event, bool on);

/* Writes to a file of the kernel's; returns 0 or a negative errno. */
int write_file(const char *path, const char *text);

/*
 * Runs a function in a child process, as user and group 1000 if so said, and
 * returns what it returns, 0 to 255; 256 and the signal if one killed it.
 */
int in_child(bool as_user, int (*function)(void *arg), void *arg);

/* Whether the kernel has user namespaces */
bool has_user_namespaces(void);

/* The calling thread runs on this CPU alone. */
void pin_to(unsigned int cpu);

unsigned int cpus_online(void);

/* Time since some moment, in nanoseconds. */
uint64_t now_ns(void);

/*
 * Whether the kernel's log has this text in it since mark_log(); the log is
 * also read on the build machine, where a warning of the kernel's is a failure.
 */
void mark_log(void);
unsigned int count_in_log(const char *text);

/*
 * The kernel's own word on that a list lets the processor out of its specification. It stays so
 * until the guest ends.
 */
bool is_out_of_spec(void);

/* Loading makes nodes, and kinds of devices. */
#define GUEST_NODES 7
#define GUEST_KINDS 5

extern const char *const guest_nodes[GUEST_NODES];
extern const char *const guest_kinds[GUEST_KINDS];

/* Load and unload a module, msr-safe or another; return 0 or a negative errno. */
int load_module(const char *params);
int unload_module(void);
int load_other(const char *path, const char *params);
int unload_other(const char *name);

/* The module is not loaded, and nothing tells that it has been. */
void assert_nothing_left(void);

#endif /* TEST_GUEST_H */
