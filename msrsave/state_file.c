// SPDX-License-Identifier: GPL-2.0-only
/*
 * A saved state in its file: the old file or the whole new one, whatever happens.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

/* Whether a file has what msrsave wrote, or nothing: returns NULL, or why not. */
static const char *foreign(const char *path)
{
	char start[sizeof(STATE_MAGIC)] = "";
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		return strerror(errno);
	len = fread(start, 1, strlen(STATE_MAGIC), file);
	fclose(file);
	if (len == 0 || strcmp(start, STATE_MAGIC) == 0)
		return NULL;
	return "it is there, and not a file of msrsave's";
}

const char *state_obstacle(const char *path)
{
	struct stat status;

	if (lstat(path, &status))
		return errno == ENOENT ? NULL : strerror(errno);
	if (S_ISLNK(status.st_mode))
		return "it is a symbolic link";
	if (!S_ISREG(status.st_mode))
		return "it is not a regular file";
	return foreign(path);
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

static int open_folder(const char *path, int folder_len)
{
	char *folder;
	int fd;

	if (asprintf(&folder, "%.*s.", folder_len, path) < 0)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return fd;
}

/* Writes a new file. Returns 0 or errno, and there is none then. */
static int write_new(char *template, const char *text, size_t len)
{
	int fd = mkostemp(template, O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (fchmod(fd, 0600) || write_all(fd, text, len) || fsync(fd))
		err = errno;
	if (close(fd) && !err)
		err = errno;
	if (err)
		unlink(template);
	return err;
}

/* Writes a file of its own and puts it in the place of @path. Returns 0 or errno. */
static int replace(const char *path, const char *text, size_t len, bool *replaced)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	/* Before anything is replaced: afterwards it would be too late to refuse. */
	int folder = open_folder(path, name - path), err;
	char *temporary;

	if (folder < 0)
		return errno;
	/* A name as long as they may be is cut. */
	if (asprintf(&temporary, "%.*s%.*s.XXXXXX", (int)(name - path), path,
		     NAME_MAX - (int)strlen(".XXXXXX"), name) < 0) {
		close(folder);
		return ENOMEM;
	}
	err = write_new(temporary, text, len);
	if (!err && rename(temporary, path)) {
		err = errno;
		unlink(temporary);
	}
	*replaced = !err;
	/* A rename survives a crash. Filesystems that cannot do that return EINVAL. */
	if (!err && fsync(folder) && errno != EINVAL)
		err = errno;
	free(temporary);
	close(folder);
	return err;
}

const char *state_save(const struct state *state, const char *path, bool *replaced)
{
	const char *obstacle = state_obstacle(path);
	char *text;
	size_t len;
	int err;

	*replaced = false;
	if (obstacle)
		return obstacle;
	if (state_format(state, &text, &len))
		return strerror(errno);
	err = replace(path, text, len, replaced);
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
