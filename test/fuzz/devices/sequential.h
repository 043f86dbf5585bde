/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the sequential mode: one call at a time, each with one right answer,
 * or a few where the documents leave open which of several errors comes first.
 */
#ifndef FUZZ_SEQUENTIAL_H
#define FUZZ_SEQUENTIAL_H

#include "memory.h"

#define NR_HANDLES 40

/* Where the parameters of the module are */
#define PARAMETERS "/sys/module/msr_safe/parameters/"

enum device { CPU, BATCH, LIST, VERSION };

struct node {
	enum device device;
	unsigned int cpu;
	bool leaves; /* with its CPU */
	bool samples; /* the batch device with the right to sample and to wait */
	unsigned int mode;
	unsigned int list_nr; /* of a device of a list */
	char path[40];
};

struct handle {
	int fd;
	const struct node *node;
	int flags;
	int64_t pos;
	struct list *list; /* in force at the open, if this is the list's device */
	unsigned int list_nr; /* by which calls are judged */
	uint64_t publications; /* until the open */
	bool privileged; /* the opener had CAP_SYS_RAWIO */
	bool of_root; /* the opener had file system uid 0 */
	unsigned int uid; /* of the opener */
};

extern struct rng rng;
extern struct model model;
extern struct stats *stats;
extern struct handle handles[NR_HANDLES];
extern unsigned int nr_handles;
extern unsigned int home; /* the CPU that most calls are for, and come from */
extern bool values_survive; /* of registers, while their CPU is offline */

/* What a call may answer */
struct answers {
	bool success;
	int64_t result;
	unsigned int nr_errs;
	int errs[16];
};

void may_fail(struct answers *answers, int err);
void succeeds(struct answers *answers, int64_t result);

/* The calls to come are judged by this list, and made on a descriptor of such an opener. */
void judge_by(unsigned int nr, bool privileged);

/* Says which call is under way, with what else there is to say about it. */
void begin(enum call call, const struct handle *handle, const void *buf, size_t len, int64_t off);
void note(const char *format, ...);

/* Compares: the answer, and memory as expected() has it. */
void answered(const struct answers *answers, long result, int err);
void check_memory(void);
void mismatch(const char *format, ...);

/* transfers.c: reading, writing, seeking */
bool is_open_for(const struct handle *handle, bool write);
bool is_stale(const struct handle *handle);
void publish(unsigned int nr, struct list *list);
void cpu_vector(struct handle *handle, bool writing);
void read_or_write(struct handle *handle, bool writing);
void seek(struct handle *handle);

/* batches.c */
void random_batch(struct handle *handle);

/* ops.c */
void random_extended(struct handle *handle);

/* sessions.c */
bool set_up_sessions(void);
void close_sessions(void);
void prepare_session(struct handle *handle);
void use_session(void);
void set_session_parameter(void);

/* After each change of the lists, of the CPUs, of the parameters, of who calls and from where */
void sessions_judge(void);
void sessions_lose_cpu(unsigned int cpu);
void sessions_look(void);

/* nodes.c: descriptors, registers past the module, CPUs */
bool make_nodes(void);
void remove_nodes(void);
void open_one(void);
void close_one(struct handle *handle);
void change_mode(void);
void learn_registers(unsigned int cpu);
void check_registers(unsigned int cpu);
void check_some_register(void);
void change_register(void);
void come_from(unsigned int cpu, bool alone);
void move_home(void);
void change_rights(void);
void toggle_cpu(void);
void toggle_parameter(void);
void set_own_cpus_only(bool on);

#endif /* FUZZ_SEQUENTIAL_H */
