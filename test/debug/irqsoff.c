// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints for how long interrupts were off at most while large batches ran on the only
 * CPU of a guest whose clock counts instructions: anywhere in the kernel, as its irqsoff
 * tracer has it, and of that what msr_safe itself turned off, by the kernel's events.
 */

#include "../guest/guest.h"

#define TRACING "/sys/kernel/tracing/"
#define NR_OPS 100000
#define ROUNDS 3

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
	uint64_t start;
	unsigned int i;

	for (i = 0; i < NR_OPS; i++)
		ops[i] = read_op(0, STORE_A);
	start = now_ns();
	if (run_batch_fd(fd, ops, NR_OPS)) {
		perror("batch");
		exit(1);
	}
	return now_ns() - start;
}

/* The longest time from where msr_safe turns interrupts off to where they are on again */
static void print_own(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	double when, since = 0, longest = 0;
	unsigned int count = 0;
	char line[512], *event;

	while (file && fgets(line, sizeof(line), file)) {
		event = strstr(line, ": irq_");
		if (!event)
			continue;
		*event = '\0';
		when = atof(strrchr(line, ' '));
		if (strncmp(event + 2, "irq_disable", 11) == 0) {
			since = strstr(event + 1, "[msr_safe]") ? when : 0;
		} else if (since) {
			longest = when - since > longest ? when - since : longest;
			since = 0;
			count++;
		}
	}
	fclose(file);
	printf("# of these by msr_safe: %u times, for %.0f us at most\n", count, longest * 1e6);
}

int main(void)
{
	int fd = open(BATCH_PATH, O_RDONLY), i;
	uint64_t ns = 0;

	if (write_list("0x402 0\n") < 0) {
		perror(LIST_PATH);
		return 1;
	}
	run_ops(fd); /* what is needed but once */

	trace("options/function-trace", "0");
	trace("current_tracer", "irqsoff");
	trace("tracing_max_latency", "0");
	for (i = 0; i < ROUNDS; i++)
		ns += run_ops(fd);
	trace("tracing_on", "0");
	printf("# batches of %d operations: %d, %.1f ms each\n", NR_OPS, ROUNDS, ns / 1e6 / ROUNDS);
	printf("# interrupts off (bound of msr_safe's visits: 50 us and one operation), longest:\n");
	print_report();

	trace("current_tracer", "nop");
	trace("buffer_size_kb", "16384");
	trace("events/preemptirq/enable", "1");
	trace("tracing_on", "1");
	run_ops(fd);
	trace("tracing_on", "0");
	print_own();
	return 0;
}
