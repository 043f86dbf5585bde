// SPDX-License-Identifier: GPL-2.0-only
/*
 * A saved state in its file: the old file or the whole new one, whatever happens.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

const char *state_obstacle(const char *path)
{
	struct stat status;

	if (lstat(path, &status))
		return errno == ENOENT ? NULL : strerror(errno);
	if (S_ISLNK(status.st_mode))
		return "it is a symbolic link";
	return S_ISREG(status.st_mode) ? NULL : "it is not a regular file";
}

static int write_all(int fd, const char *text, size_t len)
{
	ssize_t written;

	while (len > 0) {
		written = write(fd, text, len);
		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			text += written;
			len -= written;
		}
	}
	return 0;
}

/* What was renamed in a folder stays so after a crash of the system. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash - path + 1) : strdup(".");
	int fd, err = 0;

	if (!folder)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Some filesystems have no such thing, and say EINVAL. */
	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		err = errno;
	if (fd >= 0)
		close(fd);
	free(folder);
	errno = err;
	return err ? -1 : 0;
}

/* Writes a file of its own and puts it in the place of @path. Returns 0 or errno. */
static int replace(const char *path, const char *text, size_t len)
{
	char *temporary;
	int fd, err = 0;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		err = errno;
		free(temporary);
		return err;
	}
	if (fchmod(fd, 0600) || write_all(fd, text, len) || fsync(fd))
		err = errno;
	if (close(fd) && !err)
		err = errno;
	if (!err && rename(temporary, path))
		err = errno;
	if (err)
		unlink(temporary);
	else if (sync_folder(path))
		err = errno;
	free(temporary);
	return err;
}

const char *state_save(const struct state *state, const char *path)
{
	const char *obstacle = state_obstacle(path);
	char *text;
	size_t len;
	int err;

	if (obstacle)
		return obstacle;
	if (state_format(state, &text, &len))
		return strerror(errno);
	err = replace(path, text, len);
	free(text);
	return err ? strerror(err) : NULL;
}

/* Reads so many bytes, or fewer if the file ends before. */
static ssize_t read_all(int fd, char *text, size_t len)
{
	size_t got = 0;
	ssize_t more;

	while (got < len) {
		more = read(fd, text + got, len - got);
		if (more == 0)
			break;
		if (more < 0 && errno != EINTR)
			return -1;
		if (more > 0)
			got += more;
	}
	return got;
}

static const char *load_open(struct state *state, int fd)
{
	const char *reason;
	struct stat status;
	char *text;
	ssize_t len;

	if (fstat(fd, &status))
		return strerror(errno);
	if (!S_ISREG(status.st_mode))
		return "it is not a regular file";
	if (status.st_size > STATE_MAX_BYTES)
		return strerror(EFBIG);
	text = malloc(status.st_size + 1);
	if (!text)
		return strerror(errno);
	len = read_all(fd, text, status.st_size);
	if (len < 0) {
		reason = strerror(errno);
	} else {
		text[len] = '\0';
		reason = state_parse(state, text, len);
	}
	free(text);
	return reason;
}

const char *state_load(struct state *state, const char *path)
{
	/* A pipe that nobody writes to is not waited for. */
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *reason;

	*state = (struct state){ 0 };
	if (fd < 0)
		return errno == ELOOP ? "it is a symbolic link" : strerror(errno);
	reason = load_open(state, fd);
	close(fd);
	return reason;
}
