// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-top: on a real terminal, which tmux plays, and as it prints. The registers of the emulated
 * machine hold no times, so storage has the names of those.
 */

#include <sys/mount.h>

#include "guest.h"
#include "shell.h"

#define TIME 0x412
#define AWAKE 0x416
#define PACKAGE_IDLE 0x41A
#define CORE_IDLE 0x41E

static int make_times(void **state)
{
	unsigned int cpu;

	use_made_up_tables(state);
	load_list("0x412 0xFFFFFFFFFFFFFFFF\n0x416 0xFFFFFFFFFFFFFFFF\n0x41A 0xFFFFFFFFFFFFFFFF\n");
	for (cpu = 0; cpu < 4; cpu++) {
		poke(cpu, TIME, 0);
		poke(cpu, AWAKE, 0);
		poke(cpu, PACKAGE_IDLE, 0);
	}
	return 0;
}

/* CPU n was awake for (n + 1) tenths of the time. */
static void pass_time(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < 4; cpu++) {
		poke(cpu, AWAKE, (cpu + 1) * 100000);
		poke(cpu, PACKAGE_IDLE, 500000);
		poke(cpu, TIME, 1000000);
	}
}

/* Runs it, and lets time pass while it waits for its one view. */
static void view_once(const char *options)
{
	char command[256];
	pid_t pid = fork();

	if (pid == 0) {
		usleep(1500000);
		pass_time();
		_exit(0);
	}
	snprintf(command, sizeof(command), "./msr-top -n 1 -d 3 %s 2>&1", options);
	assert_int_equal(run(command), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

TEST(it_prints_a_table_where_there_is_no_terminal, make_times, NULL)
{
	view_once("");
	assert_non_null(strstr(text, " PKG CORE   CPU   BUSY%    PC2%\n"));
	assert_non_null(strstr(text, "   -    -     -   25.00   50.00\n"));
	assert_non_null(strstr(text, "    2   30.00       -\n"));
	assert_non_null(strstr(text, "msr-top: not in the allowlist: CORE_C6_RESIDENCY"));
}

TEST(it_prints_csv_and_json, make_times, NULL)
{
	view_once("--csv --columns busy_percent --sort busy_percent");
	assert_non_null(strstr(text, "time_s,row,package,core,cpu,busy_percent\n"));
	assert_non_null(strstr(text, ",3,40.00\n"));
	assert_true(strstr(text, ",3,40.00\n") < strstr(text, ",0,10.00\n"));
	make_times(NULL);
	view_once("--json --summary");
	assert_non_null(strstr(text, "\"all\": {\"busy_percent\": 25.00, \"pc2_percent\": 50.00}"));
	assert_null(strstr(text, "\"cpus\""));
}

TEST(a_command_is_one_table_on_standard_error, make_times, NULL)
{
	assert_int_equal(run("./msr-top --summary -- sh -c 'echo out; exit 3' 2> /tmp/table"), 3);
	assert_string_equal(text, "out\n");
	assert_int_equal(run("cat /tmp/table"), 0);
	assert_non_null(strstr(text, " PKG CORE   CPU"));
}

TEST(a_user_who_cannot_open_the_device_is_told, make_times, NULL)
{
	assert_int_equal(run_as_user("./msr-top -n 1 2>&1"), 3);
	assert_non_null(strstr(text, "/dev/cpu/msr_batch: Permission denied"));
}

#define TMUX \
	"TERMINFO=/t/terminfo TERM=screen LC_ALL=C.UTF-8 LOCPATH=/t/locale ./tmux -u -f /dev/null -L test "

static int make_terminal(void **state)
{
	make_times(state);
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666");
	return 0;
}

static int end_terminal(void **state)
{
	(void)state;
	run(TMUX "kill-server 2>&1");
	return 0;
}

/* What the terminal shows, once this is on it */
static void await_screen(const char *part)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		run(TMUX "capture-pane -p 2>&1");
		if (strstr(text, part))
			return;
		usleep(200000);
	}
	fail_msg("\"%s\" is not on the screen:\n%s", part, text);
}

static void press(const char *keys)
{
	char command[256];

	snprintf(command, sizeof(command), TMUX "send-keys %s 2>&1", keys);
	assert_int_equal(run(command), 0);
}

static void begin_screen(const char *size, const char *options)
{
	char command[512];

	snprintf(
		command, sizeof(command),
		TMUX
		"new-session -d %s 'trap : INT; TERM=screen ./msr-top %s; echo status $?; sleep 1000' 2>&1",
		size, options);
	assert_int_equal(run(command), 0);
}

static unsigned int count_lines(void)
{
	unsigned int count = 0;
	const char *line;

	for (line = text; (line = strchr(line, '\n')); line++)
		count++;
	return count;
}

TEST(on_a_terminal_it_fills_the_screen, make_terminal, end_terminal)
{
	begin_screen("-x 80 -y 24", "-d 1");
	await_screen("msr-top  4 CPUs in ");
	await_screen("BUSY%");
	await_screen("Not in the allowlist: CORE_C6_RESIDENCY");
	assert_int_equal(strncmp(text, "msr-top  4 CPUs", 15), 0);
	pass_time();
	await_screen("   40.00");
	press("q");
	await_screen("status 0");
	assert_null(strstr(text, "BUSY%")); /* the screen is as it was */
}

TEST(keys_sort_summarize_and_help, make_terminal, end_terminal)
{
	begin_screen("-x 80 -y 24", "-d 30");
	await_screen("sorted by CPU");
	await_screen("BUSY%");
	press("'>'");
	await_screen("sorted by busy_percent");
	press("'>'");
	await_screen("sorted by CPU");
	await_screen("q quit  h help"); /* what the list lacks has been read */
	press("s");
	await_screen("PC2%");
	assert_null(strstr(text, "\n   0    0     0"));
	press("h");
	await_screen("scroll rows and columns");
	press("h");
	press("s");
	await_screen("    3 ");
	press("q");
	await_screen("status 0");
}

TEST(a_small_terminal_scrolls, make_terminal, end_terminal)
{
	unsigned int before;

	begin_screen("-x 30 -y 8", "-d 30");
	await_screen("   0    1     1"); /* a view is there */
	before = count_lines();
	assert_true(before <= 8);
	press("End");
	await_screen("     3 ");
	press("Home");
	await_screen("     0 ");
	press("Right");
	press("Left");
	assert_int_equal(run(TMUX "resize-window -x 100 -y 30 2>&1"), 0);
	await_screen("PC2%");
	await_screen("     3 ");
	assert_int_equal(run(TMUX "resize-window -x 10 -y 2 2>&1"), 0);
	press("Down");
	assert_int_equal(run(TMUX "resize-window -x 80 -y 24 2>&1"), 0);
	await_screen("BUSY%");
	press("C-c");
	await_screen("status 0");
}

TEST(after_so_many_views_it_ends, make_terminal, end_terminal)
{
	begin_screen("-x 80 -y 24", "-d 0.5 -n 2");
	await_screen("status 0");
}

TEST(a_terminal_that_is_not_known_is_told, make_terminal, end_terminal)
{
	begin_screen("-x 80 -y 24", "-d 1; TERM=no-such-terminal ./msr-top");
	await_screen("BUSY%");
	press("q");
	await_screen("the terminal no-such-terminal is not known");
	await_screen("status 1");
}
