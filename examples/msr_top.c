// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches a register on every CPU, with one batch a tick.
 *
 * Needs read permission for /dev/cpu/msr_batch, and the register in the allowlist.
 */

#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "cpus.h"

#define MSR_TIME_STAMP_COUNTER 0x10

#define PRESENT "/sys/devices/system/cpu/present"

enum view { RAW, DELTA, RATE };

static const char *const view_names[] = { "value", "change", "change a second" };

struct options {
	uint32_t msr;
	double interval;
	unsigned long count; /* 0: until interrupted */
	enum view view;
};

/* What a CPU's register held a tick ago */
struct before {
	bool known;
	uint64_t value;
	double time;
};

/* It makes no sense to begin with a register that nobody may read. */
static void check_listed(const struct msr_batch_op *op)
{
	if (op->err == -EACCES)
		errx(EXIT_SETUP,
		     "register 0x%X is not in the allowlist\n"
		     "Reading it needs the line: 0x%X 0x0\n"
		     "As root, add that to the list, and load the list again.",
		     op->msr, op->msr);
}

static void show_row(const struct msr_batch_op *op, struct before *before, double time,
		     enum view view)
{
	uint64_t change = op->msrdata - before->value;

	printf("CPU %-5u", op->cpu);
	if (op->err)
		printf("%20s\n", op_error(op->err));
	else if (view == RAW)
		printf("  0x%016" PRIX64 "\n", (uint64_t)op->msrdata);
	else if (!before->known)
		printf("%20s\n", "-");
	else if (view == DELTA)
		printf("%20" PRIu64 "\n", change);
	else
		printf("%20.0f\n", change / (time - before->time));
}

static void show(const struct msr_batch_op *ops, unsigned int count, struct before *before,
		 double time, const struct options *options)
{
	unsigned int i;

	if (isatty(STDOUT_FILENO))
		fputs(CLEAR_SCREEN, stdout);
	printf("Register 0x%X, %s:\n", options->msr, view_names[options->view]);
	for (i = 0; i < count; i++) {
		show_row(&ops[i], &before[i], time, options->view);
		before[i] = (struct before){
			.known = !ops[i].err,
			.value = ops[i].msrdata,
			.time = time,
		};
	}
	if (fflush(stdout))
		err(EXIT_FAILURE, "standard output");
}

static void watch(const struct options *options)
{
	unsigned int *cpus;
	unsigned int count = read_cpus(PRESENT, &cpus);
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	struct before *before = calloc(count, sizeof(*before));
	int fd = open_batch();
	double tick = now();
	unsigned long done;
	unsigned int i;

	if (!ops || !before)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < count; i++) {
		ops[i].cpu = cpus[i];
		ops[i].isrdmsr = 1;
		ops[i].msr = options->msr;
	}

	for (done = 0; !options->count || done < options->count; done++) {
		if (done)
			sleep_until(tick += options->interval);
		run_batch(fd, ops, count);
		if (!done)
			check_listed(&ops[0]);
		show(ops, count, before, now(), options);
	}

	close(fd);
	free(before);
	free(ops);
	free(cpus);
}

static void usage(FILE *out)
{
	fputs("Usage: msr_top [OPTION]...\n"
	      "Shows a register of every CPU, again and again.\n"
	      "\n"
	      "  -r, --register ADDRESS   which; 0x10, the time stamp counter, if not given\n"
	      "  -i, --interval SECONDS   from one look to the next; 1 if not given\n"
	      "  -n, --count NUMBER       stop after so many looks; else at an interrupt\n"
	      "      --raw                show what it holds\n"
	      "      --delta              show by how much it grew since the look before\n"
	      "      --rate               show by how much it grows a second, as if not given\n"
	      "  -h, --help               print this\n"
	      "\n"
	      "Exit status: 0 shown as often as asked; 1 an error; 2 wrong usage; 3 the module,\n"
	      "the permissions or the allowlist are not set up for it.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "register", required_argument, NULL, 'r' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "raw", no_argument, NULL, RAW },
		{ "delta", no_argument, NULL, DELTA },
		{ "rate", no_argument, NULL, RATE },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = {
		.msr = MSR_TIME_STAMP_COUNTER,
		.interval = 1,
		.view = RATE,
	};
	int option;

	while ((option = getopt_long(argc, argv, "r:i:n:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'r':
			options.msr = number(optarg, UINT32_MAX, "the address of a register");
			break;
		case 'i':
			options.interval = seconds(optarg);
			break;
		case 'n':
			options.count = how_often(optarg);
			break;
		case RAW:
		case DELTA:
		case RATE:
			options.view = option;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	watch(&options);
	return EXIT_SUCCESS;
}
