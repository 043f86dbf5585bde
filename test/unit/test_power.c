// SPDX-License-Identifier: GPL-2.0-only
/*
 * examples/power.c on a machine that is made up: processors, registers, CPUs that
 * leave, and time. Emulated machines have no energy counters.
 */

#include <cpuid.h>
#include <sys/wait.h>
#include <time.h>

#include "../../msr_safe.h"
#include "unit.h"

int __real_main(int argc, char **argv);

static unsigned int vendor_ebx, vendor_edx, vendor_ecx, model_eax;

void fake_cpuid(unsigned int leaf, unsigned int *eax, unsigned int *ebx, unsigned int *ecx,
		unsigned int *edx)
{
	*eax = leaf ? model_eax : 1;
	*ebx = vendor_ebx;
	*ecx = vendor_ecx;
	*edx = vendor_edx;
}

/* A program that ends for an error leaves it to the kernel to free its memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

#define CPUS 4
#define BATCH_FD 4242

/* The machine: what power reads from it */
static struct machine {
	uint32_t unit_msr, energy_msr;
	uint64_t unit;
	double watts[2]; /* of package 0 and 1 */
	uint64_t energy; /* what the counters begin with */
	int error; /* of reading energy_msr, if any */
	double leaves; /* when CPU 0 does, if ever */
	double late; /* how much too late a tick is */
	double time;
	int open_error, ioctl_error;
} machine;

static bool is_online(unsigned int cpu)
{
	return cpu > 0 || !machine.leaves || machine.time < machine.leaves;
}

int __wrap_open(const char *path, int flags);
int __wrap_open(const char *path, int flags)
{
	assert_string_equal(path, "/dev/cpu/msr_batch");
	assert_int_equal(flags & O_ACCMODE, O_RDONLY);
	errno = machine.open_error;
	return machine.open_error ? -1 : BATCH_FD;
}

/* CPUs 0 and 1 are package 0, the others package 1. */
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	static char texts[2][8] = { "0\n", "1\n" };
	static char online[16];
	unsigned int cpu;

	(void)mode;
	if (!strcmp(path, "/sys/devices/system/cpu/online")) {
		strcpy(online, is_online(0) ? "0-3\n" : "1-3\n");
		return fmemopen(online, strlen(online), "r");
	}
	assert_int_equal(sscanf(path, "/sys/devices/system/cpu/cpu%u/topology/physical_package_id",
				&cpu),
			 1);
	assert_true(cpu < CPUS);
	return fmemopen(texts[cpu / 2], strlen(texts[cpu / 2]), "r");
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = machine.time;
	ts->tv_nsec = (machine.time - ts->tv_sec) * 1e9;
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *left)
{
	(void)clock;
	(void)left;
	assert_int_equal(flags, TIMER_ABSTIME);
	machine.time = until->tv_sec + until->tv_nsec / 1e9 + machine.late;
	return 0;
}

static int read_register(struct msr_batch_op *op)
{
	double joules = machine.watts[op->cpu / 2] * machine.time;

	if (!is_online(op->cpu))
		return -ENXIO;
	if (op->msr == machine.unit_msr) {
		op->msrdata = machine.unit;
		return 0;
	}
	if (op->msr != machine.energy_msr)
		return -EACCES;
	if (machine.error)
		return machine.error;
	op->msrdata = (uint32_t)(machine.energy +
				 (uint64_t)(joules * (1 << (machine.unit >> 8 & 0x1F)) + 0.5));
	return 0;
}

int __wrap_ioctl(int fd, unsigned long command, struct msr_batch_array *batch);
int __wrap_ioctl(int fd, unsigned long command, struct msr_batch_array *batch)
{
	unsigned int i;
	int error = 0;

	assert_int_equal(fd, BATCH_FD);
	assert_int_equal(command, X86_IOC_MSR_BATCH);
	assert_int_equal(batch->numops, 4); /* of both packages at once */
	if (machine.ioctl_error) {
		errno = machine.ioctl_error;
		return -1;
	}
	for (i = 0; i < batch->numops; i++) {
		assert_int_not_equal(batch->ops[i].isrdmsr, 0);
		batch->ops[i].err = read_register(&batch->ops[i]);
		if (batch->ops[i].err && !error)
			error = -batch->ops[i].err;
	}
	errno = error;
	return error ? -1 : 0;
}

static char said[1 << 14];

/* Runs power in a child; its exit status, and in said what it printed */
static int run_words(char **words)
{
	int output[2];
	size_t len = 0;
	int count = 0;
	ssize_t got;
	int status;
	pid_t pid;

	while (words[count])
		count++;
	assert_int_equal(pipe(output), 0);
	pid = fork();
	if (pid == 0) {
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[0]);
		exit(__real_main(count, words));
	}
	close(output[1]);
	while ((got = read(output[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += got;
	said[len] = '\0';
	close(output[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(...) run_words((char *[]){ "power", __VA_ARGS__, NULL })

static void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: \"%s\", but: %s", text, said);
}

static void set_vendor(const char *vendor)
{
	memcpy(&vendor_ebx, vendor, 4);
	memcpy(&vendor_edx, vendor + 4, 4);
	memcpy(&vendor_ecx, vendor + 8, 4);
}

/* A server of Intel's, with two packages */
static int prepare(void **state)
{
	(void)state;
	set_vendor("GenuineIntel");
	model_eax = 0x606A6;
	machine = (struct machine){
		.unit_msr = 0x606,
		.energy_msr = 0x611,
		.unit = 0xA0E03,
		.watts = { 95.5, 250 },
		.time = 1000,
	};
	return 0;
}

TEST(each_package_has_its_watts_each_tick, prepare, NULL)
{
	assert_int_equal(RUN("-n", "2", "-i", "0.5"), 0);
	assert_string_equal(said, "Power of each package:\n"
				  "package 0   CPU 0                 95.50 W\n"
				  "package 1   CPU 2                250.00 W\n"
				  "Power of each package:\n"
				  "package 0   CPU 0                 95.50 W\n"
				  "package 1   CPU 2                250.00 W\n");
}

TEST(amd_and_hygon_have_registers_of_their_own, prepare, NULL)
{
	machine.unit_msr = 0xC0010299;
	machine.energy_msr = 0xC001029B;
	machine.unit = 0xA1003;
	set_vendor("AuthenticAMD");
	assert_int_equal(RUN("-n", "1"), 0);
	assert_said(" 250.00 W\n");
	set_vendor("HygonGenuine");
	assert_int_equal(RUN("-n", "1"), 0);
	assert_said(" 95.50 W\n");
}

TEST(processors_that_are_not_known_are_refused, prepare, NULL)
{
	set_vendor("CentaurHauls");
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("CentaurHauls");
	set_vendor("GenuineIntel");
	model_eax = 0x30678;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("model 0x37: its unit of energy is not known");
}

TEST(a_counter_that_begins_again_is_no_matter, prepare, NULL)
{
	/* After 0.5 seconds of the second tick */
	machine.energy = UINT64_C(0x100000000) - (uint64_t)(95.5 * 1001.5 * 16384);
	assert_int_equal(RUN("-n", "3"), 0);
	assert_null(strstr(said, "too long"));
	assert_said("95.50 W\npackage 1   CPU 2                250.00 W\n"
		    "Power of each package:\n"
		    "package 0   CPU 0                 95.50 W\n");
}

TEST(an_interval_in_which_it_could_go_round_twice_is_wrong_usage, prepare, NULL)
{
	assert_int_equal(RUN("-n", "1", "-i", "65.5"), 0);
	assert_int_equal(RUN("-n", "1", "-i", "65.6"), 2);
	assert_said("the interval can be up to 65.5 seconds on this processor");
	machine.unit = 0xA1003;
	assert_int_equal(RUN("-n", "1", "-i", "16.3"), 0);
	assert_int_equal(RUN("-n", "1", "-i", "16.4"), 2);
	assert_said("the interval can be up to 16.3 seconds on this processor");
}

TEST(a_tick_that_is_much_too_late_has_no_watts, prepare, NULL)
{
	machine.late = 140;
	assert_int_equal(RUN("-n", "1"), 0);
	assert_said("package 0   CPU 0         too long a time\n");
}

TEST(when_a_cpu_goes_another_of_its_package_is_asked, prepare, NULL)
{
	machine.leaves = 1001.5;
	assert_int_equal(RUN("-n", "3"), 0);
	assert_string_equal(said, "Power of each package:\n"
				  "package 0   CPU 0                 95.50 W\n"
				  "package 1   CPU 2                250.00 W\n"
				  "Power of each package:\n"
				  "package 0   CPU 0                 offline\n"
				  "package 1   CPU 2                250.00 W\n"
				  "Power of each package:\n"
				  "package 0   CPU 1                 95.50 W\n"
				  "package 1   CPU 2                250.00 W\n");
}

TEST(a_unit_of_0_is_told, prepare, NULL)
{
	machine.unit = 0;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("register 0x606 of CPU 0 is 0, as in virtual machines");
}

TEST(a_register_that_is_not_there_is_told, prepare, NULL)
{
	machine.error = -EIO;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("CPU 0 has no register 0x611: it does not tell its power");
}

TEST(the_lines_that_the_list_needs_are_told, prepare, NULL)
{
	machine.error = -EACCES;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("register 0x611 is not in the allowlist\n");
	assert_said("\n0x606 0x0\n0x611 0x0\n");
}

TEST(a_device_that_cannot_be_used_is_told_with_advice, prepare, NULL)
{
	machine.open_error = ENOENT;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("Is the module loaded?");
	machine.open_error = EACCES;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("Ask the administrator");
	machine.open_error = 0;
	machine.ioctl_error = ENOPROTOOPT;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("compare\nmsr_version.h with /dev/cpu/msr_safe_version");
}

TEST(wrong_usage_is_told, prepare, NULL)
{
	assert_int_equal(RUN("-n", "0"), 2);
	assert_int_equal(RUN("-n", "-1"), 2);
	assert_int_equal(RUN("-n", "1x"), 2);
	assert_int_equal(RUN("-i", "0"), 2);
	assert_int_equal(RUN("-i", "nan"), 2);
	assert_int_equal(RUN("-x"), 2);
	assert_int_equal(RUN("word"), 2);
	assert_said("Usage: power");
	assert_int_equal(RUN("--help"), 0);
	assert_said("Usage: power");
}
