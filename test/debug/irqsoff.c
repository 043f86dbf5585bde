// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the longest time that interrupts were off while large batches ran on the only
 * CPU of a guest whose clock counts instructions, as the kernel's irqsoff tracer has it.
 */

#include "../guest/guest.h"

#define TRACING		"/sys/kernel/tracing/"
#define NR_OPS		100000
#define ROUNDS		3

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

int main(void)
{
	int fd = open(BATCH_PATH, O_RDONLY), i;
	uint64_t ns = 0;

	if (write_list("0x402 0\n") < 0) {
		perror(LIST_PATH);
		return 1;
	}
	run_ops(fd);	/* what is needed but once */
	trace("current_tracer", "irqsoff");
	trace("tracing_max_latency", "0");
	for (i = 0; i < ROUNDS; i++)
		ns += run_ops(fd);
	trace("tracing_on", "0");

	printf("# batches of %d operations: %d, %.1f ms each\n", NR_OPS, ROUNDS,
	       ns / 1e6 / ROUNDS);
	printf("# interrupts off for the longest, by the irqsoff tracer (bound: 50 us and one operation):\n");
	print_report();
	return 0;
}
