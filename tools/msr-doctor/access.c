// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes, who can open them, and the list in force.
 */

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/allowlist.h"
#include "../common/parse.h"
#include "../common/reads.h"
#include "doctor.h"

static const char *group_name(gid_t gid, char *text, size_t size)
{
	const struct group *group = getgrgid(gid);

	if (group)
		return group->gr_name;
	snprintf(text, size, "%u", gid);
	return text;
}

/* A node by its path: that it is there, is the module's, and is not open to all */
static void check_node(const char *path)
{
	char number[16];
	const char *name;
	struct stat node;

	if (stat(path, &node)) {
		problem("nodes", "%s: %s", path, strerror(errno));
		fix("sudo modprobe -r msr-safe && sudo modprobe msr-safe");
		return;
	}
	if (msr_safe_check_path(path)) {
		problem("nodes", "%s is not a device of the module: another file is in its place",
			path);
		fix("sudo rm %s && sudo modprobe -r msr-safe && sudo modprobe msr-safe", path);
		return;
	}
	name = group_name(node.st_gid, number, sizeof(number));
	if (node.st_mode & 0007) {
		problem("nodes", "%s has mode %04o: every user of this node can open it", path,
			node.st_mode & 07777);
		fix("sudo chmod o= %s", path);
	} else {
		good("nodes", "%s: mode %04o, group %s", path, node.st_mode & 07777, name);
	}
}

void check_nodes(struct node *node)
{
	char path[48], served[256] = "";
	struct msr_safe_cpus cpus, named;
	unsigned int cpu, missing = 0;

	if (!node->loaded)
		return;
	check_node(MSR_SAFE_BATCH_PATH);
	check_node(MSR_SAFE_SAMPLE_PATH);
	check_node(MSR_SAFE_ALLOWLIST_PATH);
	/* With cpus=, the module serves only some. */
	cpus = node->online;
	if (read_line("/sys/module/msr_safe/parameters/cpus", served, sizeof(served)) &&
	    !msr_safe_cpus_parse(&named, served))
		cpus = msr_safe_cpus_intersect(&named, &node->online);
	msr_safe_for_each_cpu(cpu, &cpus)
	{
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
		if (msr_safe_check_path(path) && missing++ == 0)
			check_node(path);
	}
	if (!missing)
		good("nodes", "/dev/cpu/N/msr_safe of %u CPUs", msr_safe_cpus_count(&cpus));
	else if (missing > 1)
		problem("nodes", "/dev/cpu/N/msr_safe of %u CPUs are missing", missing);
}

void check_access(struct node *node)
{
	struct msr_safe_error error;
	char number[16];
	struct stat stat_of;

	node->batch = -1;
	if (!node->loaded)
		return;
	node->batch = msr_safe_open_batch(&error);
	if (node->batch >= 0) {
		good("access", "this user can open " MSR_SAFE_BATCH_PATH);
		return;
	}
	if (error.code != -EACCES || stat(MSR_SAFE_BATCH_PATH, &stat_of)) {
		problem("access", MSR_SAFE_BATCH_PATH ": %s", strerror(-error.code));
		return;
	}
	if (stat_of.st_gid == 0 || !(stat_of.st_mode & 0040)) {
		problem("access", "only root can open " MSR_SAFE_BATCH_PATH);
		fix("sudo chgrp msr-user " MSR_SAFE_BATCH_PATH
		    " && sudo chmod 0660 " MSR_SAFE_BATCH_PATH);
		fix("or, for good, the udev rules of the package: sudo udevadm trigger --subsystem-match=msr_batch");
		return;
	}
	problem("access", "this user is not in the group %s, which can open " MSR_SAFE_BATCH_PATH,
		group_name(stat_of.st_gid, number, sizeof(number)));
	fix("sudo usermod -aG %s \"$USER\", then log in again",
	    group_name(stat_of.st_gid, number, sizeof(number)));
}

/*
 * The list as the batch device shows it to a user who cannot read it: each register of the tables
 * that is not refused. Registers that no table has are missing.
 */
static int read_by_batch(struct node *node)
{
	struct msr_safe_register reg;
	struct reads reads = { 0 };
	uint32_t msr = 0;
	int code = 0;
	size_t i;

	while (!msr_safe_registers_next(node->registers, &msr, &reg)) {
		reads_add(&reads, msr_safe_cpus_next(&node->online, 0), msr);
		if (msr++ == UINT32_MAX)
			break;
	}
	if (reads_run(&reads, node->batch))
		code = -EIO;
	for (i = 0; i < reads.count && !code; i++)
		if (reads.ops[i].err != -EACCES)
			code = msr_safe_allowlist_add(&node->list, reads.ops[i].msr,
						      reads.ops[i].wmask);
	reads_free(&reads);
	return code;
}

/* Registers of the list that this processor does not have, as far as the tables know */
static void compare_with_processor(const struct node *node)
{
	struct msr_safe_register reg;
	unsigned int foreign = 0;
	uint32_t first = 0;
	size_t i;

	for (i = 0; i < node->list.count; i++) {
		if (msr_safe_registers_at(node->registers, node->list.entries[i].msr, &reg) ||
		    !reg.foreign)
			continue;
		if (!foreign++)
			first = reg.msr;
	}
	if (foreign > node->list.count / 4) {
		problem("list",
			"%u of its %zu registers are of other processors, 0x%" PRIX32
			" for example: it is not the list of this processor",
			foreign, node->list.count, first);
		fix("sudo sh -c 'msr-allowlist select | msr-allowlist load -'");
	} else if (foreign) {
		note("list",
		     "%u of its registers are of other processors, 0x%" PRIX32 " for example",
		     foreign, first);
	} else {
		good("list",
		     "its registers are those of this processor, or the tables do not know them");
	}
}

void check_list(struct node *node)
{
	size_t i, writable = 0;
	bool whole;

	if (node->batch < 0)
		return;
	whole = !msr_safe_allowlist_read(&node->list, NULL, NULL);
	if (!whole && (!node->registers || read_by_batch(node))) {
		note("list", "this user cannot read it");
		return;
	}
	if (!node->list.count) {
		problem("list", "it allows nothing");
		fix("sudo sh -c 'msr-allowlist select | msr-allowlist load -'");
		return;
	}
	for (i = 0; i < node->list.count; i++)
		writable += node->list.entries[i].wmask != 0;
	good("list", "%s%zu registers can be read, and %zu of them written",
	     whole ? "" : "for this user, ", node->list.count, writable);
	if (node->locked_down && writable) {
		problem("list",
			"it makes registers writable, and the locked kernel refuses each write: EPERM");
		fix("boot without lockdown=, or with Secure Boot off, if registers have to be written");
	}
	if (node->registers)
		compare_with_processor(node);
}
