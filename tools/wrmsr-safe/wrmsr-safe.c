// SPDX-License-Identifier: GPL-2.0-only
/*
 * wrmsr-safe: writes a register, with the options of wrmsr(1), or a field of one.
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/version.h"
#include "../common/msr_tools.h"
#include "../common/parse.h"
#include "../common/say.h"

struct options {
	struct chosen_cpus cpus;
	const char *name;
	char **values;
	int nr_values;
};

static void help(void)
{
	printf("Usage: wrmsr-safe [options] REGISTER VALUE...\n"
	       "\n"
	       "Writes VALUEs to a model-specific register by msr-safe, one after the other.\n"
	       "REGISTER is an address, a name, or a field: 0x610, PKG_POWER_LIMIT,\n"
	       "PKG_POWER_LIMIT.PL1. Writing a field leaves all other bits as they are.\n"
	       "\n"
	       " -p, --processor LIST  these CPUs, as in 0-3,8,10-20:2 (default: 0)\n"
	       " -a, --all             all CPUs that are online, in one batch\n"
	       " -h, --help            print this\n"
	       " -V, --version         print the version\n"
	       "\n"
	       "Bits that the allowlist does not make writable keep their values. wrmsr-safe\n"
	       "says if that changes what is written, and refuses a field with such bits.\n"
	       "\n"
	       "Exit status: 0 success, 2 no such CPU, 3 a CPU without registers, 4 the\n"
	       "processor refuses the access, 127 any other error.\n");
}

/* Returns -1 to go on, or a status to exit with. */
static int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "all", no_argument, NULL, 'a' },
		{ "processor", required_argument, NULL, 'p' },
		{ "cpu", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	msr_safe_cpus_add(&options->cpus.set, 0);
	while ((option = getopt_long(argc, argv, "hVap:", longs, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->cpus.all = true;
			break;
		case 'p':
			if (!choose_cpus(&options->cpus, optarg))
				return usage_error(TOOL_ERROR, "not a list of CPUs: ", optarg);
			break;
		case 'h':
			help();
			return finish_output();
		case 'V':
			printf("wrmsr-safe %s\n", VERSION);
			return finish_output();
		default:
			return usage_error(TOOL_ERROR, NULL, NULL); /* getopt has printed why */
		}
	}
	if (optind > argc - 2)
		return usage_error(TOOL_ERROR, "a register and a value are needed", "");
	options->name = argv[optind];
	options->values = &argv[optind + 1];
	options->nr_values = argc - optind - 1;
	return -1;
}

/* The values, in the place of the field. Returns a status. */
static int parse_values(const struct options *options, const struct msr_safe_register *reg,
			uint64_t *values)
{
	uint64_t most = msr_safe_field_mask(reg) >> reg->low;
	int i;

	for (i = 0; i < options->nr_values; i++) {
		if (!parse_integer(options->values[i], UINT64_MAX, &values[i]))
			return usage_error(TOOL_ERROR,
					   "not a value of 64 bits: ", options->values[i]);
		if (values[i] > most) {
			warnx("%s does not fit in %s, which has bits %u to %u", options->values[i],
			      reg->name, reg->high, reg->low);
			return TOOL_ERROR;
		}
		values[i] <<= reg->low;
	}
	return TOOL_GOOD;
}

/* Prints what is refused. Returns the last status, or 0 if nothing is. */
static int say_all_failed(const struct options *options, const struct msr_batch_op *ops,
			  size_t count)
{
	int status = TOOL_GOOD;
	size_t i;

	for (i = 0; i < count; i++)
		if (ops[i].err && !(ops[i].err == -ENXIO && options->cpus.all))
			status = say_op_failed(&ops[i]);
	return status;
}

/* One value to the whole register of each CPU */
static int write_register(const struct options *options, const struct msr_safe_register *reg,
			  uint64_t value)
{
	const struct msr_batch_op op = { .msr = reg->msr, .msrdata = value };
	struct msr_batch_op *ops;
	size_t count, i;
	int status;

	ops = make_batch(&options->cpus, op, &count);
	if (!ops)
		return TOOL_ERROR;
	status = run_operations(ops, count);
	if (!status) {
		/* As the list says it is not writable, which the node does not tell apart. */
		for (i = 0; i < count; i++)
			if (ops[i].err == -EROFS)
				ops[i].err = -EACCES;
		status = say_all_failed(options, ops, count);
	}
	free(ops);
	return status;
}

/* Which bits the list makes writable, if the batch device can be opened: else all count as such. */
static uint64_t writable_bits(const struct options *options, const struct msr_safe_register *reg)
{
	struct msr_batch_op op = {
		.cpu = msr_safe_cpus_next(&options->cpus.set, 0),
		.isrdmsr = 1,
		.msr = reg->msr,
	};
	int fd = msr_safe_open_batch(NULL);
	int err = fd < 0 ? fd : msr_safe_batch(fd, &op, 1);

	if (fd >= 0)
		close(fd);
	return err || op.err ? UINT64_MAX : op.wmask;
}

/* Reads back what differs from the value, as some bits are not writable. */
static int say_kept(const struct options *options, const struct msr_safe_register *reg,
		    uint64_t value, uint64_t writable)
{
	struct msr_batch_op *ops;
	size_t count, i;
	int status;

	if (writable == UINT64_MAX)
		return TOOL_GOOD;
	ops = make_batch(&options->cpus, (struct msr_batch_op){ .isrdmsr = 1, .msr = reg->msr },
			 &count);
	if (!ops)
		return TOOL_ERROR;
	status = run_operations(ops, count);
	for (i = 0; i < count && !status; i++) {
		uint64_t kept = (ops[i].msrdata ^ value) & ~writable;

		if (!ops[i].err && kept)
			warnx("CPU %u: bits 0x%" PRIx64 " of MSR 0x%08" PRIx32
			      " are not writable in the allowlist and keep their values",
			      ops[i].cpu, kept, reg->msr);
	}
	free(ops);
	return status;
}

/* One value to a field of each CPU's register, by operations with a mask */
static int write_field(const struct options *options, const struct msr_safe_register *reg,
		       uint64_t value, struct msr_op *ops, int fd)
{
	struct msr_batch_op refused = { .msr = reg->msr, .msrdata = value };
	int err, status = TOOL_GOOD;
	unsigned int cpu;
	size_t count = 0, i;

	msr_safe_for_each_cpu(cpu, &options->cpus.set) ops[count++] = (struct msr_op){
		.cpu = cpu,
		.msr = reg->msr,
		.flags = MSR_OP_WRITE,
		.data = value,
		.mask = msr_safe_field_mask(reg),
	};
	err = msr_safe_ops(fd, ops, count);
	if (err == -ENOTTY)
		warnx("the module is older than 2.1.0, and cannot write a field alone");
	else if (err)
		say_failed(MSR_SAFE_BATCH_PATH, err);
	for (i = 0; i < count && !err; i++) {
		refused.cpu = ops[i].cpu;
		refused.err = ops[i].err == -EROFS ? -EACCES : ops[i].err;
		if (refused.err && !(refused.err == -ENXIO && options->cpus.all))
			status = say_op_failed(&refused);
	}
	return err ? TOOL_ERROR : status;
}

static int write_fields(const struct options *options, const struct msr_safe_register *reg,
			const uint64_t *values)
{
	uint64_t closed = msr_safe_field_mask(reg) & ~writable_bits(options, reg);
	struct msr_safe_error error;
	struct msr_op *ops;
	int fd, i, status = TOOL_GOOD;

	if (closed) {
		warnx("%s: the allowlist does not make bits 0x%" PRIx64
		      " of it writable; nothing is written",
		      reg->name, closed);
		return TOOL_ERROR;
	}
	fd = msr_safe_open_batch(&error);
	if (fd < 0) {
		say_error(&error);
		return TOOL_ERROR;
	}
	ops = calloc(msr_safe_cpus_count(&options->cpus.set), sizeof(*ops));
	if (!ops)
		err(TOOL_ERROR, "operations");
	for (i = 0; i < options->nr_values && !status; i++)
		status = write_field(options, reg, values[i], ops, fd);
	free(ops);
	close(fd);
	return status;
}

static int write_values(const struct options *options, const struct msr_safe_register *reg,
			const uint64_t *values)
{
	uint64_t writable;
	int i, status = TOOL_GOOD;

	if (reg->low > 0 || reg->high < 63)
		return write_fields(options, reg, values);
	writable = writable_bits(options, reg);
	for (i = 0; i < options->nr_values && !status; i++)
		status = write_register(options, reg, values[i]);
	if (!status)
		status = say_kept(options, reg, values[i - 1], writable);
	return status;
}

int main(int argc, char *argv[])
{
	static struct options options;
	struct msr_safe_registers *registers = NULL;
	struct msr_safe_register reg;
	uint64_t *values;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	status = find_register(&registers, options.name, &reg);
	msr_safe_registers_free(registers);
	if (status)
		return status == -EINVAL ? usage_error(TOOL_ERROR, NULL, NULL) : TOOL_ERROR;
	values = calloc(options.nr_values, sizeof(*values));
	if (!values)
		err(TOOL_ERROR, "values");
	status = parse_values(&options, &reg, values);
	if (!status)
		status = settle_cpus(&options.cpus);
	if (!status)
		status = write_values(&options, &reg, values);
	free(values);
	return status;
}
