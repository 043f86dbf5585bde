// SPDX-License-Identifier: GPL-2.0-only
/*
 * rdmsr-safe: prints a register, with the options and in the formats of rdmsr(1).
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/version.h"
#include "../common/msr_tools.h"
#include "../common/parse.h"
#include "../common/say.h"

enum { OPTION_JSON = 256 };

enum base { HEX, CAPITAL_HEX, DECIMAL, UNSIGNED, OCTAL, RAW };

struct options {
	struct chosen_cpus cpus;
	enum base base;
	bool c; /* as a constant of C */
	bool fill; /* leading zeros */
	bool label; /* say which CPU */
	bool fields;
	bool json;
	bool bits; /* -f */
	unsigned int high, low;
	const char *name;
};

static void help(void)
{
	printf("Usage: rdmsr-safe [options] REGISTER\n"
	       "\n"
	       "Prints a model-specific register by msr-safe. REGISTER is an address, a name,\n"
	       "or a field: 0x610, PKG_POWER_LIMIT, PKG_POWER_LIMIT.PL1.\n"
	       "\n"
	       " -p, --processor LIST       these CPUs, as in 0-3,8,10-20:2 (default: 0)\n"
	       " -a, --all                  all CPUs that are online, in one batch\n"
	       " -x, --hexadecimal          print it in hexadecimal (default)\n"
	       " -X, --capital-hexadecimal  the same in capital letters\n"
	       " -d, --decimal              as a signed number\n"
	       " -u, --unsigned-decimal     as an unsigned number\n"
	       " -o, --octal                in octal\n"
	       " -c, --c-language           as a constant of C\n"
	       " -0, --zero-pad             with leading zeros\n"
	       " -r, --raw                  in binary, 8 bytes\n"
	       " -f, --bitfield H:L         only bits H to L\n"
	       " -F, --fields               print each field by its name, too\n"
	       " -l, --label                print the number of the CPU first\n"
	       "     --json                 print JSON\n"
	       " -h, --help                 print this\n"
	       " -V, --version              print the version\n"
	       "\n"
	       "Exit status: 0 success, 2 no such CPU, 3 a CPU without registers, 4 the\n"
	       "processor refuses the access, 127 any other error.\n");
}

static bool parse_bits(struct options *options, const char *text)
{
	int len = 0;

	options->bits = true;
	return sscanf(text, "%u:%u%n", &options->high, &options->low, &len) == 2 && !text[len] &&
	       options->high <= 63 && options->low <= options->high;
}

/* Returns -1 to go on, or a status to exit with. */
static int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "hexadecimal", no_argument, NULL, 'x' },
		{ "capital-hexadecimal", no_argument, NULL, 'X' },
		{ "decimal", no_argument, NULL, 'd' },
		{ "signed-decimal", no_argument, NULL, 'd' },
		{ "unsigned-decimal", no_argument, NULL, 'u' },
		{ "octal", no_argument, NULL, 'o' },
		{ "c-language", no_argument, NULL, 'c' },
		{ "zero-fill", no_argument, NULL, '0' },
		{ "zero-pad", no_argument, NULL, '0' },
		{ "raw", no_argument, NULL, 'r' },
		{ "all", no_argument, NULL, 'a' },
		{ "processor", required_argument, NULL, 'p' },
		{ "cpu", required_argument, NULL, 'p' },
		{ "bitfield", required_argument, NULL, 'f' },
		{ "fields", no_argument, NULL, 'F' },
		{ "label", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	msr_safe_cpus_add(&options->cpus.set, 0);
	while ((option = getopt_long(argc, argv, "hVxXdoruc0ap:f:Fl", longs, NULL)) != -1) {
		switch (option) {
		case 'x':
			options->base = HEX;
			break;
		case 'X':
			options->base = CAPITAL_HEX;
			break;
		case 'd':
			options->base = DECIMAL;
			break;
		case 'u':
			options->base = UNSIGNED;
			break;
		case 'o':
			options->base = OCTAL;
			break;
		case 'r':
			options->base = RAW;
			break;
		case 'c':
			options->c = true;
			break;
		case '0':
			options->fill = true;
			break;
		case 'a':
			options->cpus.all = true;
			break;
		case 'p':
			if (!choose_cpus(&options->cpus, optarg))
				return usage_error(TOOL_ERROR, "not a list of CPUs: ", optarg);
			break;
		case 'f':
			if (!parse_bits(options, optarg))
				return usage_error(TOOL_ERROR,
						   "not bits of a register, as in 15:8: ", optarg);
			break;
		case 'F':
			options->fields = true;
			break;
		case 'l':
			options->label = true;
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		case 'h':
			help();
			return finish_output();
		case 'V':
			printf("rdmsr-safe %s\n", VERSION);
			return finish_output();
		default:
			return usage_error(TOOL_ERROR, NULL, NULL); /* getopt has printed why */
		}
	}
	if (optind != argc - 1)
		return usage_error(TOOL_ERROR,
				   optind < argc ? "more than one register" :
						   "no register is named",
				   "");
	options->name = argv[optind];
	return -1;
}

/* How many decimal digits numbers of so many bits take */
static int digits(unsigned int bits)
{
	uint64_t most = bits ? UINT64_MAX >> (64 - bits) : 0;
	char text[24];

	return snprintf(text, sizeof(text), "%" PRIu64, most);
}

/*
 * The value with its highest bit for a sign: as msr-tools has it, that bit is a minus before the
 * others, not the two's complement.
 */
static int64_t with_sign(uint64_t value, unsigned int bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	return value & sign ? -(value & ~sign) : value;
}

static void print_raw(const struct options *options, uint64_t value)
{
	unsigned char bytes[sizeof(value)];
	size_t i;

	memcpy(bytes, &value, sizeof(bytes));
	if (!options->c) {
		fwrite(bytes, sizeof(bytes), 1, stdout);
		return;
	}
	for (i = 0; i < sizeof(bytes); i++)
		printf("%s0x%02x", i ? "," : "{", bytes[i]);
	printf("}\n");
}

static void print_value(const struct options *options, const struct msr_safe_register *reg,
			unsigned int cpu, uint64_t value)
{
	unsigned int bits = reg->high - reg->low + 1;
	bool c = options->c, fill = options->fill;

	if (options->label && options->base != RAW)
		printf("CPU %u: ", cpu);
	switch (options->base) {
	case HEX:
		printf("%s%0*" PRIx64 "\n", c ? "0x" : "", fill ? (bits + 3) / 4 : 1, value);
		break;
	case CAPITAL_HEX:
		printf("%s%0*" PRIX64 "\n", c ? "0x" : "", fill ? (bits + 3) / 4 : 1, value);
		break;
	case OCTAL:
		printf("%s%0*" PRIo64 "\n", c ? "0" : "", fill ? (bits + 2) / 3 : 1, value);
		break;
	case DECIMAL:
		printf("%0*" PRId64 "\n", fill && !c ? digits(bits - 1) + 1 : 1,
		       with_sign(value, bits));
		break;
	case UNSIGNED:
		printf("%0*" PRIu64 "%s\n", fill && !c ? digits(bits) : 1, value, c ? "U" : "");
		break;
	case RAW:
		print_raw(options, value);
		break;
	}
}

static uint64_t bits_of(const struct msr_safe_register *reg, uint64_t value)
{
	return (value & msr_safe_field_mask(reg)) >> reg->low;
}

static const char *field_name(const struct msr_safe_register *field)
{
	return strchr(field->name, '.') + 1;
}

static void print_fields(const struct msr_safe_registers *registers, uint32_t msr, uint64_t value)
{
	struct msr_safe_register field;
	unsigned int nr;

	for (nr = 0; !msr_safe_registers_field(registers, msr, nr, &field); nr++)
		printf("  %2u:%-2u %-24s %-8" PRIu64 " %s\n", field.high, field.low,
		       field_name(&field), bits_of(&field, value), field.what);
}

/* A CPU that has just gone offline is not one of all. */
static bool is_gone(const struct options *options, const struct msr_batch_op *op)
{
	return op->err == -ENXIO && options->cpus.all;
}

static int print_lines(const struct options *options, const struct msr_safe_registers *registers,
		       const struct msr_safe_register *reg, const struct msr_batch_op *ops,
		       size_t count)
{
	int status = TOOL_GOOD;
	size_t i;

	for (i = 0; i < count; i++) {
		if (is_gone(options, &ops[i]))
			continue;
		if (ops[i].err) {
			fflush(stdout); /* in the order of CPUs */
			status = say_op_failed(&ops[i]);
			continue;
		}
		print_value(options, reg, ops[i].cpu, bits_of(reg, ops[i].msrdata));
		if (options->fields)
			print_fields(registers, reg->msr, ops[i].msrdata);
	}
	return status;
}

/* Values are strings in hexadecimal: JSON's numbers have 53 bits in many programs. */
static int print_json(const struct options *options, const struct msr_safe_registers *registers,
		      const struct msr_safe_register *reg, const struct msr_batch_op *ops,
		      size_t count)
{
	struct msr_safe_register field;
	const char *comma = "";
	int status = TOOL_GOOD;
	unsigned int nr;
	size_t i;

	printf("{\"msr\": \"0x%08" PRIX32 "\", \"name\": \"%s\", \"bits\": \"%u:%u\", \"cpus\": [",
	       reg->msr, reg->name, reg->high, reg->low);
	for (i = 0; i < count; i++) {
		if (is_gone(options, &ops[i]))
			continue;
		printf("%s\n  {\"cpu\": %u, ", comma, ops[i].cpu);
		comma = ",";
		if (ops[i].err) {
			printf("\"error\": \"%s\"}", op_error(ops[i].err));
			status = say_op_failed(&ops[i]);
			continue;
		}
		printf("\"value\": \"0x%" PRIX64 "\"", bits_of(reg, ops[i].msrdata));
		for (nr = 0; registers && reg->low == 0 && reg->high == 63 &&
			     !msr_safe_registers_field(registers, reg->msr, nr, &field);
		     nr++)
			printf("%s\"%s\": %" PRIu64, nr ? ", " : ", \"fields\": {",
			       field_name(&field), bits_of(&field, ops[i].msrdata));
		printf("%s}", nr ? "}" : "");
	}
	printf("\n]}\n");
	return status;
}

/* What the name means, with the bits of -f. Returns a status. */
static int find(const struct options *options, struct msr_safe_registers **registers,
		struct msr_safe_register *reg)
{
	int ret = find_register(registers, options->name, reg);

	if (ret == -EINVAL)
		return usage_error(TOOL_ERROR, NULL, NULL);
	if (ret)
		return TOOL_ERROR;
	if (options->bits && strchr(reg->name, '.'))
		return usage_error(TOOL_ERROR,
				   "--bitfield is for a whole register, and this is a field: ",
				   options->name);
	if (options->bits) {
		reg->high = options->high;
		reg->low = options->low;
	}
	/* Fields of an address, too */
	if (options->fields && !*registers && read_registers(registers))
		return TOOL_ERROR;
	return TOOL_GOOD;
}

static int read_and_print(struct options *options, const struct msr_safe_registers *registers,
			  const struct msr_safe_register *reg)
{
	struct msr_batch_op *ops;
	size_t count;
	int status;

	status = settle_cpus(&options->cpus);
	if (status)
		return status;
	ops = make_batch(&options->cpus, (struct msr_batch_op){ .isrdmsr = 1, .msr = reg->msr },
			 &count);
	if (!ops)
		return TOOL_ERROR;
	status = run_operations(ops, count);
	if (!status && options->json)
		status = print_json(options, registers, reg, ops, count);
	else if (!status)
		status = print_lines(options, registers, reg, ops, count);
	free(ops);
	return finish_output() ? TOOL_ERROR : status;
}

int main(int argc, char *argv[])
{
	static struct options options;
	struct msr_safe_registers *registers = NULL;
	struct msr_safe_register reg;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	status = find(&options, &registers, &reg);
	if (!status)
		status = read_and_print(&options, registers, &reg);
	msr_safe_registers_free(registers);
	return status;
}
