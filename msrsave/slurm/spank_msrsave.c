// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SPANK plugin for Slurm: saves the registers that the allowlist lets users write before
 * a job begins, and restores them after it has ended. Both is msrsave's work, which is run
 * here, on each node, as root; what it says goes to Slurm's log.
 *
 * A line in plugstack.conf:
 *
 *	required spank_msrsave.so [msrsave=PATH] [dir=FOLDER] [cpus=LIST|job]
 *		[on_failure=drain|log]
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <slurm/slurm.h>
#include <slurm/spank.h>

#include "job_cpus.h"

SPANK_PLUGIN(msrsave, 1)

/**
 * struct task - what is to be done for one job
 * @job:	Its number.
 * @msrsave:	Path of the program.
 * @dir:	Folder with a file for each job.
 * @cpus:	The CPUs to save and restore, or NULL for all.
 * @own_cpus:	Whether those are the CPUs of the job.
 * @file:	The file of this job.
 * @drain:	Whether a failure is Slurm's matter, which drains the node then.
 */
struct task {
	uint32_t job;
	const char *msrsave;
	const char *dir;
	const char *cpus;
	bool own_cpus;
	char *file;
	bool drain;
};

/*
 * In the process that calls the plugin, standard input, output and error may be closed. What
 * is opened next must not take their place.
 */
static void have_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* One word for the shell, whatever is in it */
static void put_quoted(FILE *command, const char *word)
{
	fputc('\'', command);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", command);
		else
			fputc(*word, command);
	}
	fputc('\'', command);
}

/* Returns the command that the shell is to run, to be freed, or NULL without memory. */
static char *command_for(const struct task *task, bool restore)
{
	char *text = NULL;
	size_t size;
	FILE *command = open_memstream(&text, &size);

	if (!command)
		return NULL;
	fputs("exec ", command);
	put_quoted(command, task->msrsave);
	fputs(restore ? " -r " : " ", command);
	if (task->cpus)
		fprintf(command, "-c %s ", task->cpus);
	put_quoted(command, task->file);
	fputs(" < /dev/null 2>&1", command);
	if (fclose(command)) {
		free(text);
		return NULL;
	}
	return text;
}

/* popen(3) for reading, with nothing in the environment that comes from the job */
static FILE *popen_clean(const char *command)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *clean[] = { path, NULL };
	char **saved = environ;
	FILE *output;

	environ = clean;
	output = popen(command, "re");
	environ = saved;
	return output;
}

static const char *meaning(int exit_status)
{
	switch (exit_status) {
	case 1:
		return "some registers could not be saved or restored";
	case 2:
		return "it was called in a way that it does not know";
	case 3:
		return "nothing was done";
	case 126:
		return "it cannot be executed";
	case 127:
		return "there is no such program";
	default:
		return "unknown";
	}
}

/* Says in the log how msrsave ended, and returns its exit status, or -1 without one. */
static int judge(const struct task *task, int status)
{
	int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (status == -1)
		slurm_error("msrsave: job %u: how %s ended is not known: %s", task->job,
			    task->msrsave, strerror(errno));
	else if (WIFSIGNALED(status))
		slurm_error("msrsave: job %u: %s was ended by signal %d (%s)", task->job,
			    task->msrsave, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (exit_status)
		slurm_error("msrsave: job %u: %s ended with exit status %d: %s", task->job,
			    task->msrsave, exit_status, meaning(exit_status));
	return exit_status;
}

/* Runs msrsave, logs what it prints, and returns its exit status, or -1 without one. */
static int run_msrsave(const struct task *task, bool restore)
{
	char line[512]; /* a longer one is logged in parts */
	char *command = command_for(task, restore);
	FILE *output = command ? popen_clean(command) : NULL;

	free(command);
	if (!output) {
		slurm_error("msrsave: job %u: cannot run %s: %s", task->job, task->msrsave,
			    strerror(errno));
		return -1;
	}
	while (fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\n")] = '\0';
		slurm_info("msrsave: job %u: %s", task->job, line);
	}
	return judge(task, pclose(output));
}

/* Makes the folder if need be. Only root may be able to change what is in it. */
static int check_folder(const struct task *task)
{
	const char *why = NULL;
	struct stat st;
	int fd;

	if (mkdir(task->dir, 0700) && errno != EEXIST) {
		slurm_error("msrsave: job %u: cannot make %s: %s", task->job, task->dir,
			    strerror(errno));
		return -1;
	}
	fd = open(task->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		why = strerror(errno);
	else if (st.st_uid != 0)
		why = "its owner is not root";
	else if (st.st_mode & 0022)
		why = "others than root may write it";
	if (why)
		slurm_error("msrsave: job %u: %s is not used: %s", task->job, task->dir, why);
	if (fd >= 0)
		close(fd);
	return why ? -1 : 0;
}

/* Returns 1 if the job has a file, 0 if not, and -1, with the reason logged, if it is unclear. */
static int has_file(const struct task *task)
{
	struct stat st;

	if (!lstat(task->file, &st)) {
		if (S_ISREG(st.st_mode))
			return 1;
		slurm_error("msrsave: job %u: %s is not a file", task->job, task->file);
		return -1;
	}
	if (errno == ENOENT)
		return 0;
	slurm_error("msrsave: job %u: %s: %s", task->job, task->file, strerror(errno));
	return -1;
}

/* As far as characters go, which are none for the shell: msrsave reads it. */
static bool is_cpu_list(const char *list)
{
	return *list && list[strspn(list, "0123456789,:-")] == '\0' && *list != '-';
}

/* Takes one argument of plugstack.conf; false if it is none that there is. */
static bool take_argument(struct task *task, const char *argument)
{
	const char *value = strchr(argument, '=');

	if (!value)
		return false;
	value++;
	if (!strncmp(argument, "msrsave=", value - argument) && *value == '/')
		task->msrsave = value;
	else if (!strncmp(argument, "dir=", value - argument) && *value == '/')
		task->dir = value;
	else if (!strcmp(argument, "cpus=job"))
		task->own_cpus = true;
	else if (!strncmp(argument, "cpus=", value - argument) && is_cpu_list(value))
		task->cpus = value;
	else if (!strcmp(argument, "on_failure=drain"))
		task->drain = true;
	else if (!strcmp(argument, "on_failure=log"))
		task->drain = false;
	else
		return false;
	return true;
}

/* Fills in the task. To be ended with free(task->file), whatever is returned. */
static int begin(struct task *task, spank_t spank, int ac, char *av[])
{
	int i;

	*task = (struct task){
		.msrsave = MSRSAVE,
		.dir = "/run/msrsave",
		.drain = true,
	};
	have_standard_files();
	if (spank_get_item(spank, S_JOB_ID, &task->job) != ESPANK_SUCCESS) {
		slurm_error("msrsave: Slurm does not say which job this is");
		return -1;
	}
	for (i = 0; i < ac; i++) {
		if (!take_argument(task, av[i])) {
			slurm_error("msrsave: job %u: wrong argument in plugstack.conf: %s",
				    task->job, av[i]);
			task->drain = true;
			return -1;
		}
	}
	if (asprintf(&task->file, "%s/%u", task->dir, task->job) < 0) {
		task->file = NULL;
		slurm_error("msrsave: job %u: no memory", task->job);
		return -1;
	}
	return check_folder(task);
}

/* What Slurm is told: it takes a negative number for a failure. */
static int end(struct task *task, int error)
{
	free(task->file);
	return error && task->drain ? -1 : 0;
}

static int save_now(const struct task *task)
{
	if (!run_msrsave(task, false))
		return 0;

	/* If the job runs all the same, a part that was saved is better than nothing. */
	if (task->drain)
		unlink(task->file);
	return -1;
}

/* The file then has the CPUs of the job alone, and the end of the job needs not to know them. */
static int save_own_cpus(struct task *task)
{
	const char *why;
	char *list = job_cpus(task->job, &why);
	int error;

	if (!list) {
		slurm_error("msrsave: job %u: %s", task->job, why);
		return -1;
	}
	task->cpus = list;
	error = save_now(task);
	task->cpus = NULL;
	free(list);
	return error;
}

/*
 * A file that is there already has what the registers were before this job first ran here:
 * it was requeued after they could not be restored, or its prologue runs a second time. To
 * save again would be to save what the job has made of them.
 */
static int save(struct task *task)
{
	int present = has_file(task);

	if (present < 0)
		return -1;
	if (present) {
		slurm_info("msrsave: job %u: %s is there already, and is kept", task->job,
			   task->file);
		return 0;
	}
	return task->own_cpus ? save_own_cpus(task) : save_now(task);
}

/*
 * Without a file there is nothing to restore, and nothing new to fail for: saving has failed
 * before, or there was no prologue, or the epilogue is run a second time.
 */
static int restore(struct task *task)
{
	int present = has_file(task);

	if (task->own_cpus)
		task->cpus = "saved";

	if (present < 0)
		return -1;
	if (!present) {
		slurm_error("msrsave: job %u: there is no %s; nothing is restored", task->job,
			    task->file);
		return 0;
	}
	if (run_msrsave(task, true)) {
		slurm_error("msrsave: job %u: registers are not as they were before it", task->job);
		slurm_error("msrsave: job %u: %s has their values, and is kept", task->job,
			    task->file);
		return -1;
	}
	if (unlink(task->file)) {
		slurm_error("msrsave: job %u: cannot remove %s: %s", task->job, task->file,
			    strerror(errno));
		return -1;
	}
	return 0;
}

/**
 * slurm_spank_job_prolog() - save, before the first step of a job on this node
 * @spank:	Of Slurm.
 * @ac:		Number of arguments in plugstack.conf.
 * @av:		They.
 *
 * Context: a process of its own, as root.
 * Return: 0, or -1, for which Slurm drains the node and does not let the job run on it.
 */
int slurm_spank_job_prolog(spank_t spank, int ac, char *av[])
{
	struct task task;
	int error = begin(&task, spank, ac, av);

	return end(&task, error ? error : save(&task));
}

/**
 * slurm_spank_job_epilog() - restore, after the last step of a job on this node
 * @spank:	Of Slurm.
 * @ac:		Number of arguments in plugstack.conf.
 * @av:		They.
 *
 * Context: a process of its own, as root.
 * Return: 0, or -1, for which Slurm drains the node.
 */
int slurm_spank_job_epilog(spank_t spank, int ac, char *av[])
{
	struct task task;
	int error = begin(&task, spank, ac, av);

	return end(&task, error ? error : restore(&task));
}
