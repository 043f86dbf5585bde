// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes of the module: opening one, and saying why that fails.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"
#include "libmsrsafe.h"

int msr_safe_set_error(struct msr_safe_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error) {
		error->code = code;
		va_start(args, format);
		vsnprintf(error->text, sizeof(error->text), format, args);
		va_end(args);
	}
	return code;
}

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

/* What /proc/devices calls the node: lists of classes, msr_allowlist_GID, are all one kind. */
static const char *kind_of(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strncmp(name, "msr_allowlist_", 14) == 0 ? "msr_allowlist" : name;
}

static int check_node(const struct stat *node, const char *path)
{
	if (S_ISCHR(node->st_mode) && major(node->st_rdev) != 0 &&
	    major(node->st_rdev) == major_of(kind_of(path)))
		return 0;
	return -ENODEV;
}

int msr_safe_check(int fd, const char *path)
{
	struct stat node;

	return fstat(fd, &node) ? -ENODEV : check_node(&node, path);
}

int msr_safe_check_path(const char *path)
{
	struct stat node;

	return stat(path, &node) ? -errno : check_node(&node, path);
}

static void advise_on_group(char *text, size_t size, const char *path)
{
	char buffer[1024];
	struct group entry, *group = NULL;
	struct stat node;

	if (stat(path, &node))
		return;
	if (node.st_gid)
		getgrgid_r(node.st_gid, &entry, buffer, sizeof(buffer), &group);
	if (group)
		snprintf(text, size,
			 "root and members of the group %s can open it; id -nG prints your groups",
			 group->gr_name);
	else
		snprintf(text, size,
			 "only root can open it; an administrator can give it to a group");
}

int msr_safe_explain(struct msr_safe_error *error, const char *path, int code)
{
	char advice[256] = "", buffer[128];

	switch (-code) {
	case ENOENT:
	case ENXIO:
		strcpy(advice, "the module is not loaded; as root: modprobe msr-safe");
		break;
	case ENODEV:
		strcpy(advice, "another file is in the way: remove it, then load the module again");
		break;
	case EACCES:
		advise_on_group(advice, sizeof(advice), path);
		break;
	case EPERM:
		strcpy(advice, "the kernel is locked down: registers can only be read");
		break;
	case ENOPROTOOPT:
		strcpy(advice, "the module has another version: cat /dev/cpu/msr_safe_version");
		break;
	}
	return msr_safe_set_error(error, code, "%s: %s%s%s", path,
				  code == -ENODEV ? "Not a device of msr-safe" :
						    strerror_r(-code, buffer, sizeof(buffer)),
				  *advice ? "\n" : "", advice);
}

int msr_safe_open(const char *path, int flags, struct msr_safe_error *error)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return msr_safe_explain(error, path, -errno);
	if (msr_safe_check(fd, path)) {
		close(fd);
		return msr_safe_explain(error, path, -ENODEV);
	}
	return fd;
}

int msr_safe_open_batch(struct msr_safe_error *error)
{
	return msr_safe_open(MSR_SAFE_BATCH_PATH, O_RDONLY, error);
}

int msr_safe_open_cpu(unsigned int cpu, int flags, struct msr_safe_error *error)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
	return msr_safe_open(path, flags, error);
}
