// SPDX-License-Identifier: GPL-2.0-only

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "workers.h"

#define MOST_THREADS 1000

/* All children share it; a text of the program has the same address in all of them. */
struct shared {
	atomic_bool stop;
	atomic_uintptr_t wrong;
};

static struct shared *shared;

static pid_t children[64];
static unsigned int nr_children;

static struct thread {
	pthread_t id;
	void (*function)(void *arg);
	void *arg;
} threads[8];
static unsigned int nr_threads;

static pthread_barrier_t all_there;

__attribute__((constructor)) static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		abort();
}

uint64_t deadline(unsigned int seconds)
{
	return now_ns() + seconds * UINT64_C(1000000000);
}

bool stopping(void)
{
	return atomic_load(&shared->stop);
}

void blame(const char *what)
{
	atomic_store(&shared->wrong, (uintptr_t)what);
}

static void *run_thread(void *arg)
{
	const struct thread *thread = arg;

	thread->function(thread->arg);
	return NULL;
}

void start_thread(void (*function)(void *arg), void *arg)
{
	struct thread *thread = &threads[nr_threads];

	assert_true(nr_threads < ARRAY_SIZE(threads));
	atomic_store(&shared->stop, false);
	*thread = (struct thread){ .function = function, .arg = arg };
	assert_int_equal(pthread_create(&thread->id, NULL, run_thread, thread), 0);
	nr_threads++;
}

pid_t start_child(uid_t uid, const char *cgroup_procs, void (*function)(void *arg), void *arg)
{
	pid_t pid;

	assert_true(nr_children < ARRAY_SIZE(children));
	atomic_store(&shared->stop, false);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		children[nr_children++] = pid;
		return pid;
	}
	setpriority(PRIO_PROCESS, 0, 0);
	if (cgroup_procs && write_file(cgroup_procs, "0"))
		blame("a child cannot enter its cgroup");
	if (uid && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
		blame("a child cannot become a user");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	function(arg);
	_exit(0);
}

void run_threads(unsigned int count, void *(*function)(void *number))
{
	static pthread_t numbered[MOST_THREADS];
	pthread_attr_t attr;
	unsigned int i;

	pthread_barrier_init(&all_there, NULL, count);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 0; i < count; i++) {
		if (pthread_create(&numbered[i], &attr, function, (void *)(uintptr_t)i)) {
			blame("a thread cannot be made");
			return;
		}
	}
	while (i)
		pthread_join(numbered[--i], NULL);
}

void wait_for_threads(void)
{
	pthread_barrier_wait(&all_there);
}

bool ends_within(pid_t pid, unsigned int seconds)
{
	uint64_t end = deadline(seconds);
	siginfo_t info = { 0 };

	do {
		usleep(1000);
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT))
			return false;
	} while (!info.si_pid && now_ns() < end);
	return info.si_pid == pid;
}

int end_of_child(pid_t pid)
{
	int status = -1;
	unsigned int i;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (i = 0; i < nr_children; i++)
		if (children[i] == pid)
			children[i] = children[--nr_children];
	return status;
}

int kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	return end_of_child(pid);
}

static void end_threads(void)
{
	atomic_store(&shared->stop, true);
	while (nr_threads)
		pthread_join(threads[--nr_threads].id, NULL);
}

static void kill_children(void)
{
	unsigned int i;

	for (i = 0; i < nr_children; i++)
		kill(children[i], SIGKILL);
	while (nr_children)
		end_of_child(children[nr_children - 1]);
}

void assert_workers_content(void)
{
	const char *wrong;
	unsigned int i;

	end_threads();
	for (i = 0; i < nr_children; i++)
		assert_true(ends_within(children[i], PATIENCE));
	kill_children();
	wrong = (const char *)atomic_load(&shared->wrong);
	if (wrong)
		fail_msg("%s", wrong);
}

void end_workers(void)
{
	end_threads();
	kill_children();
	atomic_store(&shared->wrong, 0);
}
