// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random system calls on the devices, whose answers are compared with a model
 * of what the documents say. Run in the guest, with the module loaded, and the
 * kernel's msr driver with allow_writes=on.
 *
 * fuzz_devices [-s SEED] [-n CALLS] [-t SECONDS] [-p MODES] [-v CALL] [-r]
 *
 * -n and -t limit each mode; MODES are s, sequential, and c, concurrent, sc if
 * not said. A sequential run with the same seed makes the same calls; -v prints
 * them, from the one of this number, and compares all registers after each. -r: the
 * module was loaded with revoke_on_change=1. Prints TAP; exits with 1 after the
 * first wrong answer.
 */

#include <linux/capability.h>
#include <sys/syscall.h>

#include "fuzz_devices.h"

struct options options;

const char *const call_names[NR_CALLS] = {
	"pread",   "pwrite",	 "read",      "write",	      "readv",	   "writev", "lseek",
	"ioctl",   "list write", "list read", "version read", "open",	   "close",  "chmod",
	"hotplug", "peek",	 "poke",      "move",	      "parameter",
};

uint64_t rnd(struct rng *rng)
{
	uint64_t x = rng->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t rnd_value(struct rng *rng)
{
	uint64_t value = rnd(rng);

	switch (below(rng, 8)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return (uint32_t)value;
	case 3:
		return UINT64_C(1) << value % 64;
	case 4:
		return value & 0xff;
	default:
		return value;
	}
}

const char *errno_name(int err)
{
	const char *name = err ? strerrorname_np(err) : "success";

	return name ? name : "unknown error";
}

void count_call(struct stats *stats, enum call call, long result, int err)
{
	stats->calls[call]++;
	stats->errs[result >= 0 ? 0 : err < MAX_ERRNO ? err : MAX_ERRNO - 1]++;
}

bool enough(uint64_t calls, uint64_t start)
{
	if (options.calls && calls >= options.calls)
		return true;
	/* Asking for the time takes longer than many a call. */
	return options.seconds && calls % 64 == 0 &&
	       now_ns() - start >= options.seconds * UINT64_C(1000000000);
}

static __thread bool lacks_rawio;

static void set_effective(bool rawio)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		abort();
	data[0].effective &= ~(1U << CAP_SYS_RAWIO);
	if (rawio)
		data[0].effective |= 1U << CAP_SYS_RAWIO;
	if (syscall(SYS_capset, &header, data))
		abort();
}

void set_rawio(bool on)
{
	lacks_rawio = !on;
	set_effective(on);
}

/* The kernel's driver asks for the capability when it is opened. */
static int open_stock(unsigned int cpu, int flags)
{
	int fd;

	if (!lacks_rawio)
		return open_cpu(cpu, "msr", flags);
	set_effective(true);
	fd = open_cpu(cpu, "msr", flags);
	set_effective(false);
	return fd;
}

bool stock(unsigned int cpu, uint32_t msr, uint64_t *value, bool writing)
{
	int fd = open_stock(cpu, writing ? O_WRONLY : O_RDONLY);
	bool good;

	good = (writing ? pwrite(fd, value, 8, msr) : pread(fd, value, 8, msr)) == 8;
	close(fd);
	return good;
}

static void print_errs(const char *what, const uint64_t *errs)
{
	unsigned int err;

	printf("# %s:", what);
	for (err = 0; err < MAX_ERRNO; err++)
		if (errs[err])
			printf(" %s %" PRIu64, errno_name(err), errs[err]);
	printf("\n");
}

static void print_stats(const struct stats *stats, uint64_t ns)
{
	uint64_t total = 0, ops = 0;
	unsigned int i;

	printf("# calls:");
	for (i = 0; i < NR_CALLS; i++) {
		if (stats->calls[i])
			printf(" %s %" PRIu64, call_names[i], stats->calls[i]);
		total += stats->calls[i];
	}
	printf("\n");
	print_errs("answers", stats->errs);
	print_errs("operations of batches", stats->op_errs);
	for (i = 0; i < MAX_ERRNO; i++)
		ops += stats->op_errs[i];
	printf("# %" PRIu64 " calls and %" PRIu64 " operations in %.1f s: %.0f calls a second; "
	       "%" PRIu64 " lists put into force, CPUs went or came %" PRIu64 " times\n",
	       total, ops, ns / 1e9, total / (ns / 1e9), stats->list_swaps, stats->hotplugs);
}

static bool run_mode(unsigned int number, const char *name, bool (*run)(struct stats *stats))
{
	static struct stats stats;
	uint64_t start = now_ns();
	bool good;

	memset(&stats, 0, sizeof(stats));
	good = run(&stats);
	print_stats(&stats, now_ns() - start);
	printf("%sok %u - %s: every answer is one of those that the model has\n",
	       good ? "" : "not ", number, name);
	return good;
}

static int usage(void)
{
	fprintf(stderr, "usage: fuzz_devices [-s SEED] [-n CALLS] [-t SECONDS] [-p MODES] "
			"[-v CALL] [-r]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *modes = "sc";
	unsigned int i;
	int option;

	options.seed = now_ns();
	options.print_from = UINT64_MAX;
	while ((option = getopt(argc, argv, "s:n:t:p:v:r")) != -1) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.calls = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			modes = optarg;
			break;
		case 'v':
			options.print_from = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			options.revoke_on_change = true;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc || strspn(modes, "sc") != strlen(modes) || !*modes)
		return usage();
	if (!options.calls && !options.seconds)
		options.seconds = 7;

	setlinebuf(stdout);
	printf("1..%zu\n# seed %" PRIu64 "\n", strlen(modes), options.seed);
	for (i = 0; modes[i]; i++) {
		bool good = modes[i] == 's' ? run_mode(i + 1, "sequential", run_sequential) :
					      run_mode(i + 1, "concurrent", run_concurrent);

		if (!good)
			return 1;
	}
	return 0;
}
