// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints for how long interrupts were off, and then preemption, at most while large
 * batches ran on all CPUs: anywhere in the kernel, as its tracers have it, and of that
 * what msr_safe itself turned off, by the kernel's events. In a guest with one CPU whose
 * clock counts instructions the figures are exact; with more CPUs they are wall time of
 * the emulator, in which a CPU may wait for a processor of the host.
 */

#include "../guest/guest.h"

#define TRACING "/sys/kernel/tracing/"
#define NR_OPS 100000
#define ROUNDS 3
#define MAX_CPUS 16

static void trace(const char *file, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), TRACING "%s", file);
	if (write_file(path, value)) {
		fprintf(stderr, "cannot write %s to %s\n", value, path);
		exit(1);
	}
}

/* The head of the tracer's report: how long, where it began and where it ended */
static void print_report(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "latency:") || strstr(line, "started at:") ||
		    strstr(line, "ended at:"))
			printf("%s", line);
	fclose(file);
}

static uint64_t run_ops(int fd)
{
	static struct msr_batch_op ops[NR_OPS];
	unsigned int cpus = cpus_online(), i;
	uint64_t start;

	for (i = 0; i < NR_OPS; i++)
		ops[i] = read_op(i % cpus, STORE_A);
	start = now_ns();
	if (run_batch_fd(fd, ops, NR_OPS)) {
		perror("batch");
		exit(1);
	}
	return now_ns() - start;
}

/* What the kernel turns off, with the tracer and the events that tell of it */
static const struct kind {
	const char *what, *tracer, *off, *on;
} kinds[] = {
	{ "interrupts", "irqsoff", ": irq_disable", ": irq_enable" },
	{ "preemption", "preemptoff", ": preempt_disable", ": preempt_enable" },
};

/* Has timers read 8 registers of each CPU, 10,000 times a second. Return: a session. */
static int start_sampling(void)
{
	struct msr_start start = { .size = sizeof(start), .period_ns = 100000 };
	unsigned int count = 8 * cpus_online(), i;
	struct msr_op ops[8 * MAX_CPUS];
	struct msr_ops head = head_of(ops, count, 64);
	int device = open_path("/dev/cpu/msr_sample", O_RDONLY), session;

	for (i = 0; i < count; i++)
		ops[i] = extended_read(i / 8, STORE_A);
	session = ioctl(device, MSR_IOC_PREPARE, &head);
	close(device);
	if (session < 0 || ioctl(session, MSR_IOC_START, &start)) {
		perror("sampling");
		exit(1);
	}
	return session;
}

/* The same while timers sample, and nothing else is done */
static void print_sampling(const struct kind *kind)
{
	int session = start_sampling();

	trace("current_tracer", kind->tracer);
	trace("tracing_max_latency", "0");
	trace("tracing_on", "1");
	sleep(2);
	trace("tracing_on", "0");
	printf("# sampling 8 registers of each CPU at 10 kHz; %s off, longest:\n", kind->what);
	print_report();
	trace("current_tracer", "nop");
	close(session);
}

static void print_any(int fd, const struct kind *kind)
{
	uint64_t ns = 0;
	int i;

	trace("current_tracer", kind->tracer);
	trace("tracing_max_latency", "0");
	trace("tracing_on", "1");
	for (i = 0; i < ROUNDS; i++)
		ns += run_ops(fd);
	trace("tracing_on", "0");
	printf("# batches of %d operations: %d, %.1f ms each\n", NR_OPS, ROUNDS, ns / 1e6 / ROUNDS);
	printf("# %s off, longest:\n", kind->what);
	print_report();
	trace("current_tracer", "nop");
}

/* The longest time on a CPU from where msr_safe turns it off to where it is on again */
static void print_own(int fd, const struct kind *kind)
{
	double since[MAX_CPUS] = { 0 }, longest = 0;
	unsigned int count = 0;
	char line[512];
	FILE *file;

	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	trace("tracing_on", "1");
	run_ops(fd);
	trace("tracing_on", "0");

	file = fopen(TRACING "trace", "r");
	while (file && fgets(line, sizeof(line), file)) {
		char *off = strstr(line, kind->off), *event = off ? off : strstr(line, kind->on);
		const char *cpu_text = strchr(line, '[');
		unsigned int cpu;
		double when;

		if (!event || !cpu_text || sscanf(cpu_text, "[%u]", &cpu) != 1 || cpu >= MAX_CPUS)
			continue;
		*event = '\0';
		when = atof(strrchr(line, ' '));
		if (off) {
			since[cpu] = strstr(event + 1, "[msr_safe]") ? when : 0;
		} else if (since[cpu]) {
			longest = when - since[cpu] > longest ? when - since[cpu] : longest;
			since[cpu] = 0;
			count++;
		}
	}
	if (file)
		fclose(file);
	printf("# %s off by msr_safe (bound: a visit of 50 us and one operation): %u times, for %.0f us at most\n",
	       kind->what, count, longest * 1e6);
}

int main(void)
{
	int fd = open(BATCH_PATH, O_RDONLY);
	unsigned int i;

	if (write_list("0x402 0\n") < 0) {
		perror(LIST_PATH);
		return 1;
	}
	printf("# CPUs: %u\n", cpus_online());
	run_ops(fd); /* what is needed but once */

	trace("options/function-trace", "0");
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		print_any(fd, &kinds[i]);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		print_sampling(&kinds[i]);

	trace("buffer_size_kb", "16384");
	trace("events/preemptirq/enable", "1");
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		print_own(fd, &kinds[i]);
	return 0;
}
