// SPDX-License-Identifier: GPL-2.0-only
/*
 * msrsave, with the module: what it saves is restored, on all CPUs; refused files
 * change nothing; killed at any moment it leaves a whole file.
 */

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "guest.h"

#define STATE_PATH "/tmp/state"
#define OUTPUT_PATH "/tmp/output"

#define CPUS 4

/* In the guest it takes 0 and all ones, ignores anything else; each CPU has one. */
#define PARTLY_STUCK 0x400 /* MC0_CTL */

static char said[1 << 16];

/* The words of a command, run in a child with its output in OUTPUT_PATH */
static void exec_words(const char *const words[])
{
	int fd = open(OUTPUT_PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv("./msrsave", (char *const *)words);
	_exit(126);
}

static void take_output(void)
{
	int fd = open_path(OUTPUT_PATH, O_RDONLY);
	ssize_t len = read(fd, said, sizeof(said) - 1);

	assert_true(len >= 0);
	said[len] = '\0';
	close(fd);
}

static int run_words(const char *const words[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		exec_words(words);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	take_output();
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(...) run_words((const char *const[]){ "msrsave", __VA_ARGS__, NULL })

static void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: \"%s\", but: %s", text, said);
}

static void assert_silent(void)
{
	assert_string_equal(said, "");
}

/* Another value in each register of each CPU */
static uint64_t value_of(unsigned int round, uint32_t msr, unsigned int cpu)
{
	return UINT64_C(0x0123456789ABCDEF) * (round + 1) + msr * UINT64_C(0x100000001) + cpu;
}

static void fill(unsigned int round)
{
	static const uint32_t stores[] = { STORE_A, STORE_B, STORE_C, STORE_D };
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(stores); i++)
		for (cpu = 0; cpu < CPUS; cpu++)
			poke(cpu, stores[i], value_of(round, stores[i], cpu));
}

static void assert_filled(unsigned int round, unsigned int cpu)
{
	assert_int_equal(peek(cpu, STORE_A), value_of(round, STORE_A, cpu));
}

static int prepare(void **state)
{
	load_the_list(state);
	unlink(STATE_PATH);
	fill(0);
	return 0;
}

TEST(what_is_saved_is_restored_on_all_cpus, prepare, NULL)
{
	const uint64_t mask = 0xFFFF0000;
	unsigned int cpu;

	assert_int_equal(RUN(STATE_PATH), 0);
	assert_silent();
	fill(1);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_silent();
	for (cpu = 0; cpu < CPUS; cpu++) {
		assert_filled(0, cpu);
		assert_int_equal(peek(cpu, STORE_B), (value_of(0, STORE_B, cpu) & mask) |
							     (value_of(1, STORE_B, cpu) & ~mask));
		assert_int_equal(peek(cpu, STORE_C), value_of(1, STORE_C, cpu));
		assert_int_equal(peek(cpu, STORE_D), value_of(1, STORE_D, cpu));
	}
	assert_int_equal(RUN("-r", "-n", STATE_PATH), 0);
	assert_silent();
}

TEST(the_file_is_for_its_owner_alone, prepare, NULL)
{
	struct stat status;

	umask(0);
	assert_int_equal(RUN(STATE_PATH), 0);
	umask(022);
	assert_int_equal(stat(STATE_PATH, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
}

TEST(the_file_has_the_lines_of_the_list, prepare, NULL)
{
	static char list[4096], file[1 << 16];
	char *line, *next, expected[80];
	int fd;

	assert_int_equal(RUN(STATE_PATH), 0);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_true(read(fd, list, sizeof(list) - 1) > 60);
	close(fd);
	fd = open_path(STATE_PATH, O_RDONLY);
	assert_true(read(fd, file, sizeof(file) - 1) > 0);
	close(fd);
	for (line = strchr(list, '\n') + 1; *line; line = next + 1) {
		next = strchr(line, '\n');
		snprintf(expected, sizeof(expected), "\nlist %.*s\n", (int)(next - line), line);
		assert_non_null(strstr(file, expected));
	}
}

TEST(a_hole_in_the_cpus_is_left_out_and_named_later, prepare, NULL)
{
	assert_int_equal(set_online(1, false), 0);
	assert_int_equal(RUN(STATE_PATH), 0);
	assert_int_equal(RUN("--cpus", "0-1", "/tmp/other"), 1);
	assert_said("msrsave: CPU 1: not online: not saved\n");
	unlink("/tmp/other");
	assert_int_equal(set_online(1, true), 0);
	fill(1);
	assert_int_equal(RUN("-r", STATE_PATH), 1);
	assert_said("msrsave: CPU 1: not in the file: not restored\n");
	assert_filled(0, 0);
	assert_filled(1, 1);
	assert_filled(0, 2);
	assert_filled(0, 3);
}

TEST(a_cpu_that_went_is_named_and_the_others_restored, prepare, NULL)
{
	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	assert_int_equal(set_online(2, false), 0);
	assert_int_equal(RUN("-r", STATE_PATH), 1);
	assert_said("msrsave: CPU 2: not online: not restored\n");
	assert_filled(0, 1);
	assert_filled(0, 3);
	assert_int_equal(set_online(2, true), 0);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_filled(0, 2);
}

TEST(only_the_cpus_asked_for_are_restored, prepare, NULL)
{
	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	assert_int_equal(RUN("-r", "-c", "1,3", STATE_PATH), 0);
	assert_filled(1, 0);
	assert_filled(0, 1);
	assert_filled(1, 2);
	assert_filled(0, 3);
}

TEST(a_dry_run_changes_nothing, prepare, NULL)
{
	unsigned int cpu;

	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	assert_int_equal(RUN("--restore", "--dry-run", STATE_PATH), 0);
	assert_said("0x00000402, CPU 3: 0x");
	for (cpu = 0; cpu < CPUS; cpu++)
		assert_filled(1, cpu);
}

TEST(what_does_not_take_is_told, prepare, NULL)
{
	unsigned int cpu;

	load_list("0x400 0xFF\n0x402 0xffffffffffffffff\n");
	for (cpu = 0; cpu < CPUS; cpu++)
		poke(cpu, PARTLY_STUCK, UINT64_MAX);
	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	poke(2, PARTLY_STUCK, 0);
	assert_int_equal(RUN("-r", STATE_PATH), 1);
	assert_string_equal(said,
			    "msrsave: 0x00000400, CPU 2: bits 0x00000000000000FF did not take: "
			    "0x00000000000000FF was written, 0x0000000000000000 is read\n");
	poke(2, PARTLY_STUCK, UINT64_MAX);
	assert_filled(0, 2);
}

#define OWN_PATH "/sys/module/msr_safe/parameters/own_cpus_only"

static int confine(void **state)
{
	pin_to(1);
	return prepare(state) || write_file(OWN_PATH, "1");
}

static int release(void **state)
{
	cpu_set_t all;

	(void)state;
	memset(&all, 0xff, sizeof(all));
	return sched_setaffinity(0, sizeof(all), &all) || write_file(OWN_PATH, "0");
}

/* As a daemon of a batch system that is bound to one CPU runs it */
TEST(root_bound_to_one_cpu_saves_and_restores_all, confine, release)
{
	unsigned int cpu;

	assert_int_equal(RUN(STATE_PATH), 0);
	assert_silent();
	fill(1);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_silent();
	for (cpu = 0; cpu < CPUS; cpu++)
		assert_filled(0, cpu);
}

static int load_classes(void **state)
{
	gid_t group = 5001;

	if (unload_module() || load_module("class_gids=5001,5002"))
		return -1;
	return prepare(state) || write_file(LIST_PATH "_5001", "0x402 0xff\n") ||
	       setgroups(1, &group) || setegid(5002);
}

static int load_no_classes(void **state)
{
	(void)state;
	if (setegid(0) || setgroups(0, NULL))
		return -1;
	return unload_module() ?: load_module("");
}

TEST(root_in_groups_of_classes_saves_and_restores_what_the_default_list_has, load_classes,
     load_no_classes)
{
	unsigned int cpu;

	assert_int_equal(RUN(STATE_PATH), 0);
	assert_silent();
	fill(1);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_silent();
	for (cpu = 0; cpu < CPUS; cpu++)
		assert_filled(0, cpu);
}

/* Runs a restore of a file that is refused. */
static void assert_refused(const char *reason)
{
	unsigned int cpu;

	fill(1);
	assert_int_equal(RUN("-r", STATE_PATH), 3);
	assert_said(reason);
	for (cpu = 0; cpu < CPUS; cpu++)
		assert_filled(1, cpu);
}

static void write_state(const char *text, size_t len)
{
	int fd = open(STATE_PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

TEST(a_file_that_is_refused_changes_nothing, prepare, NULL)
{
	static char text[1 << 16];
	ssize_t len;
	char *at;
	int fd;

	assert_int_equal(RUN(STATE_PATH), 0);
	fd = open_path(STATE_PATH, O_RDONLY);
	len = read(fd, text, sizeof(text));
	close(fd);
	assert_true(len > 0);

	write_state(text, len / 2);
	assert_refused("it is cut short");
	at = memmem(text, len, "0x00000402 0x", 13);
	at[20] ^= 1;
	write_state(text, len);
	assert_refused("it has been altered");
	at[20] ^= 1;
	text[15] = '7';
	write_state(text, len);
	assert_refused("it is of another format");
	write_state("nonsense\n", 9);
	assert_refused("it is not a file of msrsave's");
	unlink(STATE_PATH);
	assert_refused("No such file or directory");
	assert_int_equal(symlink("/tmp/elsewhere", STATE_PATH), 0);
	assert_refused("it is a symbolic link");
	assert_int_equal(RUN(STATE_PATH), 3);
	assert_said("it is a symbolic link");
	assert_int_not_equal(access("/tmp/elsewhere", F_OK), 0);
	unlink(STATE_PATH);
}

TEST(a_file_of_another_host_is_refused_unless_forced, prepare, NULL)
{
	char name[65];

	assert_int_equal(RUN(STATE_PATH), 0);
	assert_int_equal(gethostname(name, sizeof(name)), 0);
	assert_int_equal(sethostname("elsewhere", 9), 0);
	assert_refused("and this is elsewhere");
	assert_int_equal(RUN("-r", "--force", STATE_PATH), 0);
	assert_int_equal(sethostname(name, strlen(name)), 0);
	assert_filled(0, 3);
}

TEST(what_a_list_has_lost_is_named_and_the_rest_restored, prepare, NULL)
{
	uint64_t both = 0xFF0000;

	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	load_list("0x402 0xffffffffffffffff\n0x406 0x0000000000ff00ff\n0x40a 0\n0x40e 0xff\n");
	assert_int_equal(RUN("-r", STATE_PATH), 1);
	assert_said("0x00000406: the list has bits 0x00000000FF000000 no longer writable: "
		    "not restored\n");
	assert_said("0x000006E1: the list has bits ");
	assert_filled(0, 3);
	assert_int_equal(peek(1, STORE_B),
			 (value_of(0, STORE_B, 1) & both) | (value_of(1, STORE_B, 1) & ~both));
	assert_int_equal(peek(1, STORE_D), value_of(1, STORE_D, 1));
}

TEST(a_list_that_grew_restores_all, prepare, NULL)
{
	load_list("0x402 0xffffffffffffffff\n");
	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	load_the_list(NULL);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_silent();
	assert_int_equal(peek(2, STORE_A), value_of(0, STORE_A, 2));
	assert_int_equal(peek(2, STORE_B), value_of(1, STORE_B, 2));
}

TEST(bits_that_were_not_saved_stay, prepare, NULL)
{
	load_list("0x406 0xff0000\n");
	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	load_the_list(NULL);
	assert_int_equal(RUN("-r", STATE_PATH), 0);
	assert_silent();
	assert_int_equal(peek(2, STORE_B), (value_of(0, STORE_B, 2) & 0xff0000) |
						   (value_of(1, STORE_B, 2) & ~UINT64_C(0xff0000)));
}

TEST(closed_streams_do_not_become_the_file, prepare, NULL)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		close(0);
		close(1);
		close(2);
		execl("./msrsave", "msrsave", "-c", "0,9", STATE_PATH, NULL);
		_exit(126);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(RUN("-r", "-c", "0", STATE_PATH), 0);
}

TEST(a_reader_that_left_does_not_end_a_restore, prepare, NULL)
{
	int fds[2], status;
	pid_t pid;

	assert_int_equal(RUN(STATE_PATH), 0);
	fill(1);
	pid = fork();
	if (pid == 0) {
		if (pipe(fds))
			_exit(126);
		close(fds[0]);
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl("./msrsave", "msrsave", "-r", "-v", "-c", "0-3,9", STATE_PATH, NULL);
		_exit(126);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_filled(0, 0);
	assert_filled(0, 3);
}

/*
 * Runs msrsave and kills it as it enters or leaves a system call, the Nth time it
 * does. Returns whether it came so far.
 */
static bool kill_at(const char *const words[], unsigned int stops)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		exec_words(words);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	while (stops-- > 0) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			return false;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* In older kernels a process that is being killed may be seen to stop once more. */
	do {
		assert_int_equal(waitpid(pid, &status, 0), pid);
	} while (WIFSTOPPED(status));
	assert_true(WIFSIGNALED(status));
	return true;
}

TEST(killed_anywhere_it_leaves_the_old_file_or_the_new_one, prepare, NULL)
{
	static const char *const save[] = { "msrsave", STATE_PATH, NULL };
	unsigned int stops, old = 0, new = 0;

	for (stops = 1;; stops++) {
		unlink(STATE_PATH);
		fill(0);
		assert_int_equal(RUN(STATE_PATH), 0);
		fill(1);
		if (!kill_at(save, stops))
			break;
		fill(2);
		if (RUN("-r", STATE_PATH) != 0)
			fail_msg("killed at stop %u: %s", stops, said);
		if (peek(0, STORE_A) == value_of(0, STORE_A, 0)) {
			old++;
			assert_filled(0, 3);
		} else {
			new ++;
			assert_filled(1, 0);
			assert_filled(1, 3);
		}
	}
	print_message("# killed %u times: the old file %u times, the new one %u\n", old + new, old,
		      new);
	assert_true(old > 40);
	assert_true(new > 4);
}

TEST(killed_while_restoring_it_can_be_run_again, prepare, NULL)
{
	static const char *const restore[] = { "msrsave", "-r", STATE_PATH, NULL };
	unsigned int stops, cpu;

	assert_int_equal(RUN(STATE_PATH), 0);
	for (stops = 1;; stops += 3) {
		fill(1);
		if (!kill_at(restore, stops))
			break;
		assert_int_equal(RUN("-r", STATE_PATH), 0);
		for (cpu = 0; cpu < CPUS; cpu++)
			assert_filled(0, cpu);
	}
	assert_true(stops > 40);
}
