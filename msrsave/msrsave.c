// SPDX-License-Identifier: GPL-2.0-only
/*
 * msrsave: saves the writable registers of the allowlist, and restores them.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "msrsave.h"

/* No file gets a descriptor that messages are written to. */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			exit(NOTHING_DONE);
	} while (fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char *argv[])
{
	struct options options;
	int status;

	open_standard_streams();
	/* A reader of the output that goes away does not end the work. */
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stderr, NULL, _IOLBF, 0);
	status = parse_argv(&options, argc, argv);
	if (status < 0)
		status = USAGE;
	else if (status > 0)
		status = options.restore ? restore(&options) : save(&options);
	if (fflush(stdout) || ferror(stdout)) {
		warn("standard output");
		if (status == ALL_DONE)
			status = SOME_FAILED;
	}
	return status;
}
