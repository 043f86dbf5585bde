// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "node.h"

/* 0 if the kernel has no devices of this name */
static unsigned int major_of(const char *name)
{
	FILE *file = fopen("/proc/devices", "re");
	unsigned int number, found = 0;
	char line[128], this[64];

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%u %63s", &number, this) == 2 && strcmp(this, name) == 0)
			found = number;
	if (file)
		fclose(file);
	return found;
}

int node_check(int fd, const char *name)
{
	struct stat node;

	if (fstat(fd, &node) == 0 && S_ISCHR(node.st_mode) && major(node.st_rdev) != 0 &&
	    major(node.st_rdev) == major_of(name))
		return 0;
	errno = ENODEV;
	return -1;
}

static void advise_on_group(const char *path)
{
	struct group *group;
	struct stat node;

	if (stat(path, &node))
		return;
	group = node.st_gid ? getgrgid(node.st_gid) : NULL;
	if (group)
		warnx("root and members of the group %s can open it; id -nG prints your groups",
		      group->gr_name);
	else
		warnx("only root can open it; an administrator can give it to a group");
}

void node_warn(const char *path)
{
	int error = errno;

	warnx("%s: %s", path, error == ENODEV ? "Not a device of msr-safe" : strerror(error));
	switch (error) {
	case ENOENT:
	case ENXIO:
		warnx("the module is not loaded; as root: modprobe msr-safe");
		break;
	case ENODEV:
		warnx("another file is in the way: remove it, then load the module again");
		break;
	case EACCES:
		advise_on_group(path);
		break;
	case EPERM:
		warnx("the kernel is locked down: registers and the list can only be read");
		break;
	case ENOPROTOOPT:
		warnx("the module has another version: cat /dev/cpu/msr_safe_version");
		break;
	}
}
