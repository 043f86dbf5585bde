// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests of a program in the order in which they stand there:
 *
 *	test_name [-l]
 *
 * With -l it prints the names of the tests that it would run, and fails if there is none.
 *
 *   TEST		a pattern of fnmatch(3): runs the tests alone whose name it is, or
 *			all if it is the name of the program
 *   TEST_SECONDS	how long a test can take (default: 300)
 *
 * The tests run in a child. A test that hangs is killed, named, and ends the program. The
 * linker calls this main() instead of the program's own, if that has one: --wrap=main.
 */

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/* How long a killed child has to end: one that waits for the kernel may never do so. */
#define SECONDS_TO_DIE 10

static struct harness_test *tests, **end = &tests;
static CMFixtureFunction program_setup, program_teardown;

/* What the child says of itself */
struct progress {
	const char *name; /* of the test that runs */
	time_t began;
};

static volatile struct progress *progress;

void harness_add(struct harness_test *test)
{
	*end = test;
	end = &test->next;
}

void harness_fixtures(CMFixtureFunction setup, CMFixtureFunction teardown)
{
	program_setup = setup;
	program_teardown = teardown;
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void begin(const char *name)
{
	progress->began = now();
	progress->name = name;
}

/* cmocka hands over the test as its initial state. */
static int begin_test(void **state)
{
	const struct harness_test *test = *state;

	begin(test->name);
	*state = NULL;
	return test->setup ? test->setup(state) : 0;
}

static int run_selected(const struct CMUnitTest *selected, size_t count)
{
	begin("setup of the program");
	return _cmocka_run_group_tests("tests", selected, count, program_setup, program_teardown);
}

/* Waits for the child at most @seconds, or as long as its tests have. Returns whether it ended. */
static bool wait_for(pid_t child, time_t seconds, bool each_test, int *status)
{
	const struct timespec tick = { .tv_nsec = 20 * 1000 * 1000 };
	time_t began = now();

	while (waitpid(child, status, WNOHANG) == 0) {
		if (now() - (each_test ? progress->began : began) > seconds)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

static int watch(pid_t child, time_t seconds)
{
	int status;

	if (!wait_for(child, seconds, true, &status)) {
		printf("not ok - %s: hangs, not over after %lld seconds\n", progress->name,
		       (long long)seconds);
		fflush(stdout);
		kill(-child, SIGKILL);
		if (!wait_for(child, SECONDS_TO_DIE, false, &status))
			printf("# it cannot be killed\n");
		return 1;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("not ok - %s: ended by signal %d\n", progress->name, WTERMSIG(status));
	return 1;
}

static int run_watched(const struct CMUnitTest *selected, size_t count)
{
	const char *seconds = getenv("TEST_SECONDS");
	pid_t child;

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	progress->began = now();
	fflush(NULL);
	child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0) {
		/* With a group of its own, so that what it has begun ends with it */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(run_selected(selected, count));
	}
	setpgid(child, child);
	return watch(child, seconds ? atoll(seconds) : 300);
}

static bool is_selected(const char *name)
{
	const char *pattern = getenv("TEST");

	return !pattern || !*pattern || fnmatch(pattern, name, 0) == 0 ||
	       fnmatch(pattern, program_invocation_short_name, 0) == 0;
}

int __wrap_main(int argc, char **argv);
int __wrap_main(int argc, char **argv)
{
	bool only_list = argc > 1 && strcmp(argv[1], "-l") == 0;
	static struct CMUnitTest *selected;
	struct harness_test *test;
	size_t count = 0;

	for (test = tests; test; test = test->next) {
		if (!is_selected(test->name))
			continue;
		selected = reallocarray(selected, count + 1, sizeof(*selected));
		if (!selected) {
			perror("tests");
			return 1;
		}
		selected[count++] = (struct CMUnitTest){
			.name = test->name,
			.test_func = test->function,
			.setup_func = begin_test,
			.teardown_func = test->teardown,
			.initial_state = test,
		};
		if (only_list)
			puts(test->name);
	}
	if (!count || only_list)
		return count ? 0 : 1;
	return run_watched(selected, count);
}
