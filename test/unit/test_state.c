// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of msrsave: what is in it, what is refused, and what becomes of it when
 * saving fails.
 */

#include <sys/stat.h>

#include "unit.h"
#include "../../msrsave/state.h"

static const char example[] = "msrsave-format 1\n"
			      "# Registers as they were; to restore them: msrsave --restore FILE\n"
			      "version 2.0.0\n"
			      "host node17\n"
			      "time 2026-11-22T23:40:00Z\n"
			      "cpus 0-3,6\n"
			      "\n"
			      "# The allowlist in force: address, write mask\n"
			      "list 0x00000010 0x0000000000000000\n"
			      "list 0x00000199 0x000000000000FFFF\n"
			      "list 0xC0000103 0x0000000000000001\n"
			      "list 0x000001B0 0x000000000000000F\n"
			      "\n"
			      "# What the writable bits held: address, value, CPUs\n"
			      "msr 0x00000199 0x0000000000001234 0-1\n"
			      "absent 0x00000199 2\n"
			      "msr 0x00000199 0x0000000000001234 3\n"
			      "msr 0x00000199 0x0000000000001234 6\n"
			      "msr 0x000001B0 0x000000000000000F 0\n"
			      "msr 0x000001B0 0x0000000000000006 1\n"
			      "absent 0x000001B0 2-3\n"
			      "values 6\n";

/* The text with its checksum, by a CRC-32 of the test's own, to be freed */
static char *checked(const char *body, size_t len, size_t *total)
{
	char *text = malloc(len + 32);
	uint32_t table[256], crc, i, bit;
	size_t at;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = (crc & 1) ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
		table[i] = crc;
	}
	crc = 0xFFFFFFFF;
	for (at = 0; at < len; at++)
		crc = table[(crc ^ (unsigned char)body[at]) & 0xFF] ^ (crc >> 8);
	memcpy(text, body, len);
	*total = len + sprintf(text + len, "crc32 0x%08" PRIX32 "\n", crc ^ 0xFFFFFFFF);
	return text;
}

/* What is said of a text, in memory of just its size */
static const char *parse(struct state *state, const char *text, size_t len)
{
	char *copy = malloc(len + 1);
	const char *reason;

	memcpy(copy, text, len);
	copy[len] = '\0';
	reason = state_parse(state, copy, len);
	free(copy);
	if (reason) {
		assert_null(state->values);
		assert_null(state->list.entries);
		assert_int_equal(state->count, 0);
	}
	return reason;
}

static const char *parse_body(struct state *state, const char *body)
{
	const char *reason;
	char *text;
	size_t len;

	text = checked(body, strlen(body), &len);
	reason = parse(state, text, len);
	free(text);
	return reason;
}

static void assert_value(const struct state *state, size_t i, uint32_t msr, unsigned int cpu,
			 bool absent, uint64_t value)
{
	assert_true(i < state->count);
	assert_int_equal(state->values[i].msr, msr);
	assert_int_equal(state->values[i].cpu, cpu);
	assert_int_equal(state->values[i].absent, absent);
	assert_int_equal(state->values[i].value, value);
}

TEST(a_file_is_read, NULL, NULL)
{
	struct state state;

	assert_null(parse_body(&state, example));
	assert_string_equal(state.version, "2.0.0");
	assert_string_equal(state.host, "node17");
	assert_string_equal(state.time, "2026-11-22T23:40:00Z");
	assert_int_equal(msr_safe_cpus_count(&state.cpus), 5);
	assert_true(msr_safe_cpus_has(&state.cpus, 6));
	assert_int_equal(state.list.count, 4);
	assert_int_equal(state.list.entries[2].msr, 0xC0000103);
	assert_int_equal(state.list.entries[3].wmask, 0xF);
	assert_int_equal(state.count, 9);
	assert_value(&state, 0, 0x199, 0, false, 0x1234);
	assert_value(&state, 1, 0x199, 1, false, 0x1234);
	assert_value(&state, 2, 0x199, 2, true, 0);
	assert_value(&state, 4, 0x199, 6, false, 0x1234);
	assert_value(&state, 6, 0x1B0, 1, false, 6);
	assert_value(&state, 8, 0x1B0, 3, true, 0);
	state_free(&state);
}

TEST(a_state_is_written_as_it_was_read, NULL, NULL)
{
	char *text, *expected;
	size_t len, expected_len;
	struct state state;

	assert_null(parse_body(&state, example));
	assert_int_equal(state_format(&state, &text, &len), 0);
	expected = checked(example, strlen(example), &expected_len);
	assert_int_equal(len, expected_len);
	assert_memory_equal(text, expected, len);
	free(text);
	free(expected);
	state_free(&state);
}

TEST(a_state_without_values_is_one, NULL, NULL)
{
	struct state state;

	assert_null(parse_body(&state,
			       "msrsave-format 1\nversion 2\nhost a\ntime b\ncpus 5\nvalues 0\n"));
	assert_int_equal(state.count, 0);
	assert_int_equal(state.list.count, 0);
	state_free(&state);
}

TEST(the_checksum_is_crc32, NULL, NULL)
{
	static const char text[] = "msrsave-format 1\nversion 2\nhost a\ntime b\ncpus 5\nvalues 0\n"
				   "crc32 0x0C4F25A4\n"; /* by zlib */
	struct state state;

	assert_null(parse(&state, text, strlen(text)));
	state_free(&state);
}

TEST(a_file_that_is_cut_short_anywhere_is_refused, NULL, NULL)
{
	const char *reason;
	struct state state;
	size_t len, cut;
	char *text;

	text = checked(example, strlen(example), &len);
	for (cut = 0; cut < len; cut++) {
		reason = parse(&state, text, cut);
		assert_non_null(reason);
		if (cut >= strlen("msrsave-format 1\n"))
			assert_string_equal(reason, "it is cut short");
	}
	free(text);
}

TEST(a_file_with_any_bit_altered_is_refused, NULL, NULL)
{
	struct state state;
	size_t len, bit;
	char *text;

	text = checked(example, strlen(example), &len);
	for (bit = 0; bit < len * 8; bit++) {
		text[bit / 8] ^= 1 << bit % 8;
		/* Hexadecimal digits of the checksum may be of either case. */
		if (bit / 8 < strlen(example) || bit % 8 != 5)
			assert_non_null(parse(&state, text, len));
		text[bit / 8] ^= 1 << bit % 8;
	}
	/* A byte more, a byte fewer */
	text = realloc(text, len + 2);
	text[len] = '\n';
	assert_non_null(parse(&state, text, len + 1));
	free(text);
}

TEST(what_is_of_another_kind_is_told_apart, NULL, NULL)
{
	static const char *const texts[][2] = {
		{ "", "it is not a file of msrsave's" },
		{ "root:x:0:0\n", "it is not a file of msrsave's" },
		{ "msrsave-format 2\nfoo\n",
		  "it is of another format than 1, which this msrsave knows" },
		{ "msrsave-format 10\nfoo\n",
		  "it is of another format than 1, which this msrsave knows" },
	};
	struct state state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		assert_string_equal(parse(&state, texts[i][0], strlen(texts[i][0])), texts[i][1]);
}

/* The example with its first occurrence of @from made @to */
static const char *parse_edited(struct state *state, const char *from, const char *to)
{
	const char *at = strstr(example, from), *reason;
	char body[sizeof(example) + 256];

	if (!at)
		fail_msg("no \"%s\" in the example", from);
	snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - example), example, to,
		 at + strlen(from));
	reason = parse_body(state, body);
	return reason;
}

TEST(what_makes_no_sense_is_refused_with_its_line, NULL, NULL)
{
	static const struct {
		const char *from, *to, *reason;
	} cases[] = {
		{ "version 2.0.0\n", "", "line 3: this should be the version" },
		{ "version 2.0.0\n", "version \n", "line 3: this should be the version" },
		{ "2.0.0", "2.0\x01.0", "line 3: this should be the version" },
		{ "2.0.0", "2345678901234567890123456789012345678901234567890123456789012345",
		  "line 3: this should be the version" },
		{ "host node17\n", "", "line 4: this should be the host's name" },
		{ "time 2026-11-22T23:40:00Z\n", "", "line 5: this should be the time" },
		{ "cpus 0-3,6", "cpus 3-0", "line 6: this should be the CPUs" },
		{ "cpus 0-3,6", "cpus 0-3,65536", "line 6: this should be the CPUs" },
		{ "cpus 0-3,6", "cpus 0-3,6 ", "line 6: this should be the CPUs" },
		{ "list 0x00000010 0x0000000000000000", "list 0x10 0x0",
		  "line 9: this should be an address and a write mask" },
		{ "list 0x00000010", "list 0x00000199", "line 11: the register is listed twice" },
		{ "msr 0x00000199 0x0000000000001234 0-1", "msr 0x00000199 0x1234 0-1",
		  "line 15: this should be an address, a value and CPUs" },
		{ "1234 0-1", "1234 0-", "line 15: this is not a range of CPUs" },
		{ "1234 0-1", "1234 1-0", "line 15: this is not a range of CPUs" },
		{ "1234 0-1", "1234 0-1,2", "line 15: there is more on the line than should be" },
		{ "1234 0-1", "1234 0x0", "line 15: there is more on the line than should be" },
		{ "1234 0-1", "1234 0-4", "line 15: a CPU is not one of those saved" },
		{ "1234 0-1", "1234 0-65536", "line 15: this is not a range of CPUs" },
		{ "1234 3\n", "1234 1\n", "line 17: a CPU has the register twice" },
		{ "1234 3\n", "1234 2-3\n", "line 17: a CPU has the register twice" },
		{ "msr 0x00000199 0x0000000000001234 0-1", "msr 0x00000010 0x0000000000000000 0-1",
		  "line 15: bits have a value that could not be written" },
		{ "1234 0-1", "12345 0-1", "line 15: this should be an address, a value and CPUs" },
		{ "0x0000000000001234 0-1", "0x0000000000010000 0-1",
		  "line 15: bits have a value that could not be written" },
		{ "absent 0x00000199 2", "absent 0x00000198 2",
		  "line 16: the register is not in the list, or not in its order" },
		{ "msr 0x000001B0 0x000000000000000F 0", "msr 0xC0000103 0x0000000000000000 0",
		  NULL },
		{ "msr 0x000001B0 0x0000000000000006 1", "msr 0xC0000103 0x0000000000000000 1",
		  "line 20: the register is not in the list, or not in its order" },
		{ "values 6", "values 5", "line 22: there are not as many values as it says" },
		{ "values 6\n", "",
		  "line 22: this should be a register's value or the number of values" },
		{ "values 6\n", "values 6\nvalues 6\n", "line 23: there is more than should be" },
		{ "values 6", "values 06x",
		  "line 22: this should be a register's value or the number of values" },
		{ "values 6\n", "msr 0x000001B0 0x0000000000000006 6\nvalues 6\n",
		  "line 23: there are not as many values as it says" },
	};
	const char *reason;
	struct state state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		reason = parse_edited(&state, cases[i].from, cases[i].to);
		if (cases[i].reason) {
			assert_non_null(reason);
			assert_string_equal(reason, cases[i].reason);
		} else {
			assert_null(reason);
			state_free(&state);
		}
	}
}

TEST(a_value_of_0_is_not_absent, NULL, NULL)
{
	struct state state;
	size_t len;
	char *text;

	assert_null(parse_edited(&state, "0x0000000000000006 1\n", "0x0000000000000000 1\n"));
	assert_int_equal(state_format(&state, &text, &len), 0);
	assert_non_null(strstr(text, "\nmsr 0x000001B0 0x0000000000000000 1\n"
				     "absent 0x000001B0 2-3\nvalues 6\n"));
	free(text);
	state_free(&state);
}

TEST(bytes_of_zero_are_refused, NULL, NULL)
{
	char body[sizeof(example)], *text;
	struct state state;
	size_t i, len;

	for (i = strlen("msrsave-format 1"); i < strlen(example); i++) {
		memcpy(body, example, sizeof(example));
		if (body[i] == '#' || strrchr("\n", body[i]))
			continue;
		body[i] = '\0';
		text = checked(body, strlen(example), &len);
		if (!parse(&state, text, len)) {
			/* In a comment it says nothing. */
			while (i > 0 && example[i] != '\n' && example[i] != '#')
				i--;
			assert_int_equal(example[i], '#');
			i += strcspn(example + i, "\n");
			state_free(&state);
		}
		free(text);
	}
}

TEST(more_values_than_the_bound_are_refused, NULL, NULL)
{
	struct state state;
	FILE *stream;
	char *body;
	size_t len;
	int i;

	stream = open_memstream(&body, &len);
	fputs("msrsave-format 1\nversion 2\nhost a\ntime b\ncpus 0-65535\n", stream);
	for (i = 0; i < 65; i++)
		fprintf(stream, "list 0x%08X 0x0000000000000001\n", i);
	for (i = 0; i < 65; i++)
		fprintf(stream, "msr 0x%08X 0x0000000000000001 0-65535\n", i);
	fprintf(stream, "values %d\n", 65 * 65536);
	fclose(stream);
	assert_string_equal(parse_body(&state, body), "line 135: there are too many values");
	free(body);
}

TEST(a_list_longer_than_the_bound_is_refused, NULL, NULL)
{
	struct state state;
	FILE *stream;
	char *body;
	size_t len;
	int i;

	stream = open_memstream(&body, &len);
	fputs("msrsave-format 1\nversion 2\nhost a\ntime b\ncpus 0\n", stream);
	for (i = 0; i < 32769; i++)
		fprintf(stream, "list 0x%08X 0x0000000000000001\n", i);
	fputs("values 0\n", stream);
	fclose(stream);
	/* As many as the bound were taken before. */
	assert_string_equal(parse_body(&state, body), "line 32775: the list is too long");
	free(body);
}

/*
 * The file
 */

static char folder[] = "/tmp/test_state.XXXXXX", path[64], other[64];
static bool replaced;

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/state", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	chmod(folder, 0700);
	unlink(path);
	rmdir(path);
	unlink(other);
	/* Fails if anything else was left in it */
	return rmdir(folder);
}

static int fsyncs, failing_fsync, fsync_error;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	fsyncs++;
	if (fsyncs == failing_fsync) {
		errno = fsync_error;
		return -1;
	}
	return __real_fsync(fd);
}

/* Whether files are read and written some bytes at a time, every other time none */
static bool halting;
static unsigned int transfers;

static bool interrupted(size_t *len)
{
	if (!halting)
		return false;
	*len = *len < 100 ? *len : 100;
	errno = EINTR;
	return ++transfers % 2;
}

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	return interrupted(&len) ? -1 : __real_read(fd, buf, len);
}

/* After so many bytes the disk is full. */
static size_t room;

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (interrupted(&len))
		return -1;
	len = len < room ? len : room;
	room -= len;
	errno = ENOSPC;
	return len > 0 ? __real_write(fd, buf, len) : -1;
}

static bool failing_rename;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	/* After a crash, the name leads to a whole file. */
	assert_int_equal(fsyncs, 1);
	errno = EIO;
	return failing_rename ? -1 : __real_rename(from, to);
}

static void load_example(struct state *state)
{
	assert_null(parse_body(state, example));
	fsyncs = 0;
	failing_fsync = 0;
	fsync_error = ENOSPC;
	halting = false;
	room = SIZE_MAX;
	failing_rename = false;
}

TEST(a_state_is_saved_and_loaded, make_folder, remove_folder)
{
	struct state state, loaded;
	struct stat status;

	load_example(&state);
	umask(0);
	assert_null(state_save(&state, path, &replaced));
	assert_true(replaced);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(fsyncs, 2); /* the file, its folder */
	assert_null(state_load(&loaded, path));
	assert_int_equal(loaded.count, state.count);
	assert_memory_equal(loaded.values, state.values, 9 * sizeof(*state.values));
	state_free(&loaded);

	/* Over the one before, whatever its permissions */
	chmod(path, 0);
	state.count = 0;
	fsyncs = 0;
	umask(0277);
	assert_null(state_save(&state, path, &replaced));
	umask(022);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_null(state_load(&loaded, path));
	assert_int_equal(loaded.count, 0);
	state_free(&loaded);
	state_free(&state);
}

static void write_other(const char *at, const char *text)
{
	FILE *file = fopen(at, "w");

	fputs(text, file);
	fclose(file);
}

static void assert_holds(const char *at, const char *text)
{
	char content[256] = "";
	FILE *file = fopen(at, "r");

	assert_non_null(file);
	assert_int_equal(fread(content, 1, sizeof(content) - 1, file), strlen(text));
	assert_string_equal(content, text);
	fclose(file);
}

TEST(a_symbolic_link_is_not_followed, make_folder, remove_folder)
{
	struct state state, loaded;
	struct stat status;

	load_example(&state);
	write_other(other, "precious");
	assert_int_equal(symlink("other", path), 0);
	assert_string_equal(state_obstacle(path), "it is a symbolic link");
	assert_string_equal(state_save(&state, path, &replaced), "it is a symbolic link");
	assert_string_equal(state_load(&loaded, path), "it is a symbolic link");
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_holds(other, "precious");
	/* Nor one that leads nowhere */
	unlink(other);
	assert_string_equal(state_save(&state, path, &replaced), "it is a symbolic link");
	assert_int_not_equal(access(other, F_OK), 0);
	state_free(&state);
}

TEST(what_is_no_regular_file_is_refused, make_folder, remove_folder)
{
	struct state state, loaded;

	load_example(&state);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_string_equal(state_obstacle(path), "it is not a regular file");
	assert_string_equal(state_save(&state, path, &replaced), "it is not a regular file");
	assert_string_equal(state_load(&loaded, path), "it is not a regular file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_string_equal(state_save(&state, path, &replaced), "it is not a regular file");
	assert_string_equal(state_load(&loaded, path), "it is not a regular file");
	assert_string_equal(state_save(&state, "/dev/null", &replaced), "it is not a regular file");
	state_free(&state);
}

TEST(a_file_of_another_kind_is_not_replaced, make_folder, remove_folder)
{
	struct state state;

	load_example(&state);
	write_other(path, "precious");
	assert_string_equal(state_obstacle(path), "it is there, and not a file of msrsave's");
	assert_string_equal(state_save(&state, path, &replaced),
			    "it is there, and not a file of msrsave's");
	assert_holds(path, "precious");
	write_other(path, "");
	assert_null(state_save(&state, path, &replaced));
	state_free(&state);
}

TEST(what_is_not_there_cannot_be_loaded_nor_its_folder_saved_to, make_folder, remove_folder)
{
	struct state state, loaded;
	char in_nowhere[80];

	load_example(&state);
	assert_null(state_obstacle(path));
	assert_string_equal(state_load(&loaded, path), "No such file or directory");
	snprintf(in_nowhere, sizeof(in_nowhere), "%s/nowhere/state", folder);
	assert_string_equal(state_save(&state, in_nowhere, &replaced), "No such file or directory");
	state_free(&state);
}

static void assert_not_replaced(const struct state *state, const char *reason)
{
	fsyncs = 0;
	replaced = true;
	assert_string_equal(state_save(state, path, &replaced), reason);
	assert_false(replaced);
	assert_holds(path, "msrsave-format of the file before");
}

TEST(a_disk_that_is_full_leaves_the_file_before, make_folder, remove_folder)
{
	struct state state;

	load_example(&state);
	write_other(path, "msrsave-format of the file before");
	failing_fsync = 1;
	assert_not_replaced(&state, "No space left on device");
	failing_fsync = 0;
	room = 200;
	assert_not_replaced(&state, "No space left on device");
	state_free(&state);
}

TEST(a_rename_that_fails_leaves_the_file_before, make_folder, remove_folder)
{
	struct state state;

	load_example(&state);
	write_other(path, "msrsave-format of the file before");
	failing_rename = true;
	assert_not_replaced(&state, "Input/output error");
	state_free(&state);
}

TEST(what_is_interrupted_is_taken_up_again, make_folder, remove_folder)
{
	struct state state, loaded;

	load_example(&state);
	halting = true;
	assert_null(state_save(&state, path, &replaced));
	assert_null(state_load(&loaded, path));
	assert_int_equal(loaded.count, state.count);
	state_free(&loaded);
	state_free(&state);
}

TEST(a_filesystem_that_syncs_no_folders_is_good_enough, make_folder, remove_folder)
{
	struct state state;

	load_example(&state);
	failing_fsync = 2;
	fsync_error = EINVAL;
	assert_null(state_save(&state, path, &replaced));
	assert_true(replaced);
	state_free(&state);
}

TEST(no_descriptor_is_left_open, make_folder, remove_folder)
{
	struct state state, loaded;
	int fd, after;

	load_example(&state);
	fd = open("/dev/null", O_RDONLY);
	close(fd);
	assert_null(state_save(&state, path, &replaced));
	assert_null(state_load(&loaded, path));
	state_free(&loaded);
	fsyncs = 0;
	failing_fsync = 1;
	assert_non_null(state_save(&state, path, &replaced));
	write_other(path, "no state");
	assert_non_null(state_load(&loaded, path));
	after = open("/dev/null", O_RDONLY);
	close(after);
	assert_int_equal(fd, after);
	state_free(&state);
}

TEST(a_folder_that_is_not_synced_has_the_new_file, make_folder, remove_folder)
{
	struct state state, loaded;

	load_example(&state);
	write_other(path, "msrsave-format of the file before");
	failing_fsync = 2;
	assert_string_equal(state_save(&state, path, &replaced), "No space left on device");
	assert_true(replaced);
	assert_null(state_load(&loaded, path));
	state_free(&loaded);
	state_free(&state);
}

TEST(a_file_without_a_folder_is_of_this_one, make_folder, remove_folder)
{
	int here = open(".", O_RDONLY | O_DIRECTORY);
	struct state state, loaded;

	load_example(&state);
	assert_int_equal(chdir(folder), 0);
	assert_null(state_save(&state, "state", &replaced));
	assert_int_equal(fchdir(here), 0);
	close(here);
	assert_null(state_load(&loaded, path));
	state_free(&loaded);
	state_free(&state);
}

TEST(a_name_can_be_as_long_as_names_are, make_folder, remove_folder)
{
	struct state state, loaded;
	char longest[512];

	load_example(&state);
	snprintf(longest, sizeof(longest), "%s/%0255d", folder, 1);
	assert_null(state_save(&state, longest, &replaced));
	assert_null(state_load(&loaded, longest));
	assert_int_equal(unlink(longest), 0);
	state_free(&loaded);
	state_free(&state);
	snprintf(longest, sizeof(longest), "%s/%0256d", folder, 1);
	assert_string_equal(state_save(&state, longest, &replaced), "File name too long");
}

TEST(a_file_that_is_too_large_is_refused, make_folder, remove_folder)
{
	struct state loaded;

	write_other(path, "x");
	assert_int_equal(truncate(path, (off_t)STATE_MAX_BYTES + 1), 0);
	assert_string_equal(state_load(&loaded, path), "File too large");
}
