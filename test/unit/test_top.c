// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-top, on a machine that is played; a real terminal is for test/guest/test_top.c.
 */

#include "play.h"

#define TSC_HZ 2.5e9

/* What CPU n does: its part of a second awake, and how fast it then is */
static double busy_of(unsigned int cpu)
{
	return 0.1 * (cpu % 8 + 1);
}

static double hz_of(unsigned int cpu)
{
	return 1e9 + cpu % 8 * 0.25e9;
}

static uint32_t unlisted[8], absent[8];
static double multiplier;

static bool is_in(const uint32_t *msrs, uint32_t msr)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (msrs[i] == msr)
			return true;
	return false;
}

static int read_register(unsigned int cpu, uint32_t msr, uint64_t *value)
{
	double time = play->time;

	if (is_in(unlisted, msr))
		return -EACCES;
	if (is_in(absent, msr))
		return -EIO;
	switch (msr) {
	case 0x10:
		*value = TSC_HZ * time;
		return 0;
	case 0xE7: /* MPERF */
		*value = TSC_HZ * busy_of(cpu) * time / multiplier;
		return 0;
	case 0xE8: /* APERF */
		*value = hz_of(cpu) * busy_of(cpu) * time / multiplier;
		return 0;
	case 0x19C: /* 31: valid; 22:16 */
		*value = 0x80000000 | (30 + cpu) << 16;
		return 0;
	case 0x1A2:
		*value = 100 << 16 | 5 << 24;
		return 0;
	case 0x1B1:
		*value = (20 + play_package(cpu)) << 16;
		return 0;
	case 0x3FD: /* C6: a tenth of the time */
	case 0x3FF:
		*value = TSC_HZ * 0.1 * time;
		return 0;
	case 0x660: /* C1 */
		*value = TSC_HZ * 0.05 * time;
		return 0;
	case 0x60D: /* PC2 */
		*value = TSC_HZ * 0.02 * time;
		return 0;
	case 0x3F9: /* PC6 */
		*value = TSC_HZ * 0.25 * time;
		return 0;
	case 0x621:
		*value = 18 + play_package(cpu);
		return 0;
	case 0x606:
		*value = 0xA0E03;
		return 0;
	case 0x611:
		*value = (uint32_t)(uint64_t)(100 * (play_package(cpu) + 1) * time * 16384);
		return 0;
	}
	return -EIO;
}

static int be_ice_lake(void **state)
{
	play_begin(state);
	play->read = read_register;
	memset(unlisted, 0, sizeof(unlisted));
	memset(absent, 0, sizeof(absent));
	multiplier = 1;
	return 0;
}

#define RUN(...) play_run((char *[]){ "msr-top", __VA_ARGS__, NULL })

TEST(a_table_has_all_packages_and_cpus, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "1"), 0);
	assert_string_equal(
		said,
		" PKG CORE   CPU   BUSY%  AVGMHZ  BZYMHZ    TEMP     C1%     C6% PKGTEMP  UNCMHZ    PC2%    PC6%    PKGW\n"
		"   -    -     -   25.00     375    1375      70    5.00   10.00      80    1850    2.00   25.00  300.00\n"
		"   0    -     -   15.00     175    1125      70    5.00   10.00      80    1800    2.00   25.00  100.00\n"
		"   1    -     -   35.00     575    1625      68    5.00   10.00      79    1900    2.00   25.00  200.00\n"
		"   0    0     0   10.00     100    1000      70    5.00   10.00       -       -       -       -       -\n"
		"   0    1     1   20.00     250    1250      69    5.00   10.00       -       -       -       -       -\n"
		"   1    0     2   30.00     450    1500      68    5.00   10.00       -       -       -       -       -\n"
		"   1    1     3   40.00     700    1750      67    5.00   10.00       -       -       -       -       -\n"
		"\n");
}

TEST(summary_leaves_out_cpus_and_columns_can_be_chosen, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "1", "--summary", "--columns", "package_watts,busy_percent"), 0);
	assert_string_equal(said, " PKG CORE   CPU   BUSY%    PKGW\n"
				  "   -    -     -   25.00  300.00\n"
				  "   0    -     -   15.00  100.00\n"
				  "   1    -     -   35.00  200.00\n\n");
}

TEST(rows_are_sorted_by_a_column, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "1", "--csv", "--sort", "busy_mhz", "--columns",
			     "busy_mhz,c6_percent"),
			 0);
	assert_string_equal(said, "time_s,row,package,core,cpu,busy_mhz,c6_percent\n"
				  "1.000,all,,,,1375,10.00\n"
				  "1.000,package,0,,,1125,10.00\n"
				  "1.000,package,1,,,1625,10.00\n"
				  "1.000,cpu,1,1,3,1750,10.00\n"
				  "1.000,cpu,1,0,2,1500,10.00\n"
				  "1.000,cpu,0,1,1,1250,10.00\n"
				  "1.000,cpu,0,0,0,1000,10.00\n");
}

TEST(json_has_an_object_for_each_view, be_ice_lake, play_end)
{
	play->packages = 1;
	assert_int_equal(RUN("-n", "2", "-d", "2", "--json", "--columns",
			     "busy_percent,package_watts"),
			 0);
	assert_string_equal(
		said,
		"{\"time_s\": 2.000, \"seconds\": 2.000000, \"all\": {\"busy_percent\": 15.00, "
		"\"package_watts\": 100.00}, \"packages\": [{\"package\": 0, \"die\": 0, "
		"\"busy_percent\": 15.00, \"package_watts\": 100.00}], \"cpus\": [{\"package\": 0, "
		"\"die\": 0, \"core\": 0, \"cpu\": 0, \"busy_percent\": 10.00}, {\"package\": 0, "
		"\"die\": 0, \"core\": 1, \"cpu\": 1, \"busy_percent\": 20.00}]}\n"
		"{\"time_s\": 4.000, \"seconds\": 2.000000, \"all\": {\"busy_percent\": 15.00, "
		"\"package_watts\": 100.00}, \"packages\": [{\"package\": 0, \"die\": 0, "
		"\"busy_percent\": 15.00, \"package_watts\": 100.00}], \"cpus\": [{\"package\": 0, "
		"\"die\": 0, \"core\": 0, \"cpu\": 0, \"busy_percent\": 10.00}, {\"package\": 0, "
		"\"die\": 0, \"core\": 1, \"cpu\": 1, \"busy_percent\": 20.00}]}\n");
}

TEST(a_view_is_one_batch_whatever_the_cpus, be_ice_lake, play_end)
{
	play->packages = 2;
	play->cores = 64;
	play->threads = 2;
	assert_int_equal(RUN("-n", "10", "--csv"), 0);
	/* Two to begin with, of which one finds what there is, and one each */
	assert_int_equal(play->batches, 12);
	/* Three of each thread, three of each core, and those of packages */
	assert_in_range(play->ops, 256 * 3 + 128 * 3, 256 * 3 + 128 * 3 + 2 * 12);
}

TEST(cores_share_what_threads_have_in_common, be_ice_lake, play_end)
{
	play->threads = 2;
	play->packages = 1;
	assert_int_equal(RUN("-n", "1", "--csv", "--columns", "core_celsius"), 0);
	assert_said(
		"1.000,cpu,0,0,0,70\n1.000,cpu,0,0,1,70\n1.000,cpu,0,1,2,68\n1.000,cpu,0,1,3,68\n");
}

TEST(what_the_list_lacks_is_said_once_and_the_rest_is_shown, be_ice_lake, play_end)
{
	unlisted[0] = 0x3FD;
	unlisted[1] = 0x611;
	assert_int_equal(RUN("-n", "2", "--csv"), 0);
	assert_said("msr-top: not in the allowlist: CORE_C6_RESIDENCY, PKG_ENERGY_STATUS\n");
	assert_said("time_s,row,package,core,cpu,busy_percent,avg_mhz,busy_mhz,core_celsius,"
		    "c1_percent,package_celsius,uncore_mhz,pc2_percent,pc6_percent\n");
	assert_ptr_equal(strstr(strstr(said, "not in") + 1, "not in"), NULL);
}

TEST(without_a_register_for_it_c1_is_the_rest, be_ice_lake, play_end)
{
	play->processor.model = 0x55; /* Skylake-SP has none */
	assert_int_equal(RUN("-n", "1", "--csv", "--columns", "c1_percent"), 0);
	assert_said("cpu,0,0,0,80.00\n");
	assert_said("cpu,1,1,3,50.00\n");
}

TEST(clocks_of_xeon_phi_are_counted_by_1024, be_ice_lake, play_end)
{
	play->processor.model = 0x57;
	multiplier = 1024;
	assert_int_equal(RUN("-n", "1", "--csv", "--columns", "busy_percent,busy_mhz,c6_percent"),
			 0);
	assert_said("cpu,0,0,0,10.00,1000,10.00\n");
}

TEST(amd_has_what_its_registers_tell, be_ice_lake, play_end)
{
	play->processor = (struct processor_id){ "amd", 0x19, 1 };
	assert_int_equal(RUN("-n", "1", "--csv"), 0);
	assert_said("time_s,row,package,core,cpu,busy_percent,avg_mhz,busy_mhz\n");
	assert_said("cpu,1,1,3,40.00,700,1750\n");
}

TEST(a_temperature_that_is_not_valid_is_none, be_ice_lake, play_end)
{
	absent[0] = 0x1A2;
	assert_int_equal(RUN("-n", "1", "--csv"), 0);
	assert_not_said("celsius");
}

TEST(when_a_cpu_goes_the_others_are_shown, be_ice_lake, play_end)
{
	play->leaves = 1001.5;
	assert_int_equal(RUN("-n", "3", "--csv", "--columns", "busy_percent"), 0);
	assert_said("1.000,cpu,0,0,0,10.00\n");
	assert_said("3.000,cpu,0,1,1,20.00\n");
	assert_not_said("3.000,cpu,0,0,0");
}

TEST(a_command_is_one_table_when_it_ends, be_ice_lake, play_end)
{
	play->command_ends = 2000;
	play->command_status = 3;
	assert_int_equal(RUN("--summary", "--columns", "busy_percent,package_watts", "--",
			     "stream"),
			 3);
	assert_string_equal(said, " PKG CORE   CPU   BUSY%    PKGW\n"
				  "   -    -     -   25.00  300.00\n"
				  "   0    -     -   15.00  100.00\n"
				  "   1    -     -   35.00  200.00\n\n");
	assert_string_equal(play->command, "stream");
}

TEST(a_command_can_take_any_time_also_without_counters_of_energy, be_ice_lake, play_end)
{
	absent[0] = 0x611;
	play->command_ends = 1000000;
	assert_int_equal(RUN("--summary", "--columns", "busy_percent", "--", "stream"), 0);
	assert_said("   -    -     -   25.00\n");
}

TEST(an_interval_can_be_longer_than_energy_takes_to_wrap, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "1", "-d", "3600", "--csv", "--summary", "--columns",
			     "package_watts"),
			 0);
	assert_said("3600.000,package,1,,,200.00\n");
}

TEST(a_list_with_nothing_to_show_is_told, be_ice_lake, play_end)
{
	static const uint32_t all[] = { 0x10, 0xE7, 0xE8, 0x19C, 0x1A2, 0x1B1, 0x3FD, 0x660 };

	memcpy(unlisted, all, sizeof(all));
	absent[0] = 0x60D;
	absent[1] = 0x3F9;
	absent[2] = 0x621;
	absent[3] = 0x611;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_said(
		"the allowlist has nothing that can be shown; it lacks: TIME_STAMP_COUNTER, MPERF");
}

TEST(wrong_usage_is_told, be_ice_lake, play_end)
{
	assert_int_equal(RUN("-n", "0"), 2);
	assert_said("Try 'msr-top --help' for more information.");
	assert_int_equal(RUN("-d", "0"), 2);
	assert_int_equal(RUN("--columns", "busy"), 2);
	assert_int_equal(RUN("--columns", ""), 2);
	assert_int_equal(RUN("--columns", "busy_percent,"), 2);
	assert_int_equal(RUN("--sort", "package_watts"), 2);
	assert_int_equal(RUN("--"), 2);
	assert_int_equal(RUN("stream"), 2);
	assert_int_equal(play->opens, 0);
	play->open_error = EACCES;
	assert_int_equal(RUN("-n", "1"), 3);
	assert_int_equal(RUN("--help"), 0);
	assert_int_equal(RUN("--version"), 0);
}
