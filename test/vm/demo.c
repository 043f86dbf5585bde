// SPDX-License-Identifier: GPL-2.0-only
/*
 * The msr command of the tests of Slurm: one access through a CPU's device, or a batch.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../msr_safe.h"
#include "../../msr_version.h"

static const char usage[] = "Usage: msr read CPU REGISTER\n"
			    "       msr write CPU REGISTER VALUE\n"
			    "       msr batch CPU:REGISTER[=VALUE]...\n"
			    "Exit status: 0 done; 1 refused; 2 wrong usage.\n";

static void wrong_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static const char *error_name(int error)
{
	switch (error) {
	case EACCES:
		return "EACCES";
	case EINVAL:
		return "EINVAL";
	case EIO:
		return "EIO";
	case ENOENT:
		return "ENOENT";
	case ENXIO:
		return "ENXIO";
	case EPERM:
		return "EPERM";
	case EROFS:
		return "EROFS";
	default:
		return "?";
	}
}

/* Reads a number up to a character that ends it. */
static uint64_t number(const char **text, const char *ends)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(*text, &end, 0);
	if (errno || end == *text || !strchr(ends, *end))
		wrong_usage();
	*text = end;
	return value;
}

static uint64_t whole_number(const char *text)
{
	return number(&text, "");
}

/* The file position is the register's address. */
static int access_one(const char *cpu, uint64_t msr, uint64_t value, bool read)
{
	char path[64];
	ssize_t done;
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%s/msr_safe", cpu);
	fd = open(path, read ? O_RDONLY : O_WRONLY);
	done = fd < 0 ? -1 :
	       read   ? pread(fd, &value, sizeof(value), msr) :
			pwrite(fd, &value, sizeof(value), msr);
	if (done != sizeof(value)) {
		printf("%s: register 0x%" PRIx64 ": %s (%s)\n", path, msr, strerror(errno),
		       error_name(errno));
		return 1;
	}
	if (read)
		printf("0x%016" PRIx64 "\n", value);
	return 0;
}

static void parse_op(struct msr_batch_op *op, const char *text)
{
	op->cpu = number(&text, ":");
	if (!*text++)
		wrong_usage();
	op->msr = number(&text, "=");
	op->isrdmsr = !*text;
	if (*text)
		op->msrdata = whole_number(text + 1);
}

static void show_op(const struct msr_batch_op *op)
{
	printf("CPU %u  %-5s 0x%03x  data 0x%016" PRIx64 "  wmask 0x%016" PRIx64 "  err %d%s%s\n",
	       op->cpu, op->isrdmsr ? "read" : "write", op->msr, (uint64_t)op->msrdata,
	       (uint64_t)op->wmask, op->err, op->err ? " " : "",
	       op->err ? error_name(-op->err) : "");
}

static int run_batch(char **texts, unsigned int count)
{
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	struct msr_batch_array batch = {
		.numops = count,
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};
	int fd = open("/dev/cpu/msr_batch", O_RDONLY);
	unsigned int i;
	int error;

	if (!ops || fd < 0) {
		printf("/dev/cpu/msr_batch: %s\n", strerror(errno));
		return 1;
	}
	for (i = 0; i < count; i++)
		parse_op(&ops[i], texts[i]);

	error = ioctl(fd, X86_IOC_MSR_BATCH, &batch) ? errno : 0;
	for (i = 0; i < count; i++)
		show_op(&ops[i]);
	if (error)
		printf("ioctl: -1, errno %s (%s)\n", error_name(error), strerror(error));
	else
		puts("ioctl: 0");
	free(ops);
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "read"))
		return access_one(argv[2], whole_number(argv[3]), 0, true);
	if (argc == 5 && !strcmp(argv[1], "write"))
		return access_one(argv[2], whole_number(argv[3]), whole_number(argv[4]), false);
	if (argc >= 3 && !strcmp(argv[1], "batch"))
		return run_batch(argv + 2, argc - 2);
	wrong_usage();
	return 2;
}
