// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine that msrsave runs on.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "msrsave.h"

/*
 * The batch device comes first: with revoke_on_change=1 it then does not serve a list
 * that is newer than the one read here.
 */
int node_open(struct node *node)
{
	struct msr_safe_error error;

	node->batch = msr_safe_open_batch(&error);
	if (node->batch < 0) {
		say_error(&error);
		return -1;
	}
	if (msr_safe_allowlist_read(&node->list, NULL, &error)) {
		say_error(&error);
		close(node->batch);
		return -1;
	}
	if (online_cpus(&node->online)) {
		node_close(node);
		return -1;
	}
	return 0;
}

void node_close(struct node *node)
{
	msr_safe_allowlist_free(&node->list);
	close(node->batch);
}

bool cpufreq_active(unsigned int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_driver", cpu);
	return access(path, F_OK) == 0;
}

bool is_saved(const struct options *options, uint32_t msr)
{
	return options->all || kind_of(msr) != KIND_LOG;
}

void node_name(char *name)
{
	if (gethostname(name, 64) || *name == '\0')
		strcpy(name, "(none)");
	name[64] = '\0';
	/* The file has it, and has printable characters alone. */
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			*name = '?';
}
