// SPDX-License-Identifier: GPL-2.0-only
/*
 * rdmsr-safe and wrmsr-safe: beside the programs of msr-tools on the kernel's own driver, and
 * what they do besides.
 */

#include "guest.h"
#include "shell.h"

/* Values that show every digit and every sign */
static void set_up_values(void)
{
	unsigned int cpu;

	load_list("0x402 0xFFFFFFFFFFFFFFFF\n0x406 0xFFFFFFFFFFFFFFFF\n0x40A 0x0000FFFF\n"
		  "0x40E 0\n0xC0000103 0\n0x6E1 0xFFFFFFFFFFFFFFFF\n0x610 0xFFFFFFFF\n"
		  "0x1A0 0\n");
	for (cpu = 0; cpu < 4; cpu++) {
		poke(cpu, 0x402, 0xFEDCBA9876543210 + cpu);
		poke(cpu, 0x406, 0x00000089ABCDEF01 + cpu);
		poke(cpu, 0x40A, 0);
	}
}

static int make_values(void **state)
{
	use_tables(state);
	set_up_values();
	return 0;
}

/* Runs the same commands with both; the names in messages are the only difference. */
static void assert_same(const char *commands)
{
	static char script[4096], stock[1 << 20];

	snprintf(script, sizeof(script), "R=./rdmsr; W=./wrmsr; { %s; } 2>&1", commands);
	run(script);
	assert_true(strlen(text) > 0);
	strcpy(stock, text);
	set_up_values();
	snprintf(script, sizeof(script),
		 "R=./rdmsr-safe; W=./wrmsr-safe; { %s; } 2>&1 | sed 's/msr-safe: /msr: /'",
		 commands);
	run(script);
	if (strcmp(text, stock) != 0)
		fail_msg("msr-tools print:\n%s\nand ours:\n%s", stock, text);
}

TEST(every_format_is_that_of_msr_tools, make_values, NULL)
{
	assert_same("for f in '' '-f 63:0' '-f 15:8' '-f 0:0' '-f 63:63' '-f 62:3' '-f 40:32'; do "
		    "for b in '' -x -X -o -d -u -r; do for c in '' -c; do for z in '' -0; do "
		    "for m in 0x402 0x406; do echo $f $b $c $z $m; $R $f $b $c $z $m; echo $?; "
		    "done; done; done; done; done");
}

/*
 * With all CPUs, msr-tools print them in the order of a directory, which is that of numbers until
 * CPUs have gone and come. Releases after 1.3 print the number of each CPU first, as --label does.
 */
#define SORT "sed 's/^CPU [0-9]*: //' | sort"

TEST(all_cpus_are_printed_as_msr_tools_of_this_release_print_them, make_values, NULL)
{
	run("./rdmsr -a 0xc0000103");
	if (strncmp(text, "CPU ", 4))
		assert_same("$R -a 0xc0000103 | sort; $R -a -X -c 0x402 | sort");
	else
		assert_same("L=; [ $R = ./rdmsr ] || L=-l; $R $L -a 0xc0000103 | sort; "
			    "$R $L -a -X -c 0x402 | sort");
}

TEST(long_options_are_those_of_msr_tools, make_values, NULL)
{
	assert_same("for b in --hexadecimal --capital-hexadecimal --decimal --signed-decimal "
		    "--unsigned-decimal --octal --c-language --zero-fill --zero-pad --raw --all "
		    "--processor=2 --cpu=3 --bitfield=7:4; do echo $b; $R $b 0x402 | " SORT
		    "; $R $b 0x402 > /dev/null; "
		    "echo $?; done");
	assert_same("$W --all 0x402 5; echo $?; $R -a 0x402 | " SORT
		    "; $W --processor 2 0x402 6; $R -a 0x402 | " SORT "; "
		    "$W --cpu 1 0x402 9; $R -a 0x402 | " SORT);
}

TEST(cpus_are_those_of_msr_tools, make_values, NULL)
{
	assert_same(
		"for p in '' '-p 0' '-p 3' '-p 0x2' '-p 01' -a '-a -p 1' '-p 1 -a'; do echo $p; "
		"$R $p 0x402 | " SORT
		"; $R $p 0x402 > /dev/null; echo $?; $R $p -c 0xc0000103 | " SORT "; done");
	assert_same("echo 0 > /sys/devices/system/cpu/cpu3/online; $R -a 0x402 | " SORT
		    "; echo $?; "
		    "$W -a 0x402 7; echo $?; echo 1 > /sys/devices/system/cpu/cpu3/online; "
		    "$R -a -f 31:0 0x406 | " SORT);
}

TEST(addresses_and_values_are_those_of_msr_tools, make_values, NULL)
{
	assert_same(
		"$R 1026; $R 02002; $R 0X402; $W 0x402 1 2 3; $R 0x402; $W 0x402 010; $R 0x402; "
		"$W -a 0x402 18446744073709551615; $R -a 0x402 | " SORT);
}

TEST(an_access_that_the_processor_refuses_is_4_as_in_msr_tools, make_values, NULL)
{
	assert_same("$W 0x6e1 0x100000000; echo $?; $W -p 2 0x6e1 0x100000000; echo $?");
}

TEST(wrong_usage_is_127_as_in_msr_tools, make_values, NULL)
{
	assert_same(
		"for a in '' '0x402 0x402' '-f 8 0x402' '-f 0:1 0x402' '-f 64:0 0x402' '-p x 0x402' "
		"'-p 0x402' -y; do $R $a > /dev/null 2>&1; echo $?; done; "
		"for a in '' 0x402 '-p x 0x402 1' '-y 0x402 1'; do $W $a > /dev/null 2>&1; echo $?; "
		"done; $R -h > /dev/null 2>&1; echo $?; $W -V > /dev/null 2>&1; echo $?");
}

TEST(wrong_usage_says_what_to_try, make_values, NULL)
{
	assert_says("./rdmsr-safe 2>&1", 127, "Try 'rdmsr-safe --help' for more information.");
	assert_says("./rdmsr-safe --no-such 0x402 2>&1", 127, "Try 'rdmsr-safe --help'");
	assert_says("./rdmsr-safe NO_SUCH_REGISTER 2>&1", 127,
		    "no register has this name: NO_SUCH_REGISTER");
	assert_says("./rdmsr-safe 0x402x 2>&1", 127, "not an address of a register: 0x402x");
	assert_says("./rdmsr-safe 0x100000402 2>&1", 127, "not an address of a register");
	assert_says("./rdmsr-safe -f 3:0 PKG_POWER_LIMIT.PL1 2>&1", 127, "this is a field");
	assert_says("./wrmsr-safe 0x402 2>&1", 127, "Try 'wrmsr-safe --help'");
	assert_says("./wrmsr-safe 0x402 zz 2>&1", 127, "not a value of 64 bits: zz");
	assert_says("./wrmsr-safe 0x402 0x10000000000000000 2>&1", 127, "not a value of 64 bits");
	assert_prints("./rdmsr-safe 0x402", 0, "fedcba9876543210\n");
}

TEST(lists_of_cpus_are_read_in_one_batch, make_values, NULL)
{
	assert_prints("./rdmsr-safe -p 1-3 0xC0000103", 0, "1\n2\n3\n");
	assert_prints("./rdmsr-safe -p 0,2 -l 0xC0000103", 0, "CPU 0: 0\nCPU 2: 2\n");
	assert_prints("./rdmsr-safe -a -l -c 0xC0000103", 0,
		      "CPU 0: 0x0\nCPU 1: 0x1\nCPU 2: 0x2\nCPU 3: 0x3\n");
	assert_prints("./wrmsr-safe -p 1-3:2 0x402 0x77; ./rdmsr-safe -p 0-3 0x402", 0,
		      "fedcba9876543210\n77\nfedcba9876543212\n77\n");
}

TEST(a_cpu_that_is_not_there_is_2_and_the_others_are_read, make_values, NULL)
{
	assert_prints("./rdmsr-safe -p 77 0x402 2>&1", 2, "rdmsr-safe: No CPU 77\n");
	assert_prints("./wrmsr-safe -p 77 0x402 1 2>&1", 2, "wrmsr-safe: No CPU 77\n");
	assert_prints("./rdmsr-safe -p 1,77,2 0xC0000103 2>/dev/null", 2, "1\n2\n");
	assert_says("./rdmsr-safe -p 1,77,2 0xC0000103 2>&1", 2, "rdmsr-safe: No CPU 77\n");
}

TEST(a_register_that_is_not_listed_is_told, make_values, NULL)
{
	assert_prints("./rdmsr-safe 0x10 2>&1", 127,
		      "rdmsr-safe: CPU 0: MSR 0x00000010 is not in the allowlist\n");
	assert_prints("./rdmsr-safe -p 1,2 0x10 2>&1", 127,
		      "rdmsr-safe: CPU 1: MSR 0x00000010 is not in the allowlist\n"
		      "rdmsr-safe: CPU 2: MSR 0x00000010 is not in the allowlist\n");
	assert_prints("./wrmsr-safe 0x40E 1 2>&1", 127,
		      "wrmsr-safe: CPU 0: MSR 0x0000040e is not writable in the allowlist\n");
	assert_prints("./wrmsr-safe -p 1,2 0x40E 1 2>&1", 127,
		      "wrmsr-safe: CPU 1: MSR 0x0000040e is not writable in the allowlist\n"
		      "wrmsr-safe: CPU 2: MSR 0x0000040e is not writable in the allowlist\n");
}

TEST(bits_that_are_not_writable_are_told, make_values, NULL)
{
	assert_prints("./wrmsr-safe 0x40A 0xFF1234 2>&1", 0,
		      "wrmsr-safe: CPU 0: bits 0xff0000 of MSR 0x0000040a are not writable in the "
		      "allowlist and keep their values\n");
	assert_prints("./rdmsr-safe 0x40A", 0, "1234\n");
	assert_prints("./wrmsr-safe 0x40A 0x4321 2>&1", 0, "");
	assert_prints("./rdmsr-safe 0x40A", 0, "4321\n");
}

static int make_fields(void **state)
{
	use_made_up_tables(state);
	set_up_values();
	return 0;
}

TEST(a_register_is_read_by_its_name_and_by_its_fields, make_fields, NULL)
{
	assert_prints("./rdmsr-safe STORE", 0, "fedcba9876543210\n");
	assert_prints("./rdmsr-safe -p 1 msr_store.low", 0, "11\n");
	assert_prints("./rdmsr-safe -u STORE.MIDDLE", 0, "152\n");
	assert_prints("./rdmsr-safe -c -0 STORE.TOP", 0, "0x1\n");
	assert_prints("./rdmsr-safe -F -p 1 0x402", 0,
		      "fedcba9876543211\n"
		      "   7:0  LOW                      17       low bits\n"
		      "  39:32 MIDDLE                   152      middle bits\n"
		      "  63:63 TOP                      1        the highest bit\n");
	assert_says("./rdmsr-safe STORE.HIGH 2>&1", 127,
		    "the register has no such field: STORE.HIGH");
}

TEST(a_field_is_written_alone, make_fields, NULL)
{
	assert_prints("./wrmsr-safe -p 0-1 STORE.LOW 0x55 2>&1", 0, "");
	assert_prints("./rdmsr-safe -a 0x402", 0,
		      "fedcba9876543255\nfedcba9876543255\nfedcba9876543212\nfedcba9876543213\n");
	assert_prints("./wrmsr-safe -a STORE.TOP 0 2>&1", 0, "");
	assert_prints("./rdmsr-safe -p 2 0x402", 0, "7edcba9876543212\n");
	assert_prints("./wrmsr-safe STORE.MIDDLE 1 2 3 2>&1", 0, "");
	assert_prints("./rdmsr-safe 0x402", 0, "7edcba0376543255\n");
}

TEST(a_field_that_cannot_be_written_whole_is_not_written, make_fields, NULL)
{
	assert_prints("./wrmsr-safe HALF.LOW 0x100 2>&1", 127,
		      "wrmsr-safe: 0x100 does not fit in HALF.LOW, which has bits 7 to 0\n");
	assert_prints(
		"./wrmsr-safe HALF.WIDE 1 2>&1", 127,
		"wrmsr-safe: HALF.WIDE: the allowlist does not make bits 0xff0000 of it writable; "
		"nothing is written\n");
	assert_prints("./rdmsr-safe HALF", 0, "0\n");
}

TEST(json_has_values_errors_and_fields, make_fields, NULL)
{
	assert_prints("./rdmsr-safe --json -p 0-1 STORE", 0,
		      "{\"msr\": \"0x00000402\", \"name\": \"STORE\", \"bits\": \"63:0\", "
		      "\"cpus\": [\n"
		      "  {\"cpu\": 0, \"value\": \"0xFEDCBA9876543210\", \"fields\": {\"LOW\": 16, "
		      "\"MIDDLE\": 152, \"TOP\": 1}},\n"
		      "  {\"cpu\": 1, \"value\": \"0xFEDCBA9876543211\", \"fields\": {\"LOW\": 17, "
		      "\"MIDDLE\": 152, \"TOP\": 1}}\n]}\n");
	assert_prints("./rdmsr-safe --json -p 1,77 STORE.LOW 2>/dev/null", 2,
		      "{\"msr\": \"0x00000402\", \"name\": \"STORE.LOW\", \"bits\": \"7:0\", "
		      "\"cpus\": [\n"
		      "  {\"cpu\": 1, \"value\": \"0x11\"},\n"
		      "  {\"cpu\": 77, \"error\": \"no such CPU, or offline\"}\n]}\n");
}

TEST(a_user_with_only_the_nodes_of_cpus_is_served, make_values, NULL)
{
	assert_int_equal(rename("/dev/cpu/msr_batch", "/dev/cpu/hidden"), 0);
	run("./rdmsr-safe -a 0xC0000103 2>&1; ./wrmsr-safe -p 1,2 0x402 9 2>&1; "
	    "./rdmsr-safe -p 1,2 0x402");
	assert_int_equal(rename("/dev/cpu/hidden", "/dev/cpu/msr_batch"), 0);
	assert_string_equal(text, "0\n1\n2\n3\n9\n9\n");
}

TEST(a_reader_that_goes_away_is_not_told, make_values, NULL)
{
	assert_prints("(trap '' PIPE; ./rdmsr-safe --help 2>&1 1>&3 | cat) 3>&1 | true", 0, "");
	assert_prints("(./rdmsr-safe 0x402 2>&1 > /dev/full)", 127,
		      "rdmsr-safe: standard output: No space left on device\n");
}

TEST(without_the_module_it_is_told_how_to_load_it, make_values, NULL)
{
	assert_int_equal(rename("/dev/cpu", "/dev/gone"), 0);
	run("./rdmsr-safe 0x402 2>&1");
	assert_int_equal(rename("/dev/gone", "/dev/cpu"), 0);
	assert_non_null(
		strstr(text, "rdmsr-safe: the module is not loaded; as root: modprobe msr-safe"));
}
