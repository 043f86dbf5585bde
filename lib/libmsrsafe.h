/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmsrsafe: model-specific registers by msr-safe, for programs.
 *
 * Functions return 0, a count or a descriptor, or a negative errno. Those that take a
 * struct msr_safe_error also say in words what is wrong; it can be NULL. The library prints
 * nothing, ends no program and has no variables: any number of threads can call it at once, and
 * only objects that they share need a lock of theirs. The manual pages are msr_safe_open(3),
 * msr_safe_read(3), msr_safe_batch(3), msr_safe_session(3), msr_safe_ring_next(3),
 * msr_safe_cpus(3), msr_safe_registers(3) and msr_safe_allowlist(3).
 */
#ifndef LIBMSRSAFE_H
#define LIBMSRSAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "msr_allowlist_entry.h"
#include "msr_safe.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct msr_safe_error - why a function failed
 * @code:	a negative errno, or 0
 * @text:	one or more lines, without a newline at the end: what failed, then what to do
 */
struct msr_safe_error {
	int code;
	char text[508];
};

/* Sets of logical CPUs */

/** As many CPUs as struct msr_batch_op can number */
#define MSR_SAFE_CPUS_MAX 65536

/**
 * struct msr_safe_cpus - a set of logical CPUs
 * @bits:	CPU n is bit n % 64 of element n / 64
 */
struct msr_safe_cpus {
	uint64_t bits[MSR_SAFE_CPUS_MAX / 64];
};

/**
 * msr_safe_cpus_parse() - read a list as taskset(1) takes it
 * @set:	out; not specified if it fails
 * @text:	numbers and ranges with commas; the number after a colon is the step of a range:
 *		"0-3,8,10-20:2"
 *
 * Return: 0, or -EINVAL.
 */
int msr_safe_cpus_parse(struct msr_safe_cpus *set, const char *text);

/**
 * msr_safe_cpus_scan() - read a list where more text follows
 * @set:	out
 * @text:	is moved past the list
 *
 * Return: 0, or -EINVAL.
 */
int msr_safe_cpus_scan(struct msr_safe_cpus *set, const char **text);

/**
 * msr_safe_cpus_format() - write a set as ranges, as the kernel does
 * @set:	the CPUs
 * @text:	where to write; a NUL ends it if @size is not 0
 * @size:	bytes at @text
 *
 * Return: how long the whole is, without the NUL; it was cut if that is @size or more.
 */
size_t msr_safe_cpus_format(const struct msr_safe_cpus *set, char *text, size_t size);

/** msr_safe_cpus_print() - write a set as ranges to a stream */
void msr_safe_cpus_print(FILE *stream, const struct msr_safe_cpus *set);

/**
 * msr_safe_cpus_online() - the CPUs that are online
 * @set:	out
 *
 * Return: 0, or the errno of reading /sys, or -EPROTO.
 */
int msr_safe_cpus_online(struct msr_safe_cpus *set);

/** msr_safe_cpus_add() - add a CPU below MSR_SAFE_CPUS_MAX */
void msr_safe_cpus_add(struct msr_safe_cpus *set, unsigned int cpu);

/** msr_safe_cpus_has() - whether the set has a CPU */
bool msr_safe_cpus_has(const struct msr_safe_cpus *set, unsigned int cpu);

/** msr_safe_cpus_next() - the first CPU that is not below @from, or MSR_SAFE_CPUS_MAX */
unsigned int msr_safe_cpus_next(const struct msr_safe_cpus *set, unsigned int from);

/** msr_safe_for_each_cpu() - a loop over the CPUs of a set */
#define msr_safe_for_each_cpu(cpu, set)                                     \
	for ((cpu) = msr_safe_cpus_next(set, 0); (cpu) < MSR_SAFE_CPUS_MAX; \
	     (cpu) = msr_safe_cpus_next(set, (cpu) + 1))

/** msr_safe_cpus_empty() - whether the set has no CPU */
bool msr_safe_cpus_empty(const struct msr_safe_cpus *set);

/** msr_safe_cpus_count() - how many CPUs the set has */
unsigned int msr_safe_cpus_count(const struct msr_safe_cpus *set);

/** msr_safe_cpus_intersect() - the CPUs that are in both sets */
struct msr_safe_cpus msr_safe_cpus_intersect(const struct msr_safe_cpus *a,
					     const struct msr_safe_cpus *b);

/** msr_safe_cpus_subtract() - the CPUs of @a that are not in @b */
struct msr_safe_cpus msr_safe_cpus_subtract(const struct msr_safe_cpus *a,
					    const struct msr_safe_cpus *b);

/* Devices */

/** The nodes of the module; msr_safe(4) describes them. */
#define MSR_SAFE_BATCH_PATH "/dev/cpu/msr_batch"
#define MSR_SAFE_SAMPLE_PATH "/dev/cpu/msr_sample"
#define MSR_SAFE_ALLOWLIST_PATH "/dev/cpu/msr_allowlist"

/**
 * msr_safe_open() - open a node of the module
 * @path:	one of the above, or /dev/cpu/N/msr_safe
 * @flags:	as for open(2); O_CLOEXEC is added
 * @error:	out, or NULL
 *
 * Return: a descriptor, or a negative errno: that of open(2), or -ENODEV if another file is at
 * the path.
 */
int msr_safe_open(const char *path, int flags, struct msr_safe_error *error);

/** msr_safe_open_batch() - open MSR_SAFE_BATCH_PATH for reading, which also allows writes */
int msr_safe_open_batch(struct msr_safe_error *error);

/** msr_safe_open_cpu() - open the node of a CPU; @flags as for msr_safe_open() */
int msr_safe_open_cpu(unsigned int cpu, int flags, struct msr_safe_error *error);

/**
 * msr_safe_check() - whether a descriptor is a device of the module
 * @fd:		a descriptor
 * @path:	the node that it should be
 *
 * Return: 0, or -ENODEV.
 */
int msr_safe_check(int fd, const char *path);

/** msr_safe_check_path() - the same for the file at a path; 0, -ENODEV or the errno of stat(2) */
int msr_safe_check_path(const char *path);

/**
 * msr_safe_explain() - say what the failure of a node means, and what to do about it
 * @error:	out
 * @path:	the node
 * @code:	the negative errno of a function of this library
 *
 * Return: @code.
 */
int msr_safe_explain(struct msr_safe_error *error, const char *path, int code);

/* Access */

/**
 * msr_safe_read() - read a register
 * @fd:		of msr_safe_open_cpu()
 * @msr:	address of the register
 * @value:	out
 *
 * Return: 0, or a negative errno as pread(2) of the node sets it: -EACCES for a register that the
 * list does not have, -EIO for one that the CPU does not have, -ENXIO for a CPU that is offline.
 */
int msr_safe_read(int fd, uint32_t msr, uint64_t *value);

/**
 * msr_safe_write() - write the bits of a register that the list makes writable
 * @fd:		of msr_safe_open_cpu(), open for writing
 * @msr:	address of the register
 * @value:	the other bits of it do not matter
 *
 * Return: 0, or a negative errno as pwrite(2) of the node sets it: see msr_safe_read(); -EPERM on a
 * kernel that is locked down.
 */
int msr_safe_write(int fd, uint32_t msr, uint64_t value);

/** What the module never says of an operation: it was not carried out. */
#define MSR_SAFE_NOT_RUN 1

/**
 * msr_safe_batch() - carry out any number of operations, in as few calls as possible
 * @fd:		of msr_safe_open_batch()
 * @ops:	the operations; each says in err what became of it
 * @count:	of @ops
 *
 * Return: 0 if all were carried out, whatever they say; or a negative errno, and those that were
 * not carried out say MSR_SAFE_NOT_RUN.
 */
int msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count);

/**
 * msr_safe_ops() - carry out any number of extended operations
 * @fd:		of msr_safe_open_batch(), or of MSR_SAFE_SAMPLE_PATH
 * @ops:	the operations; each says in err what became of it
 * @count:	of @ops
 *
 * Return: 0 if all were carried out, whatever they say; or a negative errno, and some may have
 * been carried out: -ENOTTY if the module is older than 2.1.0.
 */
int msr_safe_ops(int fd, struct msr_op *ops, size_t count);

/* Sessions */

/**
 * struct msr_safe_session - operations that are prepared
 * @fd:		its descriptor; -1 if there is no session
 * @ring:	its mapping
 * @map_len:	bytes of the mapping
 */
struct msr_safe_session {
	int fd;
	const struct msr_ring *ring;
	size_t map_len;
};

/**
 * msr_safe_session_prepare() - check operations once, and map where their values go
 * @session:	out
 * @fd:		of msr_safe_open_batch(), or of MSR_SAFE_SAMPLE_PATH to sample
 * @ops:	the operations, at most MSR_BATCH_MAX_OPS; each says in err whether it is refused
 * @count:	of @ops
 * @slots:	records of each CPU that are kept: a power of two
 * @flags:	0 or MSR_PREPARE_STAMPS
 *
 * Return: 0, or a negative errno as msr_safe(4) describes for MSR_IOC_PREPARE, and no session.
 */
int msr_safe_session_prepare(struct msr_safe_session *session, int fd, struct msr_op *ops,
			     uint32_t count, uint32_t slots, uint32_t flags);

/**
 * msr_safe_session_run() - carry out the operations
 * @session:	a session that does not sample
 * @values:	of the writes, in the order of the operations; or NULL for those of preparation
 *
 * Return: the number of operations that failed, or a negative errno: -ESTALE if a new list took
 * something from the session.
 */
int msr_safe_session_run(const struct msr_safe_session *session, const uint64_t *values);

/**
 * msr_safe_session_start() - have a timer on each CPU carry out the operations
 * @session:	one without writes, prepared on MSR_SAFE_SAMPLE_PATH
 * @period_ns:	from one sample to the next
 * @hold_ns:	0; or the rest after a sample, and samples are taken on change
 * @flags:	0 or MSR_START_STAGGER
 *
 * Return: 0, or a negative errno as msr_safe(4) describes for MSR_IOC_START.
 */
int msr_safe_session_start(const struct msr_safe_session *session, uint64_t period_ns,
			   uint64_t hold_ns, uint32_t flags);

/** msr_safe_session_stop() - stop the timers; returns 0 or a negative errno */
int msr_safe_session_stop(const struct msr_safe_session *session);

/** msr_safe_session_close() - end the session; one that msr_safe_session_prepare() refused, too */
void msr_safe_session_close(struct msr_safe_session *session);

/**
 * struct msr_safe_ring - a reader of the records of one CPU
 * @ring:	the mapping
 * @stream:	the part of the CPU
 * @next:	number of the record that is read next, from 0
 * @lost:	records that were overwritten before they were read
 * @last_tick:	of the last record that was read
 */
struct msr_safe_ring {
	const struct msr_ring *ring;
	const struct msr_stream *stream;
	uint64_t next;
	uint64_t lost;
	uint64_t last_tick;
};

/**
 * msr_safe_ring_init() - begin to read, with the oldest record
 * @reader:	out
 * @map:	the mapping of a session
 * @nr:		the place of the CPU in it, from 0
 *
 * Return: 0, or -EINVAL if there is no such CPU.
 */
int msr_safe_ring_init(struct msr_safe_ring *reader, const void *map, uint32_t nr);

/**
 * msr_safe_ring_next() - copy the next record
 * @reader:	a reader, of one thread at a time
 * @record:	out: record_size bytes of the mapping's head
 *
 * No record is torn, and none is returned twice. Records that the CPU has overwritten add to
 * @lost of the reader.
 *
 * Return: whether there was one.
 */
bool msr_safe_ring_next(struct msr_safe_ring *reader, struct msr_record *record);

/**
 * msr_safe_ring_ns() - the time stamp of a record in nanoseconds of the host's CLOCK_MONOTONIC
 * @ring:	the mapping
 * @tsc:	of a record, or of RDTSC
 */
uint64_t msr_safe_ring_ns(const struct msr_ring *ring, uint64_t tsc);

/**
 * msr_safe_session_wait() - sleep until there are records to read
 * @session:	a session that samples
 * @readers:	of all CPUs of the session, or of some; the call does not change them
 * @count:	of @readers, at least 1
 * @records:	how many records of one CPU to wait for. 0 counts as 1. More than half of the slots
 *		counts as that half, so that the sleep itself loses no record.
 * @timeout_ns:	how long to wait, in nanoseconds; 0 only looks, and a negative number means no
 *		limit
 *
 * The call returns when one of @readers has @records to read. It returns earlier if there is at
 * least one record to read, and the points for @records have passed, or the timeout has passed, or
 * no more records will come. If there is no record when the points have passed, it waits for the
 * next one. So records that are there already shorten the wait, and an error other than -EINTR
 * means that there is no record.
 *
 * On change there are no points, and each record is expected to take @hold_ns.
 *
 * The call is a series of sleeps of 100 ms at most, and looks at the mapping after each. It makes
 * no system call of the session. Any number of threads can wait, each with readers of its own.
 *
 * Return: 0 if there is a record to read, or a negative errno:
 * -ETIMEDOUT there is none yet;
 * -ESTALE a new list has ended the session; a record that was being written at that moment is there
 *	after msr_safe_session_stop();
 * -ENODATA the session does not sample; or the timers of the CPUs of all @readers have ended, and
 *	run again only when the session is stopped and started;
 * -EINTR a handler of a signal has run during a sleep; there may be records;
 * -EINVAL @count is 0.
 */
int msr_safe_session_wait(const struct msr_safe_session *session,
			  const struct msr_safe_ring *readers, uint32_t count, uint32_t records,
			  int64_t timeout_ns);

/* Registers by name */

/** The longest name of a register or field, and a NUL */
#define MSR_SAFE_NAME_SIZE 64

/** enum msr_safe_scope - which CPUs share a register */
enum msr_safe_scope {
	MSR_SAFE_SCOPE_UNKNOWN,
	MSR_SAFE_SCOPE_THREAD,
	MSR_SAFE_SCOPE_CORE,
	MSR_SAFE_SCOPE_MODULE,
	MSR_SAFE_SCOPE_L3,
	MSR_SAFE_SCOPE_PACKAGE,
};

/**
 * struct msr_safe_register - a register, or a field of one
 * @msr:	address
 * @foreign:	only processors of other models have it
 * @scope:	which CPUs share it
 * @low:	lowest bit of the field; 0 for a whole register
 * @high:	highest bit of the field; 63 for a whole register
 * @name:	as in the manual, without IA32_ or MSR_: PKG_POWER_LIMIT, or with a field
 *		PKG_POWER_LIMIT.PL1
 * @what:	what it is; valid as long as the tables
 */
struct msr_safe_register {
	uint32_t msr;
	bool foreign;
	enum msr_safe_scope scope;
	unsigned int low;
	unsigned int high;
	char name[2 * MSR_SAFE_NAME_SIZE];
	const char *what;
};

/** msr_safe_field_mask() - the bits of a field, in place */
uint64_t msr_safe_field_mask(const struct msr_safe_register *reg);

/** struct msr_safe_registers - the registers of a processor; opaque */
struct msr_safe_registers;

/**
 * msr_safe_registers_read() - read the tables of registers
 * @registers:	out; NULL if it fails
 * @directory:	of the lists, or NULL for that of the installation
 * @processor:	as in the name of its list, 06_8F; or NULL for this one
 * @error:	out, or NULL
 *
 * A processor that no table has has the registers of any.
 *
 * Return: 0, or a negative errno: that of opening a table, -EPROTO for a line that is wrong,
 * -EINVAL for a @processor that is none.
 */
int msr_safe_registers_read(struct msr_safe_registers **registers, const char *directory,
			    const char *processor, struct msr_safe_error *error);

/** msr_safe_registers_free() - free the tables, or NULL */
void msr_safe_registers_free(struct msr_safe_registers *registers);

/**
 * msr_safe_registers_find() - find a register, or a field of one, by its name
 * @registers:	the tables
 * @name:	in upper or lower case, with IA32_ or MSR_ in front or without; a point is between
 *		a register and a field of it
 * @reg:	out
 *
 * A name that the processor does not have is found if any other has it.
 *
 * Return: 0, -ENOENT if no register has the name, or -ENOKEY if the register has no such field.
 */
int msr_safe_registers_find(const struct msr_safe_registers *registers, const char *name,
			    struct msr_safe_register *reg);

/**
 * msr_safe_registers_at() - find the register at an address
 * @registers:	the tables
 * @msr:	the address
 * @reg:	out
 *
 * Return: 0, or -ENOENT.
 */
int msr_safe_registers_at(const struct msr_safe_registers *registers, uint32_t msr,
			  struct msr_safe_register *reg);

/**
 * msr_safe_registers_next() - go through the registers of the processor
 * @registers:	the tables
 * @msr:	the lowest address that is wanted; out: that of the register
 * @reg:	out
 *
 * Return: 0, or -ENOENT if there are no more.
 */
int msr_safe_registers_next(const struct msr_safe_registers *registers, uint32_t *msr,
			    struct msr_safe_register *reg);

/**
 * msr_safe_registers_field() - the fields of a register, one by one
 * @registers:	the tables
 * @msr:	address of the register
 * @nr:		from 0, in the order of bits
 * @reg:	out
 *
 * Return: 0, or -ENOENT if there are no more.
 */
int msr_safe_registers_field(const struct msr_safe_registers *registers, uint32_t msr,
			     unsigned int nr, struct msr_safe_register *reg);

/* The list in force */

/**
 * struct msr_safe_allowlist - a list, in its order
 * @count:	of entries
 * @entries:	the registers, and which bits of them can be written
 */
struct msr_safe_allowlist {
	size_t count;
	struct msr_allowlist_entry *entries;
};

/**
 * msr_safe_allowlist_read() - read a list in force
 * @list:	out; empty if it fails
 * @path:	a node of a list, or NULL for MSR_SAFE_ALLOWLIST_PATH
 * @error:	out, or NULL
 *
 * Return: 0, or a negative errno: that of reading the node, -ENODEV if another file is at its
 * path, -EPROTO if its text is no list, -ENOMEM.
 */
int msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
			    struct msr_safe_error *error);

/** msr_safe_allowlist_find() - the entry of a register, or NULL */
const struct msr_allowlist_entry *msr_safe_allowlist_find(const struct msr_safe_allowlist *list,
							  uint32_t msr);

/** msr_safe_allowlist_free() - free the entries of a list */
void msr_safe_allowlist_free(struct msr_safe_allowlist *list);

#ifdef __cplusplus
}
#endif

#endif /* LIBMSRSAFE_H */
