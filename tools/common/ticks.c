// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "command.h"
#include "ticks.h"

double boot_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void signals_of(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

int ticks_begin(struct ticks *ticks, char **command)
{
	sigset_t set;

	*ticks = (struct ticks){ .command = command };
	if (command)
		ticks->pid = start_command(command);
	if (ticks->pid < 0)
		return -1;
	signals_of(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return 0;
}

/* The child is reaped here alone, also if its signal came before signals were blocked. */
static bool command_ended(struct ticks *ticks)
{
	if (!ticks->pid || waitpid(ticks->pid, &ticks->status, WNOHANG) != ticks->pid)
		return false;
	ticks->pid = 0;
	return true;
}

enum event ticks_wait(struct ticks *ticks, double until)
{
	struct timespec wait;
	double left;
	sigset_t set;
	int signal;

	signals_of(&set);
	for (;;) {
		if (command_ended(ticks))
			return COMMAND_ENDED;
		left = until - boot_time();
		if (left <= 0)
			return TICK;
		if (left > 3600) /* as for a time without end */
			left = 3600;
		wait.tv_sec = left;
		wait.tv_nsec = (left - wait.tv_sec) * 1e9;
		signal = sigtimedwait(&set, NULL, &wait);
		if (signal < 0 || signal == SIGCHLD)
			continue;
		if (signal == SIGINT && ticks->command)
			continue;
		ticks->signal = signal;
		return STOPPED;
	}
}

int ticks_end(struct ticks *ticks)
{
	if (ticks->pid) {
		if (ticks->signal)
			kill(ticks->pid, ticks->signal);
		while (waitpid(ticks->pid, &ticks->status, 0) < 0 && errno == EINTR)
			;
		ticks->pid = 0;
	}
	return ticks->command ? exit_status(ticks->status) : 0;
}
