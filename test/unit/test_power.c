// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-power, on a machine that is played.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "play.h"

/* The counters of the machine: of packages, memory and platform, or of cores */
static struct {
	uint32_t unit_msr;
	uint64_t units;
	struct {
		uint32_t msr;
		double unit; /* joules */
		double watts[2]; /* of each package; of each core, if it is one of those */
		int error;
	} domains[4];
	int unit_error;
	uint32_t first; /* what all counters began with */
} counters;

static int read_counter(unsigned int cpu, uint32_t msr, uint64_t *value)
{
	unsigned int i;

	if (msr == counters.unit_msr) {
		*value = counters.units;
		return counters.unit_error;
	}
	for (i = 0; i < 4; i++) {
		if (counters.domains[i].msr != msr)
			continue;
		*value = counters.domains[i].watts[play_package(cpu)] * play->time /
				 counters.domains[i].unit +
			 0.5;
		/* Bits above the counter do not matter. */
		*value = (uint32_t)(*value + counters.first) | UINT64_C(0xABC) << 32;
		return counters.domains[i].error;
	}
	return -EIO;
}

static int refuse_all(unsigned int cpu, uint32_t msr, uint64_t *value)
{
	(void)cpu;
	(void)msr;
	(void)value;
	return -EACCES;
}

/* A server of Intel: 2^-14 J, and 2^-16 J for memory */
static int be_ice_lake(void **state)
{
	play_begin(state);
	play->read = read_counter;
	memset(&counters, 0, sizeof(counters));
	counters.unit_msr = 0x606;
	counters.units = 0xA0E03;
	counters.domains[0].msr = 0x611;
	counters.domains[0].unit = 1.0 / (1 << 14);
	counters.domains[0].watts[0] = 95.5;
	counters.domains[0].watts[1] = 250;
	counters.domains[1].msr = 0x619;
	counters.domains[1].unit = 1.0 / (1 << 16);
	counters.domains[1].watts[0] = 12.25;
	counters.domains[1].watts[1] = 30;
	return 0;
}

#define RUN(...) play_run((char *[]){ "msr-power", __VA_ARGS__, NULL })

TEST(each_interval_has_the_watts_of_each_domain, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "2", "-i", "0.5"), 0);
	assert_string_equal(said, "PACKAGE  DOMAIN         WATTS       JOULES\n"
				  "0        package        95.50       47.750\n"
				  "0        dram           12.25        6.125\n"
				  "1        package       250.00      125.000\n"
				  "1        dram           30.00       15.000\n\n"
				  "PACKAGE  DOMAIN         WATTS       JOULES\n"
				  "0        package        95.50       47.750\n"
				  "0        dram           12.25        6.125\n"
				  "1        package       250.00      125.000\n"
				  "1        dram           30.00       15.000\n\n");
	/* One batch for all, at the start and at each tick */
	assert_int_equal(play->batches, 3);
}

/* What every family counts in, by its registers or by the manual */
TEST(every_family_has_its_units, be_ice_lake, play_end)
{
	static const struct {
		struct processor_id id;
		uint64_t units;
		double package, dram, platform; /* joules */
	} families[] = {
		{ { "intel", 6, 0x2A }, 0xA1003, 1.0 / (1 << 16), 0, 0 }, /* Sandy Bridge */
		{ { "intel", 6, 0x2D }, 0xA1003, 1.0 / (1 << 16), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x3E }, 0xA1003, 1.0 / (1 << 16), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x3C },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 14),
		  0 }, /* Haswell */
		{ { "intel", 6, 0x3F }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x4F }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x56 }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x5E },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 14),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0x55 },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 16),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0x6A },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 16),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0x6C },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 16),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0x8F }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 14), 1 },
		{ { "intel", 6, 0xCF }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 14), 1 },
		{ { "intel", 6, 0x97 },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 14),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0xAD }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 14), 1 },
		{ { "intel", 6, 0xAF },
		  0xA0E03,
		  1.0 / (1 << 14),
		  1.0 / (1 << 14),
		  1.0 / (1 << 14) },
		{ { "intel", 6, 0x57 }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 16), 0 },
		{ { "intel", 6, 0x85 }, 0xA0E03, 1.0 / (1 << 14), 1.0 / (1 << 16), 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		be_ice_lake(NULL);
		play->processor = families[i].id;
		counters.units = families[i].units;
		counters.domains[0].unit = families[i].package;
		counters.domains[1].unit = families[i].dram;
		if (!families[i].dram)
			counters.domains[1].msr = 0;
		if (families[i].platform) {
			counters.domains[2].msr = 0x64D;
			counters.domains[2].unit = families[i].platform;
			counters.domains[2].watts[0] = 600;
		}
		if (RUN("-n", "1", "-i", "10"))
			fail_msg("model 0x%X: %s", families[i].id.model, said);
		assert_said("0        package        95.50      955.000\n");
		if (families[i].dram)
			assert_said("0        dram           12.25      122.500\n");
		else
			assert_not_said("dram");
		if (families[i].platform)
			assert_said("0        platform      600.00     6000.000\n");
		else
			assert_not_said("platform");
	}
}

static void be_amd(unsigned int family)
{
	be_ice_lake(NULL);
	play->processor = (struct processor_id){ "amd", family, 1 };
	play->threads = 2;
	counters.unit_msr = 0xC0010299;
	counters.units = 0xA1003;
	counters.domains[0].msr = 0xC001029B;
	counters.domains[0].unit = 1.0 / (1 << 16);
	counters.domains[1].msr = 0xC001029A;
	counters.domains[1].unit = 1.0 / (1 << 16);
}

TEST(the_cores_of_amd_are_added_up, NULL, play_end)
{
	static const unsigned int families[] = { 0x17, 0x19, 0x1A };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		be_amd(families[i]);
		assert_int_equal(RUN("-n", "1", "-i", "2"), 0);
		assert_string_equal(said, "PACKAGE  DOMAIN         WATTS       JOULES\n"
					  "0        package        95.50      191.000\n"
					  "0        cores          24.50       49.000\n"
					  "1        package       250.00      500.000\n"
					  "1        cores          60.00      120.000\n\n");
	}
	be_amd(0x18);
	play->processor.maker = "hygon";
	assert_int_equal(RUN("-n", "1"), 0);
	assert_said("1        package       250.00");
}

TEST(each_die_of_intel_has_counters_of_its_own, be_ice_lake, play_end)
{
	play->packages = 1;
	play->dies = 2;
	counters.domains[1].msr = 0;
	assert_int_equal(RUN("-n", "1"), 0);
	assert_string_equal(said, "PACKAGE  DOMAIN         WATTS       JOULES\n"
				  "0        package        95.50       95.500\n"
				  "0.1      package        95.50       95.500\n\n");
}

TEST(a_counter_that_wraps_is_no_matter, be_ice_lake, play_end)
{
	/* Half a second after the start */
	counters.first = UINT64_C(0x100000000) - (uint32_t)(uint64_t)(95.5 * 1000.5 * 16384);
	assert_int_equal(RUN("-n", "3"), 0);
	assert_not_said(" -");
	assert_said("0        package        95.50       95.500\n");
}

TEST(an_interval_can_be_longer_than_a_counter_takes_to_wrap, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "1", "-i", "86400"), 0);
	assert_said("0        package        95.50  8251200.000\n");
	assert_said("1        package       250.00 21600000.000\n");
	assert_said("0        dram           12.25  1058400.000\n");
	/* Memory wraps after 32.8 seconds at 2000 W. */
	assert_in_range(play->batches, 86400 / 16.4, 86400 / 16);
}

TEST(a_time_that_is_too_long_has_no_watts, be_ice_lake, play_end)
{
	play->late = 140; /* as if the machine had slept */
	assert_int_equal(RUN("-n", "1"), 0);
	assert_said("0        package            -            -\n");
}

TEST(when_a_cpu_goes_another_of_its_package_is_asked, be_ice_lake, play_end)
{
	play->leaves = 1001.5;
	assert_int_equal(RUN("-n", "4"), 0);
	assert_string_equal(strstr(said, "-"), "-            -\n"
					       "0        dram               -            -\n"
					       "1        package       250.00      250.000\n"
					       "1        dram           30.00       30.000\n\n"
					       "PACKAGE  DOMAIN         WATTS       JOULES\n"
					       "0        package        95.50      191.000\n"
					       "0        dram           12.25       24.500\n"
					       "1        package       250.00      250.000\n"
					       "1        dram           30.00       30.000\n\n"
					       "PACKAGE  DOMAIN         WATTS       JOULES\n"
					       "0        package        95.50       95.500\n"
					       "0        dram           12.25       12.250\n"
					       "1        package       250.00      250.000\n"
					       "1        dram           30.00       30.000\n\n");
}

TEST(a_command_is_told_what_it_used, be_ice_lake, play_end)
{
	play->command_ends = 1100.25;
	play->command_status = 7;
	assert_int_equal(RUN("--", "stream", "-x"), 7);
	assert_string_equal(play->command, "stream");
	assert_string_equal(said, "\n Energy used while 'stream' ran:\n\n"
				  "         9573.88 J  package   of package 0          95.50 W\n"
				  "         1228.06 J  dram      of package 0          12.25 W\n"
				  "        25062.50 J  package   of package 1         250.00 W\n"
				  "         3007.50 J  dram      of package 1          30.00 W\n\n"
				  "      100.250000 seconds elapsed\n\n");
	/* No more often than counters need: twice while memory's could wrap */
	assert_in_range(play->batches, 7, 9);
}

TEST(with_a_command_and_a_format_each_interval_is_printed, be_ice_lake, play_end)
{
	play->command_ends = 1002.5;
	counters.domains[1].msr = 0;
	play->packages = 1;
	assert_int_equal(RUN("--csv", "--", "stream"), 0);
	assert_said("time_s,seconds,package,domain,watts,joules\n"
		    "1.000,1.000000,0,package,95.5");
	assert_said("\n2.500,0.500000,0,package,95.5");
	assert_said("          238.75 J  package   of package 0");
}

TEST(sigterm_ends_the_command_too, be_ice_lake, play_end)
{
	play->command_ends = 5000;
	play->stops = 1010;
	assert_int_equal(RUN("--", "stream"), 128 + 15);
	assert_int_equal(play->signalled, 15);
	assert_said("       10.000000 seconds elapsed");
}

TEST(without_a_command_sigterm_ends_it_well, be_ice_lake, play_end)
{
	play->stops = 1002.5;
	assert_int_equal(RUN("-i", "1"), 0);
}

TEST(csv_has_a_line_for_each_domain, be_ice_lake, play_end)
{
	play->late = 0;
	assert_int_equal(RUN("--csv", "-n", "1", "-i", "2"), 0);
	assert_string_equal(said, "time_s,seconds,package,domain,watts,joules\n"
				  "2.000,2.000000,0,package,95.500000,191.000000\n"
				  "2.000,2.000000,0,dram,12.250000,24.500000\n"
				  "2.000,2.000000,1,package,250.000000,500.000000\n"
				  "2.000,2.000000,1,dram,30.000000,60.000000\n");
	play->late = 500;
	assert_int_equal(RUN("--csv", "-n", "1"), 0);
	assert_said("\n501.000,,0,package,,\n");
}

TEST(json_has_an_object_for_each_interval, be_ice_lake, play_end)
{
	play->packages = 1;
	assert_int_equal(RUN("--json", "-n", "2", "-i", "4"), 0);
	assert_said(
		"{\"time_s\": 4.000, \"domains\": [{\"package\": \"0\", \"domain\": \"package\", "
		"\"seconds\": 4.000000, \"watts\": 95.5");
	assert_said("}, {\"package\": \"0\", \"domain\": \"dram\", ");
	assert_said("}]}\n{\"time_s\": 8.000, ");
	play->late = 500;
	assert_int_equal(RUN("--json", "-n", "1"), 0);
	assert_said("\"seconds\": null, \"watts\": null, \"joules\": null}");
}

#define PROM "build/unit/power.prom"

static char *metrics(void)
{
	static char text[1 << 16];
	int fd = open(PROM, O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static double metric(const char *name)
{
	const char *line = metrics();
	double value;

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, strlen(name)) == 0) {
			assert_int_equal(sscanf(line + strlen(name), " %lf", &value), 1);
			return value;
		}
	}
	return -1;
}

#define TOTAL "msr_power_joules_total{package=\"0\",die=\"0\",domain=\"package\"}"
#define WATTS "msr_power_watts{package=\"0\",die=\"0\",domain=\"package\"}"
#define GAPS "msr_power_gaps_total{package=\"0\",die=\"0\",domain=\"package\"}"

TEST(metrics_go_on_counting_from_one_run_to_the_next, be_ice_lake, play_end)
{
	struct stat stat_of;
	double time;

	unlink(PROM);
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	assert_string_equal(said, "");
	assert_true(metric(TOTAL) == 0);
	assert_true(metric(WATTS) == -1); /* one read tells no power */
	assert_int_equal(stat(PROM, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, 0644);
	for (time = 1015; time < 1200; time += 15) {
		play->time = time;
		assert_int_equal(RUN("--openmetrics", PROM), 0);
		assert_true(metric(TOTAL) > 95.49 * (time - 1000));
		assert_true(metric(TOTAL) < 95.51 * (time - 1000));
		assert_true(metric(WATTS) > 95.49 && metric(WATTS) < 95.51);
	}
	assert_true(metric(GAPS) == 0);
	/* Far too long: the counter may have wrapped. */
	time = metric(TOTAL);
	play->time += 1000;
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	assert_true(metric(TOTAL) == time);
	assert_true(metric(GAPS) == 1);
	assert_true(metric(WATTS) == -1);
}

TEST(metrics_of_another_boot_are_no_base_for_counters, be_ice_lake, play_end)
{
	char *text, *id;
	FILE *file;

	unlink(PROM);
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	play->time += 10;
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	assert_true(metric(TOTAL) > 954);
	text = metrics();
	id = strstr(text, "boot_id=\"");
	assert_non_null(id);
	id[9] = id[9] == '1' ? '2' : '1';
	file = fopen(PROM, "w");
	fputs(text, file);
	fclose(file);
	play->time += 10;
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	assert_true(metric(TOTAL) > 954 && metric(TOTAL) < 956);
	assert_true(metric(GAPS) == 0);
}

TEST(a_file_that_is_no_metrics_is_replaced, be_ice_lake, play_end)
{
	FILE *file = fopen(PROM, "w");

	fputs("msr_power_joules_total{package=\"0\",die=\"0\",domain=\"package\"} 5\nrubbish\n",
	      file);
	fclose(file);
	assert_int_equal(RUN("--openmetrics", PROM), 0);
	assert_true(metric(TOTAL) == 0);
}

TEST(metrics_are_written_each_interval, be_ice_lake, play_end)
{
	unlink(PROM);
	assert_int_equal(RUN("--openmetrics", PROM, "-i", "10", "-n", "3"), 0);
	assert_true(metric(TOTAL) > 2864 && metric(TOTAL) < 2866);
	assert_true(metric("msr_power_read_boottime_seconds") > 1029.9);
}

TEST(metrics_that_cannot_be_written_are_told, be_ice_lake, play_end)
{
	assert_int_equal(RUN("--openmetrics", "/nonexistent/x.prom"), 1);
	assert_string_equal(said, "msr-power: /nonexistent/x.prom: No such file or directory\n");
}

TEST(processors_that_are_not_known_are_refused, be_ice_lake, play_end)
{
	play->processor = (struct processor_id){ "", 6, 0xF };
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("the energy counters of this processor are not known");
	play->processor = (struct processor_id){ "intel", 6, 0x37 };
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("an Atom of model 0x37: its unit of energy is not known");
}

TEST(a_unit_of_0_is_told, be_ice_lake, play_end)
{
	counters.units = 0;
	play->processor.model = 0x3C;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("register 0x606 of CPU 0 is 0, as in virtual machines");
}

TEST(registers_that_are_not_there_are_told, be_ice_lake, play_end)
{
	counters.domains[0].error = -EIO;
	counters.domains[1].error = -EIO;
	assert_int_equal(RUN("-n", "1"), 1);
	assert_said("the processor has no energy counters");
}

TEST(the_lines_that_the_list_needs_are_told, be_ice_lake, play_end)
{
	counters.domains[0].error = -EACCES;
	counters.domains[1].error = -EACCES;
	counters.unit_error = -EACCES;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("msr-power: 0x00000611 0x0000000000000000\n");
	assert_said("msr-power: 0x00000606 0x0000000000000000\n");
	/* A register that the processor lacks is no line of its list. */
	play->read = refuse_all;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("msr-power: 0x0000064D 0x0000000000000000\n");
	assert_not_said("0x00000641");
	assert_not_said("0x00000639");
	/* Domains that are listed are shown all the same. */
	be_ice_lake(NULL);
	counters.domains[0].error = -EACCES;
	assert_int_equal(RUN("-n", "2"), 0);
	assert_said("0        dram           12.25");
	assert_ptr_equal(strstr(strstr(said, "0x00000611") + 1, "0x00000611"), NULL);
}

TEST(a_device_that_cannot_be_used_is_told_with_advice, be_ice_lake, play_end)
{
	play->open_error = ENOENT;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("modprobe msr-safe");
	play->open_error = 0;
	play->batch_error = ENOPROTOOPT;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said("the module has another version");
}

TEST(wrong_usage_is_told, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "0"), 2);
	assert_said("Try 'msr-power --help' for more information.");
	assert_int_equal(RUN("-n", "-1"), 2);
	assert_int_equal(RUN("-n", "1x"), 2);
	assert_int_equal(RUN("-i", "0"), 2);
	assert_int_equal(RUN("-i", "x"), 2);
	assert_int_equal(RUN("-i", "1e9"), 2);
	assert_int_equal(RUN("stream"), 2);
	assert_int_equal(RUN("--"), 2);
	assert_int_equal(RUN("--openmetrics", "x", "--csv"), 2);
	assert_int_equal(RUN("--openmetrics", "x", "--", "true"), 2);
	assert_int_equal(RUN("--no-such"), 2);
	assert_int_equal(play->opens, 0);
	assert_int_equal(RUN("--help"), 0);
	assert_int_equal(RUN("--version"), 0);
	assert_said("msr-power 2.");
}
