// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classes of users: the list of a group, which the default list bounds.
 */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tools/common/say.h"
#include "msr-allowlist.h"

static int parse_group(const char *text, unsigned long *gid)
{
	const struct group *group = getgrnam(text);
	char *end;

	if (group) {
		*gid = group->gr_gid;
		return 0;
	}
	errno = 0;
	*gid = strtoul(text, &end, 10);
	return isdigit(*text) && !*end && !errno && *gid < UINT32_MAX ? 0 : -1;
}

int find_class(struct options *options)
{
	unsigned long gid;

	if (!options->class) {
		snprintf(options->device, sizeof(options->device), "%s", MSR_SAFE_ALLOWLIST_PATH);
		return 0;
	}
	if (parse_group(options->class, &gid)) {
		warnx("there is no group %s", options->class);
		return -1;
	}
	snprintf(options->device, sizeof(options->device), MSR_SAFE_ALLOWLIST_PATH "_%lu", gid);
	return 0;
}

int say_beyond_default(const struct list *list)
{
	struct msr_safe_allowlist most;
	struct msr_safe_error error;
	int count = 0;
	size_t i;

	if (msr_safe_allowlist_read(&most, NULL, &error)) {
		say_error(&error);
		return -1;
	}
	for (i = 0; i < list->count; i++) {
		const struct msr_allowlist_entry *entry = &list->entries[i];
		const struct msr_allowlist_entry *bound =
			msr_safe_allowlist_find(&most, entry->msr);
		uint64_t beyond = entry->wmask & ~(bound ? bound->wmask : 0);

		if (!bound)
			warnx("%s: line %u: 0x%08" PRIX32 " is not in the default list", list->path,
			      list->lines[i], (uint32_t)entry->msr);
		else if (beyond)
			warnx("%s: line %u: the default list has bits 0x%016" PRIX64
			      " of 0x%08" PRIX32 " not writable",
			      list->path, list->lines[i], beyond, (uint32_t)entry->msr);
		count += !bound || beyond;
	}
	msr_safe_allowlist_free(&most);
	return count;
}
