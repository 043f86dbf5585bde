// SPDX-License-Identifier: GPL-2.0-only

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../../tools/common/topology.h"
#include "play.h"

#define BATCH_FD 4242
#define COMMAND_PID 123456

int __real_main(int argc, char **argv);

/* In the program under test: what tests the program has the time and the children that there are.
 */
static bool playing;

struct play *play;
char said[1 << 20];

/* A program that ends for an error leaves it to the kernel to free its memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int play_begin(void **state)
{
	(void)state;
	if (!play)
		play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	assert_ptr_not_equal(play, MAP_FAILED);
	*play = (struct play){
		.processor = { "intel", 6, 0x6A },
		.packages = 2,
		.cores = 2,
		.threads = 1,
		.dies = 1,
		.time = 1000,
	};
	setenv("MSR_ALLOWLISTS", "allowlists", 1);
	return 0;
}

int play_end(void **state)
{
	(void)state;
	return 0;
}

static unsigned int count_cpus(void)
{
	return play->packages * play->cores * play->threads;
}

bool play_online(unsigned int cpu)
{
	return cpu < count_cpus() && (cpu > 0 || !play->leaves || play->time < play->leaves);
}

unsigned int play_package(unsigned int cpu)
{
	return cpu / (play->cores * play->threads);
}

unsigned int play_core(unsigned int cpu)
{
	return cpu / play->threads % play->cores;
}

struct processor_id __wrap_msr_safe_processor_here(void);
struct processor_id __wrap_msr_safe_processor_here(void)
{
	return play->processor;
}

int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set);
int __wrap_msr_safe_cpus_online(struct msr_safe_cpus *set)
{
	unsigned int cpu;

	memset(set, 0, sizeof(*set));
	for (cpu = 0; cpu < count_cpus(); cpu++)
		if (play_online(cpu))
			msr_safe_cpus_add(set, cpu);
	return 0;
}

int __wrap_topology_read(struct topology *topology);
int __wrap_topology_read(struct topology *topology)
{
	unsigned int cpu;

	topology->places = calloc(count_cpus(), sizeof(struct place));
	topology->count = 0;
	for (cpu = 0; cpu < count_cpus(); cpu++)
		if (play_online(cpu))
			topology->places[topology->count++] = (struct place){
				.cpu = cpu,
				.package = play_package(cpu),
				.die = play_core(cpu) / (play->cores / play->dies),
				.core = play_core(cpu),
			};
	return 0;
}

int __wrap_msr_safe_open_batch(struct msr_safe_error *error);
int __wrap_msr_safe_open_batch(struct msr_safe_error *error)
{
	play->opens++;
	if (play->open_error)
		return msr_safe_explain(error, MSR_SAFE_BATCH_PATH, -play->open_error);
	return BATCH_FD;
}

int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count);
int __wrap_msr_safe_batch(int fd, struct msr_batch_op *ops, size_t count)
{
	uint64_t value = 0;
	size_t i;

	assert_int_equal(fd, BATCH_FD);
	play->batches++;
	play->ops = count;
	if (play->batch_error)
		return -play->batch_error;
	for (i = 0; i < count; i++) {
		assert_int_equal(ops[i].isrdmsr, 1);
		ops[i].err = play_online(ops[i].cpu) ? play->read(ops[i].cpu, ops[i].msr, &value) :
						       -ENXIO;
		if (!ops[i].err)
			ops[i].msrdata = value;
	}
	return 0;
}

double __wrap_boot_time(void);
double __wrap_boot_time(void)
{
	return play->time;
}

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!playing)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = play->time;
	ts->tv_nsec = (play->time - ts->tv_sec) * 1e9;
	return 0;
}

pid_t __wrap_start_command(char **command);
pid_t __wrap_start_command(char **command)
{
	snprintf(play->command, sizeof(play->command), "%s", command[0]);
	return COMMAND_PID;
}

pid_t __real_waitpid(pid_t pid, int *status, int flags);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags)
{
	if (!playing)
		return __real_waitpid(pid, status, flags);
	assert_int_equal(pid, COMMAND_PID);
	if (play->time < play->command_ends && !play->signalled) {
		if (flags & WNOHANG)
			return 0;
		play->time = play->command_ends;
	}
	*status = play->signalled ? play->signalled : play->command_status << 8;
	return pid;
}

int __real_kill(pid_t pid, int signal);
int __wrap_kill(pid_t pid, int signal);
int __wrap_kill(pid_t pid, int signal)
{
	if (!playing)
		return __real_kill(pid, signal);
	play->signalled = signal;
	return 0;
}

int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *wait);
int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *wait)
{
	/* A nanosecond more, as the caller rounds down */
	double end = play->time + wait->tv_sec + wait->tv_nsec / 1e9 + 1e-9;

	(void)info;
	assert_true(sigismember(set, SIGTERM));
	if (play->stops && play->stops <= end) {
		play->time = play->stops;
		play->stops = 0;
		return SIGTERM;
	}
	if (play->command_ends > play->time && play->command_ends <= end) {
		play->time = play->command_ends;
		return SIGCHLD;
	}
	play->time = end + play->late;
	errno = EAGAIN;
	return -1;
}

int play_run(char **words)
{
	int output[2], count = 0, status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	while (words[count])
		count++;
	assert_int_equal(pipe(output), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		playing = true;
		program_invocation_short_name = words[0];
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[0]);
		setvbuf(stdout, NULL, _IOLBF, 0);
		exit(__real_main(count, words));
	}
	close(output[1]);
	while ((got = read(output[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += got;
	said[len] = '\0';
	close(output[0]);
	assert_int_equal(wait(&status), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: \"%s\", but: %s", text, said);
}

void assert_not_said(const char *text)
{
	if (strstr(said, text))
		fail_msg("said: \"%s\": %s", text, said);
}
