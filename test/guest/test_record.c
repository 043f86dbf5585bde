// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-record, by what it writes and says.
 */

#include <pthread.h>
#include <signal.h>

#include "guest.h"
#include "shell.h"

/* Where there was no time for an operation, its column is empty, and so are all that follow. */
static bool is_line(const char *values, size_t len, const char *expected)
{
	const char *end = values + len;
	bool empty = false;

	while (*expected) {
		size_t width = 1 + strcspn(expected + 1, ",");

		if (values == end || *values != ',')
			return false;
		empty = empty || values + 1 == end || values[1] == ',';
		if (!empty && ((size_t)(end - values) < width || memcmp(values, expected, width)))
			return false;
		values += empty ? 1 : width;
		expected += width;
	}
	return values == end;
}

/* Lines of CSV behind the head, each of which must have these values at its end, %u for its CPU */
static unsigned int check_lines(const char *csv, const char *values)
{
	unsigned int lines = 0;
	const char *line = strchr(csv, '\n');

	while (line && line[1]) {
		const char *next = strchr(line + 1, '\n');
		unsigned long long ns, cpu, tick, cycles;
		char expected[128];
		int at = 0;

		assert_non_null(next);
		assert_int_equal(sscanf(line + 1, "%llu,%llu,%llu,%llu%n", &ns, &cpu, &tick,
					&cycles, &at),
				 4);
		snprintf(expected, sizeof(expected), values, (unsigned int)cpu);
		assert_true(is_line(line + 1 + at, next - line - 1 - at, expected));
		line = next;
		lines++;
	}
	return lines;
}

TEST(it_records_registers_of_cpus_as_csv, use_tables, NULL)
{
	poke(1, STORE_C, 0);
	poke(3, STORE_C, 0);
	assert_int_equal(run("./msr-record -q -c 1,3 -r 200 -d 0.5 0xC0000103 0x40a"), 0);
	assert_int_equal(strncmp(text, "time_ns,cpu,tick,cycles,0xC0000103,0x40a\n", 41), 0);
	assert_true(check_lines(text, ",%u,0") > 20);
}

TEST(it_takes_names_of_registers, use_tables, NULL)
{
	load_list("0xE7 0\n0xE8 0\n0x10 0\n");
	assert_int_equal(
		run("./msr-record -q -c 0 -r 100 -d 0.1 mperf IA32_APERF MSR_TSC 0x10 2>&1"), 2);
	assert_non_null(strstr(text, "no register has this name: MSR_TSC"));
	assert_int_equal(run("./msr-record -q -c 0 -r 100 -d 0.1 mperf IA32_APERF"), 0);
	assert_int_equal(strncmp(text, "time_ns,cpu,tick,cycles,mperf,IA32_APERF\n", 41), 0);
}

TEST(it_records_while_a_command_runs_and_ends_with_its_status, use_tables, NULL)
{
	assert_int_equal(
		run("./msr-record -c 2 -o /tmp/out.csv 0xC0000103 -- sh -c 'sleep 1; exit 7' 2>&1"),
		7);
	assert_non_null(strstr(text, " samples of 1 CPUs; missing: "));
	assert_int_equal(run("cat /tmp/out.csv"), 0);
	assert_true(check_lines(text, ",2") > 10);
	assert_int_equal(run("./msr-record -q -c 2 0xC0000103 -- ./no-such-command 2>&1"), 127);
	assert_int_equal(run("./msr-record -q -c 2 0xC0000103 -- sh -c 'kill -9 $$'"), 137);
	unlink("/tmp/out.csv");
}

TEST(what_it_says_is_missing_and_what_it_wrote_are_all_points, use_tables, NULL)
{
	unsigned long samples, cpus, late, throttled, offline, lost;
	unsigned int lines;
	char *line;

	assert_int_equal(run("./msr-record -c 0-3 -r 5000 -d 1 -o /tmp/out.csv 0xC0000103 2>&1"),
			 0);
	assert_int_equal(sscanf(text,
				"%lu samples of %lu CPUs; missing: %lu late, %lu throttled, "
				"%lu offline, %lu lost",
				&samples, &cpus, &late, &throttled, &offline, &lost),
			 6);
	assert_int_equal(strstr(text, "No sample is missing") != NULL,
			 late + throttled + offline + lost == 0);
	assert_int_equal(run("cat /tmp/out.csv"), 0);
	lines = check_lines(text, ",%u");
	assert_int_equal(lines, samples);
	/* Each CPU has its last point, or one before that is counted: ticks are those of all. */
	line = strrchr(text, '\n');
	assert_non_null(line);
	assert_int_equal(cpus, 4);
	assert_in_range(samples + late + throttled + offline + lost, 4 * 4500, 4 * 200000);
	unlink("/tmp/out.csv");
}

static int set_parameter(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/msr_safe/parameters/%s", name);
	return write_file(path, value);
}

static int defaults(void **state)
{
	(void)state;
	set_online(2, true);
	set_online(3, true);
	return set_parameter("sample_max_hz", "10000") || set_parameter("sample_permille", "50");
}

TEST(a_rate_above_sample_max_hz_is_throttled, use_tables, defaults)
{
	unsigned long samples, cpus, late, throttled;

	assert_int_equal(set_parameter("sample_max_hz", "100"), 0);
	assert_int_equal(run("./msr-record -c 0 -r 2000 -d 1 0xC0000103 2>&1 > /dev/null"), 0);
	assert_int_equal(sscanf(text, "%lu samples of %lu CPUs; missing: %lu late, %lu throttled,",
				&samples, &cpus, &late, &throttled),
			 4);
	assert_in_range(samples, 1, 200);
	assert_in_range(throttled, 1000, 20000);
}

TEST(with_strict_a_sample_that_is_missing_is_1, use_tables, defaults)
{
	assert_int_equal(set_parameter("sample_max_hz", "10"), 0);
	assert_int_equal(run("./msr-record -q -c 0 -r 1000 -d 0.5 0xC0000103"), 0);
	assert_int_equal(run("./msr-record -q --strict -c 0 -r 1000 -d 0.5 0xC0000103"), 1);
}

TEST(sampling_that_is_turned_off_is_told, use_tables, defaults)
{
	assert_int_equal(set_parameter("sample_permille", "0"), 0);
	assert_int_equal(run("./msr-record -c 0 0x402 2>&1"), 3);
	assert_string_equal(text, "msr-record: sampling is turned off: sample_permille of the "
				  "module is 0\n");
	assert_int_equal(set_parameter("sample_max_hz", "0"), 0);
	assert_int_equal(run("./msr-record -c 0 0x402 2>&1"), 3);
	assert_string_equal(text, "msr-record: sampling is turned off: sample_max_hz of the "
				  "module is 0\n");
}

TEST(a_compact_file_converts_to_the_same, use_tables, NULL)
{
	poke(1, STORE_A, 0x1234567890);
	assert_int_equal(
		run("./msr-record -q -b -c 1 -r 500 -d 0.5 -o /tmp/out.msr 0x402 0xC0000103"), 0);
	assert_int_equal(run("./msr-record --convert /tmp/out.msr"), 0);
	assert_int_equal(strncmp(text, "time_ns,cpu,tick,cycles,0x402,0xC0000103\n", 41), 0);
	assert_true(check_lines(text, ",78187493520,%u") > 50);

	/* One that ends in the middle of a record has all those before it. */
	assert_int_equal(run("head -c -5 /tmp/out.msr > /tmp/cut.msr; "
			     "./msr-record --convert /tmp/cut.msr -o /tmp/cut.csv 2>&1"),
			 1);
	assert_non_null(strstr(text, "/tmp/cut.msr: the last record is not whole"));
	assert_int_equal(run("cat /tmp/cut.csv"), 0);
	assert_true(check_lines(text, ",78187493520,%u") > 50);
	assert_int_equal(
		run("echo nothing > /tmp/cut.msr; ./msr-record --convert /tmp/cut.msr 2>&1"), 3);
	assert_non_null(strstr(text, "not a file that msr-record --binary has written"));
	assert_int_equal(run("rm /tmp/cut.* /tmp/out.*"), 0);
}

static void *change_again_and_again(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 1; i <= 20; i++) {
		usleep(40000);
		poke(1, STORE_A, i);
	}
	return NULL;
}

TEST(on_change_there_is_a_line_for_each_value, use_tables, NULL)
{
	pthread_t thread;
	unsigned int i, seen = 0;

	poke(1, STORE_A, 0);
	assert_int_equal(pthread_create(&thread, NULL, change_again_and_again, NULL), 0);
	assert_int_equal(run("./msr-record -q -c 1 -r 2000 -e 0.002 -d 3 0x402"), 0);
	pthread_join(thread, NULL);
	for (i = 1; i <= 20; i++) {
		char value[16];

		snprintf(value, sizeof(value), ",%u\n", i);
		seen += strstr(text, value) != NULL;
	}
	assert_true(seen >= 15);
}

static int interrupt(void *arg)
{
	(void)arg;
	return run(
		"sh -c './msr-record -c 0 -o /tmp/out.csv 0xC0000103 2>&1 & sleep 1; kill -INT $!; "
		"wait $!'");
}

TEST(interrupted_it_ends_in_order, use_tables, NULL)
{
	assert_int_equal(interrupt(NULL), 0);
	assert_non_null(strstr(text, " samples of 1 CPUs; missing: "));
	assert_int_equal(run("cat /tmp/out.csv"), 0);
	assert_true(check_lines(text, ",0") > 10);
	unlink("/tmp/out.csv");
}

TEST(what_cannot_be_recorded_says_why_and_is_3, use_tables, NULL)
{
	assert_int_equal(run("./msr-record -c 2 0x402 0x40e 2>&1"), 3);
	assert_non_null(strstr(text, "0x40e on CPU 2: not in the allowlist"));
	assert_int_equal(run("./msr-record -c 77 0x402 2>&1"), 3);
	assert_non_null(strstr(text, "0x402 on CPU 77: no such CPU, or offline"));
	assert_int_equal(run("./msr-record -c 0 -o /no/such/file 0x402 2>&1"), 3);
	assert_non_null(strstr(text, "/no/such/file: No such file"));
	assert_int_equal(run("./msr-record -c 0 -d 1 -r 1000 0x402 2>&1 > /dev/full"), 1);
	assert_non_null(strstr(text, "standard output: No space left on device"));
}

static void *clear_soon(void *arg)
{
	usleep(500000);
	load_list("0x40a 0\n");
	return arg;
}

TEST(a_list_that_ends_the_session_is_told, use_tables, NULL)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, clear_soon, NULL), 0);
	assert_int_equal(run("./msr-record -q -c 0 -d 20 0x402 2>&1 > /dev/null"), 1);
	pthread_join(thread, NULL);
	assert_string_equal(text, "msr-record: a new allowlist has ended the session\n");
}

static void *turn_off_soon(void *arg)
{
	usleep(500000);
	set_parameter("sample_max_hz", "0");
	return arg;
}

TEST(sampling_that_is_turned_off_meanwhile_ends_the_record, use_tables, defaults)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, turn_off_soon, NULL), 0);
	assert_int_equal(run("./msr-record -q -c 0,1 -d 20 0x402 2>&1 > /dev/null"), 1);
	pthread_join(thread, NULL);
	assert_string_equal(
		text, "msr-record: sampling is turned off: sample_max_hz of the module is 0\n");
}

static void *take_cpus_offline_soon(void *arg)
{
	usleep(500000);
	set_online(3, false);
	set_online(2, false);
	return arg;
}

TEST(a_cpu_that_goes_offline_is_counted_and_the_others_go_on, use_tables, defaults)
{
	unsigned long samples, cpus, late, throttled, offline;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, take_cpus_offline_soon, NULL), 0);
	assert_int_equal(run("./msr-record -c 0,3 -r 100 -d 3 0x402 2>&1 > /dev/null"), 0);
	pthread_join(thread, NULL);
	assert_int_equal(sscanf(text,
				"%lu samples of %lu CPUs; missing: %lu late, %lu throttled, "
				"%lu offline,",
				&samples, &cpus, &late, &throttled, &offline),
			 5);
	/* Each of the two has 300 points or more. */
	assert_true(offline > 50);
	assert_true(samples + late + throttled >= 300);
}

TEST(when_all_cpus_go_offline_the_record_ends, use_tables, defaults)
{
	uint64_t before = now_ns();
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, take_cpus_offline_soon, NULL), 0);
	assert_int_equal(run("./msr-record -q -c 2,3 -d 100 0x402 2>&1 > /dev/null"), 1);
	pthread_join(thread, NULL);
	assert_string_equal(text, "msr-record: sampling has ended: the CPUs are offline\n");
	assert_true(now_ns() - before < UINT64_C(60000000000));
}

static int record_refused(void *arg)
{
	(void)arg;
	return run("./msr-record -c 0 0x402 2>&1") == 3 &&
			       strstr(text, "/dev/cpu/msr_sample: Permission denied") ?
		       0 :
		       1;
}

TEST(without_permission_it_says_so, use_tables, NULL)
{
	assert_int_equal(in_child(true, record_refused, NULL), 0);
}

TEST(wrong_usage_is_2_and_says_where_help_is, use_tables, NULL)
{
	static const char *const wrong[] = {
		"",
		"-c x 0x10",
		"-r 0 0x10",
		"-r 100001 0x10",
		"-r 1x 0x10",
		"-d 0 0x10",
		"-e 0 0x10",
		"-r 100 -e 0.001 0x10",
		"-x 0x10",
		"--convert /tmp/x 0x10",
		"--convert /tmp/x -b",
		"0x100000000",
		"12x",
		"0x10 --",
		"-c '' 0x10",
		"NO_SUCH",
		"0x10,0x11",
	};
	char command[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(command, sizeof(command), "./msr-record %s 2>&1", wrong[i]);
		assert_int_equal(run(command), 2);
		assert_non_null(strstr(text, "Try 'msr-record --help' for more information.\n"));
	}
}

TEST_PROGRAM(NULL, NULL)
