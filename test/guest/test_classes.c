// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classes of users: a list for each group, bounded by the default list.
 */

#include <grp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/fsuid.h>

#include "sessions.h"
#include "workers.h"

#define NONE UINT64_MAX

#define FIRST 5001
#define SECOND 5002
#define FIRST_PATH LIST_PATH "_5001"
#define SECOND_PATH LIST_PATH "_5002"

static int write_to(const char *path, const char *text)
{
	int fd = open_path(path, O_WRONLY);
	ssize_t len = write(fd, text, strlen(text));
	int err = len < 0 ? errno : 0;

	close(fd);
	assert_true(err || len == (ssize_t)strlen(text));
	return err;
}

static void read_from(const char *path, char *text, size_t size)
{
	int fd = open_path(path, O_RDONLY);
	ssize_t len = read(fd, text, size - 1);

	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
}

#define assert_list(path, expected)                                            \
	do {                                                                   \
		char list[4096];                                               \
		read_from(path, list, sizeof(list));                           \
		assert_string_equal(list, "# MSR      Write mask\n" expected); \
	} while (0)

static void permit_all(void)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < cpus_online(); i++) {
		snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", i);
		assert_int_equal(chmod(path, 0666), 0);
	}
	assert_int_equal(chmod(BATCH_PATH, 0666), 0);
	assert_int_equal(chmod(SAMPLE_PATH, 0666), 0);
}

static int load_with(const char *params)
{
	int err = unload_module() ?: load_module(params);

	if (!err)
		permit_all();
	return err;
}

/* STORE_A and STORE_B for the first class, STORE_A and STORE_C for the second */
static int with_classes(void **state)
{
	(void)state;
	if (load_with("class_gids=5001,5002"))
		return -1;
	load_list("0x402 0xffff\n0x406 0xffff\n0x40a 0xffff\n");
	return write_to(FIRST_PATH, "0x402 0xff\n0x406 0\n") ||
	       write_to(SECOND_PATH, "0x402 0xff00\n0x40a 0\n");
}

static int back(void **state)
{
	(void)state;
	return unload_module() ?: load_module("");
}

struct user {
	uid_t uid;
	gid_t egid;
	unsigned int nr_groups;
	gid_t groups[4];
	int fd; /* of a batch device; -1 to open it */
};

#define USER 1000

/* The write masks of the stores that a child has found, NONE if not listed */
static uint64_t *seen_masks;

/* Returns 1 if a child cannot become the user, 2 for another error, 3 if it may not open. */
static int look(void *arg)
{
	static const uint32_t msrs[] = { STORE_A, STORE_B, STORE_C };
	struct user *user = arg;
	struct msr_batch_op ops[3];
	unsigned int i;

	if (setgroups(user->nr_groups, user->groups) || setresgid(USER, user->egid, USER) ||
	    setuid(user->uid))
		return 1;
	if (user->fd < 0)
		user->fd = open(BATCH_PATH, O_RDONLY);
	if (user->fd < 0)
		return errno == EACCES ? 3 : 2;
	for (i = 0; i < 3; i++)
		ops[i] = read_op(0, msrs[i]);
	run_batch_fd(user->fd, ops, 3);
	for (i = 0; i < 3; i++) {
		if (ops[i].err && ops[i].err != -EACCES)
			return 2;
		seen_masks[i] = ops[i].err ? NONE : ops[i].wmask;
	}
	return 0;
}

static void assert_user_sees(struct user user, uint64_t a, uint64_t b, uint64_t c)
{
	seen_masks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen_masks != MAP_FAILED);
	assert_int_equal(in_child(false, look, &user), 0);
	assert_int_equal(seen_masks[0], a);
	assert_int_equal(seen_masks[1], b);
	assert_int_equal(seen_masks[2], c);
	munmap(seen_masks, 4096);
}

/* Opens a device as a user whose group it is. */
static int open_in(gid_t gid, const char *path, int flags)
{
	int fd, saved;

	assert_int_equal(setegid(gid) | seteuid(USER), 0);
	fd = open(path, flags);
	saved = errno;
	assert_int_equal(seteuid(0) | setegid(0), 0);
	errno = saved;
	return fd;
}

TEST(each_class_has_its_list_at_the_same_time, with_classes, back)
{
	struct stat status;

	assert_user_sees((struct user){ USER, USER, 1, { FIRST }, -1 }, 0xff, 0, NONE);
	assert_user_sees((struct user){ USER, USER, 1, { SECOND }, -1 }, 0xff00, NONE, 0);
	/* As a program with the setgid bit has it */
	assert_user_sees((struct user){ USER, SECOND, 0, { 0 }, -1 }, 0xff00, NONE, 0);
	/* The first of two classes counts, whatever the order of the groups. */
	assert_user_sees((struct user){ USER, USER, 2, { SECOND, FIRST }, -1 }, 0xff, 0, NONE);
	assert_user_sees((struct user){ USER, SECOND, 1, { FIRST }, -1 }, 0xff, 0, NONE);
	assert_int_equal(stat(FIRST_PATH, &status), 0);
	assert_int_equal(status.st_mode, S_IFCHR | 0600);
	assert_int_equal(status.st_uid | status.st_gid, 0);
}

TEST(root_has_the_default_list_whatever_groups_it_is_in, with_classes, back)
{
	assert_user_sees((struct user){ 0, USER, 0, { 0 }, -1 }, 0xffff, 0xffff, 0xffff);
	assert_user_sees((struct user){ 0, USER, 1, { FIRST }, -1 }, 0xffff, 0xffff, 0xffff);
	assert_user_sees((struct user){ 0, SECOND, 2, { SECOND, FIRST }, -1 }, 0xffff, 0xffff,
			 0xffff);
}

static const char *const devices[] = { "/dev/cpu/1/msr_safe", BATCH_PATH, SAMPLE_PATH };

/* Returns how many of the devices open; 99 if one does not for another reason than EACCES. */
static unsigned int count_open(void)
{
	unsigned int i, count = 0;
	int fd;

	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		fd = open(devices[i], O_RDONLY);
		if (fd < 0 && errno != EACCES)
			return 99;
		count += fd >= 0;
		close(fd);
	}
	return count;
}

static int open_in_groups(void *arg)
{
	const struct user *user = arg;

	if (setgroups(user->nr_groups, user->groups) || setresgid(USER, user->egid, USER) ||
	    setuid(user->uid))
		return 98;
	return count_open();
}

TEST(who_is_in_no_class_cannot_open_a_device, with_classes, back)
{
	struct user outsider = { USER, USER, 0, { 0 }, -1 };
	struct user others = { USER, USER, 3, { 7, 5000, 5003 }, -1 };
	struct user of_group_0 = { USER, 0, 1, { 0 }, -1 };
	struct user member = { USER, USER, 3, { 7, SECOND, 5003 }, -1 };

	assert_int_equal(in_child(false, open_in_groups, &outsider), 0);
	assert_int_equal(in_child(false, open_in_groups, &others), 0);
	assert_int_equal(in_child(false, open_in_groups, &of_group_0), 0);
	assert_int_equal(in_child(false, open_in_groups, &member), ARRAY_SIZE(devices));
}

static int open_as_fsuid(void *arg)
{
	(void)arg;
	/* As a file server acts for a user */
	setfsuid(USER);
	return count_open();
}

TEST(root_that_acts_for_a_user_is_not_root, with_classes, back)
{
	assert_int_equal(in_child(false, open_as_fsuid, NULL), 0);
}

static int without_classes(void **state)
{
	(void)state;
	if (load_with(""))
		return -1;
	load_list("0x402 0xffff\n0x406 0xffff\n0x40a 0xffff\n");
	return 0;
}

TEST(without_classes_all_have_the_default_list, without_classes, back)
{
	assert_user_sees((struct user){ USER, USER, 0, { 0 }, -1 }, 0xffff, 0xffff, 0xffff);
	assert_user_sees((struct user){ USER, USER, 1, { FIRST }, -1 }, 0xffff, 0xffff, 0xffff);
	assert_user_sees((struct user){ 0, USER, 0, { 0 }, -1 }, 0xffff, 0xffff, 0xffff);
}

TEST(a_descriptor_keeps_the_class_of_who_opened_it, with_classes, back)
{
	int fd = open_in(FIRST, BATCH_PATH, O_RDONLY);

	assert_true(fd >= 0);
	assert_user_sees((struct user){ USER, USER, 1, { SECOND }, fd }, 0xff, 0, NONE);
	assert_user_sees((struct user){ USER, USER, 0, { 0 }, fd }, 0xff, 0, NONE);
	assert_user_sees((struct user){ 0, USER, 0, { 0 }, fd }, 0xff, 0, NONE);
	close(fd);
}

/*
 * A user namespace in which a user is root, and its own group group 0. Root has given it one
 * subordinate group, so that it may call setgroups().
 */
struct namespace
{
	gid_t group; /* that the user is in outside, beside its own */
	void (*enters)(void); /* what it does there */
};

static void keep_groups(void)
{
}

static void drop_groups(void)
{
	if (setgroups(0, NULL))
		abort();
}

static void drop_groups_and_be_root(void)
{
	drop_groups();
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		abort();
}

static void take_subordinate_group(void)
{
	gid_t group = 1;

	if (setgroups(1, &group) || setresgid(1, 1, 1))
		abort();
}

static int open_in_namespace(void *arg)
{
	struct namespace *namespace = arg;

	if (setgroups(1, &namespace->group) || setgid(USER) || setuid(USER))
		return 97;
	if (unshare(CLONE_NEWUSER))
		return 96;
	raise(SIGSTOP); /* and root writes the maps */
	namespace->enters();
	return count_open();
}

static void write_maps(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	assert_int_equal(write_file(path, "0 1000 1\n1 100000 1000"), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	assert_int_equal(write_file(path, "0 1000 1\n1 100000 1000"), 0);
}

/* Returns how many devices open in the namespace. */
static unsigned int open_within(struct namespace namespace)
{
	int status;
	pid_t pid;

	write_file("/proc/sys/kernel/unprivileged_userns_clone", "1");
	write_file("/proc/sys/user/max_user_namespaces", "100");
	write_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		/* A process that changes who it is hides itself from its own user, not from root.
		 */
		_exit(open_in_namespace(&namespace));
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		write_maps(pid);
		kill(pid, SIGCONT);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(a_group_that_is_dropped_in_a_user_namespace_leaves_nothing, with_classes, back)
{
	const unsigned int all = ARRAY_SIZE(devices);

	if (!has_user_namespaces())
		skip();
	/* A member of the class is one there, too. */
	assert_int_equal(open_within((struct namespace){ FIRST, keep_groups }), all);
	assert_int_equal(open_within((struct namespace){ FIRST, drop_groups }), 0);
	assert_int_equal(open_within((struct namespace){ FIRST, drop_groups_and_be_root }), 0);
	assert_int_equal(open_within((struct namespace){ FIRST, take_subordinate_group }), 0);
}

TEST(root_of_a_user_namespace_is_not_root, with_classes, back)
{
	if (!has_user_namespaces())
		skip();
	assert_int_equal(open_within((struct namespace){ USER, keep_groups }), 0);
	assert_int_equal(open_within((struct namespace){ USER, drop_groups_and_be_root }), 0);
}

#define HELPER "/tmp/helper"

static int run_plain(void *arg)
{
	(void)arg;
	execl("./rdmsr-safe", "rdmsr-safe", "-p", "1", "0x406", NULL);
	return 126;
}

static int run_helper(void *arg)
{
	(void)arg;
	execl(HELPER, "rdmsr-safe", "-p", "1", "0x406", NULL);
	return 126;
}

TEST(a_setuid_root_helper_is_root, with_classes, back)
{
	assert_int_equal(system("cp ./rdmsr-safe " HELPER " && chmod 4755 " HELPER), 0);
	assert_int_not_equal(in_child(true, run_plain, NULL), 0);
	assert_int_equal(in_child(true, run_helper, NULL), 0);
	unlink(HELPER);
}

TEST(the_per_cpu_devices_have_classes_too, with_classes, back)
{
	uint64_t value = 0x1234;
	int fd;

	poke(1, STORE_A, 0);
	fd = open_in(FIRST, "/dev/cpu/1/msr_safe", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &value, 8, STORE_A), 8);
	assert_int_equal(peek(1, STORE_A), 0x34);
	assert_fails(pread(fd, &value, 8, STORE_C), EACCES);
	assert_fails(pwrite(fd, &value, 8, STORE_B), EACCES);
	close(fd);
}

TEST(a_list_beyond_the_default_is_eperm_and_the_line_is_named, with_classes, back)
{
	static const char *const beyond[] = {
		"0x402 0\n\n# more\n0x40e 0\n",
		"0x402 0\n\n\n0x406 0x10000\n",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		mark_log();
		assert_int_equal(write_to(FIRST_PATH, beyond[i]), EPERM);
		assert_int_equal(count_in_log("allowlist of group 5001 refused, the current list "
					      "stays: line 4: not within the default list"),
				 1);
		assert_list(FIRST_PATH, "0x00000402 0x00000000000000FF\n"
					"0x00000406 0x0000000000000000\n");
	}
}

TEST(a_dangerous_list_that_is_refused_neither_warns_nor_taints, with_classes, back)
{
	bool before = is_out_of_spec();

	mark_log();
	assert_int_equal(write_to(FIRST_PATH, "0x402 0\n0xc0000082 0xff\n"), EPERM);
	assert_int_equal(count_in_log("allowlist lets users take over"), 0);
	assert_int_equal(is_out_of_spec(), before);
}

TEST(other_errors_of_a_class_list_are_those_of_the_default, with_classes, back)
{
	mark_log();
	assert_int_equal(write_to(FIRST_PATH, "0x402 x\n"), EINVAL);
	assert_int_equal(write_to(FIRST_PATH, "# none\n"), ENOMSG);
	assert_list(FIRST_PATH, "0x00000402 0x00000000000000FF\n0x00000406 0x0000000000000000\n");
	assert_int_equal(write_to(FIRST_PATH, "0x402 0\n0x402 0\n"), ENOTUNIQ);
	assert_list(FIRST_PATH, "");
	assert_list(SECOND_PATH, "0x00000402 0x000000000000FF00\n0x0000040A 0x0000000000000000\n");
	assert_int_equal(write_to(SECOND_PATH, "\n"), 0);
	assert_list(SECOND_PATH, "");
	assert_int_equal(count_in_log("allowlist of group 5001 refused, it is now empty: line 2: "
				      "address is listed twice"),
			 1);
	assert_int_equal(write_to(FIRST_PATH, "0x402 0\n"), 0);
	assert_int_equal(count_in_log("allowlist of group 5001 written: entries 1, uid 0, "), 1);
}

TEST(a_new_default_list_narrows_those_of_the_classes, with_classes, back)
{
	load_list("0x402 0x0ff0\n0x40a 0\n0x406 0xff\n0x40e 0\n");
	assert_list(FIRST_PATH, "0x00000402 0x00000000000000F0\n0x00000406 0x0000000000000000\n");
	assert_list(SECOND_PATH, "0x00000402 0x0000000000000F00\n0x0000040A 0x0000000000000000\n");
	assert_user_sees((struct user){ USER, USER, 1, { FIRST }, -1 }, 0xf0, 0, NONE);
	load_list("0x406 0\n");
	assert_list(FIRST_PATH, "0x00000406 0x0000000000000000\n");
	assert_list(SECOND_PATH, "");
	/* A lost right does not come back by itself. */
	load_list("0x402 0xffff\n0x406 0xffff\n");
	assert_list(FIRST_PATH, "0x00000406 0x0000000000000000\n");
	assert_user_sees((struct user){ USER, USER, 1, { SECOND }, -1 }, NONE, NONE, NONE);
	assert_int_equal(write_to(SECOND_PATH, "0x402 0xffff\n"), 0);
	load_list("\n");
	assert_list(SECOND_PATH, "");
	assert_user_sees((struct user){ USER, USER, 1, { FIRST }, -1 }, NONE, NONE, NONE);
}

static int prepare_as(gid_t gid, struct msr_ops *head)
{
	int device = open_in(gid, BATCH_PATH, O_RDONLY);
	int fd, saved;

	assert_true(device >= 0);
	fd = ioctl(device, MSR_IOC_PREPARE, head);
	saved = errno;
	close(device);
	errno = saved;
	return fd;
}

/* Of a class, or of root if @gid is 0 */
static int session_of(gid_t gid, uint32_t msr)
{
	struct msr_op op = extended_read(1, msr);
	struct msr_ops head = head_of(&op, 1, 1);
	int fd = gid ? prepare_as(gid, &head) : prepare_on(BATCH_PATH, &head);

	assert_true(fd >= 0);
	return fd;
}

TEST(sessions_are_judged_by_the_list_of_their_opener, with_classes, back)
{
	int first = session_of(FIRST, STORE_B), second = session_of(SECOND, STORE_C),
	    root = session_of(0, STORE_A);
	struct msr_op op = extended_read(1, STORE_C);
	struct msr_ops head = head_of(&op, 1, 1);
	char path[64], text[512];

	assert_fails(prepare_as(FIRST, &head), EACCES);
	assert_int_equal(run_fd(first, NULL) | run_fd(second, NULL) | run_fd(root, NULL), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", second);
	read_from(path, text, sizeof(text));
	assert_non_null(strstr(text, "msr-list:\tgroup 5002\n"));
	/* A list of the first class is nothing to the others. */
	assert_int_equal(write_to(FIRST_PATH, "0x402 0\n"), 0);
	assert_fails(run_fd(first, NULL), ESTALE);
	assert_int_equal(run_fd(second, NULL) | run_fd(root, NULL), 0);
	/* The default list is. */
	load_list("0x402 0\n");
	assert_fails(run_fd(second, NULL), ESTALE);
	assert_int_equal(run_fd(root, NULL), 0);
	close(first);
	close(second);
	close(root);
}

static int with_revocation(void **state)
{
	(void)state;
	return load_with("class_gids=5001,5002 revoke_on_change=1");
}

static void open_all(int batches[3], int sessions[3])
{
	static const gid_t gids[] = { 0, FIRST, SECOND };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		batches[i] = gids[i] ? open_in(gids[i], BATCH_PATH, O_RDONLY) :
				       open_path(BATCH_PATH, O_RDONLY);
		sessions[i] = session_of(gids[i], STORE_A);
	}
}

TEST(with_revocation_any_list_revokes_all_descriptors_and_sessions, with_revocation, back)
{
	static const char *const paths[] = { LIST_PATH, FIRST_PATH, SECOND_PATH };
	struct msr_batch_op op = read_op(0, STORE_A);
	int batches[3], sessions[3];
	unsigned int i, j;

	for (i = 0; i < 3; i++)
		assert_int_equal(write_to(paths[i], "0x402 0\n"), 0);
	for (i = 0; i < 3; i++) {
		open_all(batches, sessions);
		for (j = 0; j < 3; j++) {
			assert_int_equal(run_batch_fd(batches[j], &op, 1), 0);
			assert_int_equal(run_fd(sessions[j], NULL), 0);
		}
		/* The same list once more: none lacks what it had. */
		assert_int_equal(write_to(paths[i], "0x402 0\n"), 0);
		for (j = 0; j < 3; j++) {
			assert_fails(run_batch_fd(batches[j], &op, 1), ESTALE);
			assert_fails(run_fd(sessions[j], NULL), ESTALE);
			close(batches[j]);
			close(sessions[j]);
		}
	}
}

TEST(without_revocation_descriptors_and_sessions_stay, with_classes, back)
{
	static const char *const paths[] = { LIST_PATH, FIRST_PATH, SECOND_PATH };
	static const char *const lists[] = {
		"0x402 0xffff\n0x406 0xffff\n0x40a 0xffff\n",
		"0x402 0xff\n0x406 0\n",
		"0x402 0xff00\n0x40a 0\n",
	};
	struct msr_batch_op op = read_op(0, STORE_A);
	int batches[3], sessions[3];
	unsigned int i, j;

	open_all(batches, sessions);
	for (i = 0; i < 3; i++) {
		assert_int_equal(write_to(paths[i], lists[i]), 0);
		for (j = 0; j < 3; j++) {
			assert_int_equal(run_batch_fd(batches[j], &op, 1), 0);
			assert_int_equal(run_fd(sessions[j], NULL), 0);
		}
	}
	for (j = 0; j < 3; j++) {
		close(batches[j]);
		close(sessions[j]);
	}
}

static char text[8192];

static int run_tool(const char *arguments)
{
	char command[256];
	FILE *output;
	size_t len;

	snprintf(command, sizeof(command), "./msr-allowlist -d allowlists %s 2>&1", arguments);
	output = popen(command, "r");
	assert_non_null(output);
	len = fread(text, 1, sizeof(text) - 1, output);
	text[len] = '\0';
	return WEXITSTATUS(pclose(output));
}

static void write_text(const char *path, const char *content)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
}

TEST(the_tool_loads_shows_checks_and_compares_lists_of_classes, with_classes, back)
{
	load_list("0xe7 0\n0xe8 0\n0x199 0xff\n");
	write_text("/tmp/list", "# for 5001\n0xe7 0\n0x199 0xf\n");
	assert_int_equal(run_tool("--class 5001 load --force /tmp/list"), 0);
	assert_list(FIRST_PATH, "0x000000E7 0x0000000000000000\n0x00000199 0x000000000000000F\n");
	assert_list(SECOND_PATH, "");
	assert_int_equal(run_tool("--class 5001 show"), 0);
	assert_non_null(strstr(text, "0x000000E7"));
	assert_null(strstr(text, "0x000000E8"));
	assert_int_equal(run_tool("show"), 0);
	assert_non_null(strstr(text, "0x000000E8"));
	assert_int_equal(run_tool("--class 5001 diff /tmp/list"), 0);
	write_text("/tmp/list", "0xe7 0\n0x199 0x1ff\n\n0x198 0\n");
	assert_int_equal(run_tool("--class 5001 diff /tmp/list"), 1);
	assert_non_null(strstr(text, "+0x00000198"));
	/* All lines that are wider are named, and the list stays. */
	assert_int_equal(run_tool("--class 5001 load --force /tmp/list"), 1);
	assert_non_null(strstr(text, "/tmp/list: line 2: the default list has bits "
				     "0x0000000000000100 of 0x00000199 not writable\n"));
	assert_non_null(strstr(text, "/tmp/list: line 4: 0x00000198 is not in the default list\n"));
	assert_non_null(strstr(text, "/tmp/list: not loaded\n"));
	assert_list(FIRST_PATH, "0x000000E7 0x0000000000000000\n0x00000199 0x000000000000000F\n");
	assert_int_equal(run_tool("--class 5001 check --force /tmp/list"), 1);
	assert_non_null(strstr(text, "line 4: 0x00000198 is not in the default list\n"));
	assert_non_null(strstr(text, "the module would refuse this list"));
	assert_int_equal(run_tool("--class 5003 show"), 1);
	assert_non_null(strstr(text, LIST_PATH "_5003: No such file or directory"));
	assert_int_equal(run_tool("--class no-such-group show"), 2);
	assert_non_null(strstr(text, "there is no group no-such-group"));
	assert_int_equal(run_tool("--class 5001 list"), 2);
	assert_int_equal(run_tool("--class 5001 diff /tmp/list /tmp/list"), 2);
	unlink("/tmp/list");
}

static int show_own(void *arg)
{
	gid_t group = *(gid_t *)arg;

	if (setgroups(1, &group) || setgid(1000) || setuid(1000) || run_tool("show"))
		return 1;
	return strstr(text, "0x000000E7") && !strstr(text, "0x000000E8") ? 0 : 2;
}

TEST(a_user_is_shown_the_list_of_its_class, with_classes, back)
{
	gid_t first = FIRST, second = SECOND;

	load_list("0xe7 0\n0xe8 0\n");
	assert_int_equal(write_to(FIRST_PATH, "0xe7 0\n"), 0);
	assert_int_equal(in_child(false, show_own, &first), 0);
	assert_int_equal(in_child(false, show_own, &second), 2);
}

static int save_and_restore(void *arg)
{
	return system(arg);
}

TEST(msrsave_saves_what_each_class_can_write, with_classes, back)
{
	poke(1, STORE_A, 0x1234);
	assert_int_equal(in_child(false, save_and_restore, "./msrsave -q /tmp/saved"), 0);
	poke(1, STORE_A, 0x4321);
	assert_int_equal(in_child(false, save_and_restore, "./msrsave -q -r /tmp/saved"), 0);
	assert_int_equal(peek(1, STORE_A), 0x1234);
	unlink("/tmp/saved");
}

TEST(wrong_classes_fail_the_load_and_leave_nothing, NULL, back)
{
	static const char *const wrong[] = {
		"class_gids=0",		 "class_gids=00",
		"class_gids=0x1389",	 "class_gids=5001,0x138a",
		"class_gids=5001,5001",	 "class_gids=x",
		"class_gids=4294967295", "class_gids=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
		"class_gids=5001,0",
	};
	unsigned int i;
	char path[64];

	assert_int_equal(unload_module(), 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(load_module(wrong[i]), -EINVAL);
		assert_nothing_left();
	}
	assert_int_equal(load_module("class_gids=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"), 0);
	for (i = 1; i <= 15; i++) {
		snprintf(path, sizeof(path), LIST_PATH "_%u", i);
		assert_int_equal(write_to(path, "\n"), 0);
	}
}

TEST(a_zero_in_front_does_not_make_a_group_octal, NULL, back)
{
	assert_int_equal(load_with("class_gids=05001,0005002"), 0);
	assert_int_equal(access(FIRST_PATH, F_OK) | access(SECOND_PATH, F_OK), 0);
	load_list("0x402 0xffff\n");
	assert_int_equal(write_to(FIRST_PATH, "0x402 0xff\n"), 0);
	assert_user_sees((struct user){ USER, USER, 1, { 5001 }, -1 }, 0xff, NONE, NONE);
}

/*
 * A writer changes all lists again and again. In phase 0, modulo 4, the default list has A and B,
 * and that of the first class A; in phase 2 they have B and C, and C. In between anything may be.
 */
static atomic_uint phase;
static volatile bool stop;

static void *look_again_and_again(void *arg)
{
	int fd = *(int *)arg;
	static const uint32_t msrs[] = { STORE_A, STORE_B, STORE_C };

	while (!stop) {
		struct msr_batch_op ops[60];
		unsigned int before, i, seen = 0;

		for (i = 0; i < ARRAY_SIZE(ops); i++)
			ops[i] = read_op(i % 4, msrs[i % 3]);
		before = atomic_load(&phase);
		run_batch_fd(fd, ops, ARRAY_SIZE(ops));
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			if (!ops[i].err)
				seen |= 1 << i % 3;
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			if (ops[i].err && seen & 1 << i % 3)
				return "a batch was judged by two lists";
		if (seen & 2 || seen == 5)
			return "what the class has not was read";
		/* The default list of the phase was in force all the time. */
		if (before == atomic_load(&phase) && before % 4 == 0 && seen & 4)
			return "C was read, which the default list had not";
		if (before == atomic_load(&phase) && before % 4 == 2 && seen & 1)
			return "A was read, which the default list had not";
	}
	return NULL;
}

TEST(no_batch_is_judged_by_a_list_wider_than_the_default, with_classes, back)
{
	pthread_t threads[3];
	unsigned int i;
	int fd;

	load_list("0x402 0\n0x406 0\n");
	assert_int_equal(write_to(FIRST_PATH, "0x402 0\n"), 0);
	fd = open_in(FIRST, BATCH_PATH, O_RDONLY);
	assert_true(fd >= 0);
	atomic_store(&phase, 0);
	stop = false;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_again_and_again, &fd), 0);
	for (i = 1; i < 600; i++) {
		atomic_fetch_add(&phase, 1);
		load_list(i % 2 ? "0x406 0\n0x40a 0\n" : "0x402 0\n0x406 0\n");
		atomic_fetch_add(&phase, 1);
		assert_int_equal(write_to(FIRST_PATH, i % 2 ? "0x40a 0\n" : "0x402 0\n"), 0);
		if (i % 7 == 0)
			assert_int_equal(write_to(SECOND_PATH, "0x406 0\n"), 0);
		usleep(i % 3 * 300);
	}
	stop = true;
	join_content_threads(threads, 3);
	close(fd);
}

TEST_PROGRAM(NULL, NULL)
