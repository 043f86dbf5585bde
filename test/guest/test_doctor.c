// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-doctor: every fault that can be made here is named, with what fixes it. A node that is
 * installed well is for make check-install.
 */

#include <sys/sysmacros.h>

#include "guest.h"
#include "shell.h"

/* A module that modprobe finds, for the kernel that runs */
static int install_module(void **state)
{
	use_tables(state);
	return run(
		"d=/lib/modules/$(uname -r) && mkdir -p $d/updates && cp msr-safe.ko $d/updates && "
		"echo 'updates/msr-safe.ko:' > $d/modules.dep");
}

static int remove_module(void **state)
{
	(void)state;
	return run("rm -rf /lib/modules");
}

static void assert_found(const char *part)
{
	if (!strstr(text, part))
		fail_msg("not found: \"%s\", but:\n%s", part, text);
}

static void assert_not_found(const char *part)
{
	if (strstr(text, part))
		fail_msg("found: \"%s\":\n%s", part, text);
}

TEST(a_node_that_is_well_has_no_problem, install_module, remove_module)
{
	assert_int_equal(run("./msr-doctor"), 0);
	assert_found("ok       module: /lib/modules/");
	assert_found("ok       loaded: msr_safe is loaded");
	assert_found("ok       version: the module is 2.");
	assert_found("ok       nodes: /dev/cpu/msr_batch: mode 0600, group ");
	assert_found("ok       nodes: /dev/cpu/N/msr_safe of 4 CPUs");
	assert_found("ok       access: this user can open /dev/cpu/msr_batch");
	assert_found("ok       list: 5 registers can be read, and 3 of them written");
	assert_found(
		"ok       registers: 5 registers of 4 CPUs, read in batches and one by one, agree");
	assert_found("a read of the own CPU");
	assert_found("a read of another CPU");
	assert_found("a batch of one read on each CPU");
	assert_found("0 problems found.\n");
	/* Beside the kernel's own driver, as root */
	assert_found("; the msr driver ");
}

TEST(quiet_prints_problems_only, install_module, remove_module)
{
	assert_int_equal(run("./msr-doctor --quiet 2>&1"), 0);
	assert_string_equal(text, "");
}

TEST(a_module_that_is_not_built_is_named, use_tables, NULL)
{
	char release[128];

	assert_int_equal(run("./msr-doctor"), 0);
	assert_found("note     module: it is loaded, but not installed for kernel ");
	run("uname -r");
	snprintf(release, sizeof(release), "there is none for kernel %.90s", text);
	assert_int_equal(run("rmmod msr-safe; ./msr-doctor; s=$?; insmod msr-safe.ko; exit $s"), 1);
	assert_found(release);
	assert_found("dkms autoinstall");
	assert_found("PROBLEM  loaded: the module is not loaded\n"
		     "  fix:   sudo systemctl enable --now msr-safe, or: sudo modprobe msr-safe\n");
}

TEST(a_user_without_access_is_told_the_group, install_module, remove_module)
{
	assert_int_equal(run_as_user("MSR_ALLOWLISTS=allowlists ./msr-doctor"), 1);
	assert_found("PROBLEM  access: only root can open /dev/cpu/msr_batch\n");
	assert_int_equal(run("echo 'msr-user:x:900:' >> /etc/group; chgrp 900 /dev/cpu/msr_batch; "
			     "chmod 0660 /dev/cpu/msr_batch"),
			 0);
	assert_int_equal(run_as_user("MSR_ALLOWLISTS=allowlists ./msr-doctor"), 1);
	assert_found("PROBLEM  access: this user is not in the group msr-user, which can open "
		     "/dev/cpu/msr_batch\n"
		     "  fix:   sudo usermod -aG msr-user \"$USER\", then log in again\n");
	assert_int_equal(run("chown 0:0 /dev/cpu/msr_batch; chmod 0600 /dev/cpu/msr_batch"), 0);
}

TEST(a_user_sees_the_list_by_its_batches, install_module, remove_module)
{
	load_list("0xE7 0\n0xE8 0\n0x1B0 0xF\n");
	chmod("/dev/cpu/msr_batch", 0666);
	assert_int_equal(run_as_user("MSR_ALLOWLISTS=allowlists ./msr-doctor"), 1);
	chmod("/dev/cpu/msr_batch", 0600);
	assert_found(
		"PROBLEM  nodes: /dev/cpu/msr_batch has mode 0666: every user of this node can open it");
	assert_found(
		"ok       list: for this user, 3 registers can be read, and 1 of them written");
	assert_found("(this user cannot open the nodes of CPUs)");
}

TEST(another_file_in_the_place_of_a_node_is_named, install_module, remove_module)
{
	assert_int_equal(rename("/dev/cpu/msr_sample", "/dev/cpu/hidden"), 0);
	run("./msr-doctor");
	assert_found("PROBLEM  nodes: /dev/cpu/msr_sample: No such file or directory");
	make_file("/dev/cpu/msr_sample", "");
	run("./msr-doctor");
	assert_found("PROBLEM  nodes: /dev/cpu/msr_sample is not a device of the module");
	assert_found("fix:   sudo rm /dev/cpu/msr_sample");
	assert_int_equal(rename("/dev/cpu/hidden", "/dev/cpu/msr_sample"), 0);
	assert_int_equal(rename("/dev/cpu/2/msr_safe", "/dev/cpu/2/hidden"), 0);
	run("./msr-doctor");
	assert_found("PROBLEM  nodes: /dev/cpu/2/msr_safe: No such file or directory");
	assert_int_equal(rename("/dev/cpu/2/hidden", "/dev/cpu/2/msr_safe"), 0);
}

TEST(an_empty_list_is_named, install_module, remove_module)
{
	load_list(" ");
	assert_int_equal(run("./msr-doctor"), 1);
	assert_found("PROBLEM  list: it allows nothing\n"
		     "  fix:   sudo sh -c 'msr-allowlist select | msr-allowlist load -'\n");
}

TEST(a_register_that_the_processor_lacks_is_named, install_module, remove_module)
{
	/* No processor that is emulated has it, and the kernel faults. */
	load_list("0x402 0\n0xC0011FFF 0\n");
	run("./msr-doctor");
	if (!strstr(text, "0xC0011FFF: not on 4 of 4 CPUs"))
		assert_found("2 registers of 4 CPUs, read in batches and one by one, agree");
}

TEST(registers_that_change_are_counted_and_not_compared, install_module, remove_module)
{
	run("(while :; do ./wrmsr-safe 0x402 1; ./wrmsr-safe 0x402 2; done) & w=$!; "
	    "for i in 1 2 3 4 5; do ./msr-doctor; done; kill $w");
	assert_found("ok       registers: 5 registers of 4 CPUs");
}

TEST(other_writers_of_registers_are_named, install_module, remove_module)
{
	assert_int_equal(run("./msr-doctor"), 0);
	/* Before 5.9 it has no allow_writes, and lets root write always. */
	if (access("/sys/module/msr/parameters/allow_writes", F_OK) == 0)
		assert_found("note     writers: the kernel's own msr driver is loaded with "
			     "allow_writes=on: root writes any register by it");
	else
		assert_found("note     writers: the kernel's own msr driver is loaded: root writes "
			     "any register by it");
	load_list("0x610 0xFFFF\n");
	/* A script is known by its own name. */
	make_file("/tmp/thermald", "#!/bin/sh\nread line < /tmp/end\n");
	chmod("/tmp/thermald", 0755);
	run("mkfifo /tmp/end; /tmp/thermald & ./msr-doctor; echo > /tmp/end");
	assert_found("thermald runs, and writes registers of power");
}

TEST(a_report_has_all_of_it_and_no_names, install_module, remove_module)
{
	static char printed[1 << 16];

	assert_int_equal(run("hostname secret-host; ./msr-doctor --report /tmp/report"), 0);
	snprintf(printed, sizeof(printed), "%.65000s", text);
	assert_int_equal(run("cat /tmp/report"), 0);
	assert_found("msr-doctor 2.");
	assert_found("ok       registers: 5 registers of 4 CPUs");
	assert_null(strstr(text, "secret-host"));
	assert_null(strstr(printed, "\033["));
	assert_int_equal(run("./msr-doctor --report /nonexistent/report 2>&1"), 1);
	assert_found("msr-doctor: /nonexistent/report: No such file or directory");
}

TEST(without_a_self_test_no_register_is_read, install_module, remove_module)
{
	assert_int_equal(run("./msr-doctor --no-self-test"), 0);
	assert_not_found("read in batches");
	assert_not_found("latency");
}

TEST(wrong_usage_says_what_to_try, use_tables, NULL)
{
	assert_int_equal(run("./msr-doctor now 2>&1"), 2);
	assert_found("Try 'msr-doctor --help' for more information.");
	assert_int_equal(run("./msr-doctor --help"), 0);
	assert_int_equal(run("./msr-doctor --version"), 0);
	assert_found("msr-doctor 2.");
}
