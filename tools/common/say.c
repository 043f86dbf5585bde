// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <string.h>

#include "say.h"

void say_error(const struct msr_safe_error *error)
{
	const char *line = error->text;
	int len;

	for (; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		warnx("%.*s", len, line);
	}
}

void say_failed(const char *path, int code)
{
	struct msr_safe_error error;

	msr_safe_explain(&error, path, code);
	say_error(&error);
}

int usage_error(int status, const char *why, const char *what)
{
	if (why)
		warnx("%s%s", why, what);
	fprintf(stderr, "Try '%s --help' for more information.\n", program_invocation_short_name);
	return status;
}

const char *op_error(int code)
{
	switch (-code) {
	case EACCES:
		return "not in the allowlist";
	case EROFS:
		return "read-only in the allowlist";
	case EIO:
		return "the processor has no such register";
	case ENXIO:
		return "no such CPU, or offline";
	default:
		return strerror(-code);
	}
}

int online_cpus(struct msr_safe_cpus *set)
{
	int code = msr_safe_cpus_online(set);

	if (code)
		warnx("the CPUs that are online: %s", strerror(-code));
	return code;
}
