// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples registers by a session of the module, and records them.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/command.h"
#include "../common/say.h"
#include "record.h"

/* How long the records of a CPU last without a reader, and their number at most */
#define SECONDS_OF_RECORDS 2
#define MOST_SLOTS 65536

/* How often to look at what is not a record, in seconds */
#define LOOK_S 0.1

struct recording {
	const struct options *options;
	struct msr_safe_session session;
	struct msr_safe_ring *readers; /* one for each CPU */
	struct msr_record *record;
	struct output output;
	uint64_t records;
};

static volatile sig_atomic_t ended_by;

static void note_signal(int signal)
{
	ended_by = signal;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* An operation for each CPU and register; @count is their number. */
static struct msr_op *make_ops(const struct options *options, uint32_t *count)
{
	unsigned int nr_cpus = msr_safe_cpus_count(&options->cpus), cpu, i;
	struct msr_op *ops = calloc((size_t)nr_cpus * options->nr_columns, sizeof(*ops));

	*count = 0;
	msr_safe_for_each_cpu(cpu, &options->cpus)
	{
		for (i = 0; ops && i < options->nr_columns; i++) {
			ops[*count].cpu = cpu;
			ops[(*count)++].msr = options->columns[i].msr;
		}
	}
	return ops;
}

/* The first operation that failed */
static void explain(const struct options *options, const struct msr_op *ops, uint32_t count,
		    int error)
{
	uint32_t i;

	for (i = 0; i < count && !ops[i].err; i++)
		;
	if (i < count)
		warnx("%s on CPU %u: %s", options->columns[i % options->nr_columns].name,
		      ops[i].cpu, op_error(ops[i].err));
	else if (error == -EMFILE)
		warnx("you have as many sessions as session_max of the module allows");
	else if (error == -ENOMEM)
		warnx("no memory for the records, or no more than session_max_kib of the module "
		      "allows: sample fewer CPUs or registers");
	else
		say_failed(MSR_SAFE_SAMPLE_PATH, error);
}

static uint32_t slots_for(double rate)
{
	uint32_t slots = 64;

	while (slots < rate * SECONDS_OF_RECORDS && slots < MOST_SLOTS)
		slots *= 2;
	return slots;
}

/* With fewer records if there is no memory for so many */
static int prepare(struct recording *recording, int device)
{
	const struct options *options = recording->options;
	uint32_t slots = slots_for(options->rate), count;
	struct msr_op *ops = make_ops(options, &count);
	int error;

	if (!ops) {
		warn("operations");
		return -1;
	}
	do {
		error = msr_safe_session_prepare(&recording->session, device, ops, count, slots, 0);
		slots /= 2;
	} while (error == -ENOMEM && slots >= 64);
	if (error)
		explain(options, ops, count, error);
	free(ops);
	return error;
}

static int make_readers(struct recording *recording)
{
	const struct msr_ring *ring = recording->session.ring;
	uint32_t i;

	recording->readers = calloc(ring->cpus, sizeof(*recording->readers));
	recording->record = malloc(ring->record_size);
	if (!recording->readers || !recording->record) {
		warn("records");
		return -1;
	}
	for (i = 0; i < ring->cpus; i++)
		msr_safe_ring_init(&recording->readers[i], ring, i);
	return 0;
}

/* Whether root has turned sampling off. Prints by which parameter. */
static bool is_turned_off(void)
{
	static const char *const parameters[] = { "sample_max_hz", "sample_permille" };
	bool off = false;
	unsigned int i;

	for (i = 0; i < sizeof(parameters) / sizeof(*parameters) && !off; i++) {
		char path[64];
		unsigned int value;
		FILE *file;

		snprintf(path, sizeof(path), "/sys/module/msr_safe/parameters/%s", parameters[i]);
		file = fopen(path, "re");
		off = file && fscanf(file, "%u", &value) == 1 && value == 0;
		if (file)
			fclose(file);
		if (off)
			warnx("sampling is turned off: %s of the module is 0", parameters[i]);
	}
	return off;
}

static int start(const struct recording *recording)
{
	const struct options *options = recording->options;
	int error = msr_safe_session_start(&recording->session, 1e9 / options->rate + 0.5,
					   options->hold * 1e9 + 0.5,
					   options->stagger ? MSR_START_STAGGER : 0);

	if (error == -EPERM && !is_turned_off())
		warnx("one of the CPUs is a nohz_full one, and sample_isolated of the module is not set");
	else if (error == -EACCES)
		warnx("own_cpus_only of the module is set, and you may not use all of the CPUs");
	else if (error == -ESTALE)
		warnx("a new allowlist has ended the session");
	else if (error && error != -EPERM)
		say_failed(MSR_SAFE_SAMPLE_PATH, error);
	return error;
}

static int read_records(struct recording *recording)
{
	uint32_t i;

	for (i = 0; i < recording->session.ring->cpus; i++) {
		struct msr_safe_ring *reader = &recording->readers[i];

		while (msr_safe_ring_next(reader, recording->record)) {
			recording->records++;
			if (output_record(&recording->output, reader->stream->cpu,
					  recording->record))
				return -1;
		}
	}
	return output_flush(&recording->output);
}

/* What became of the points that have no record here */
struct missing {
	uint64_t late, throttled, offline, lost;
};

static struct missing count_missing(const struct recording *recording)
{
	struct missing missing = { 0 };
	uint32_t i;

	for (i = 0; i < recording->session.ring->cpus; i++) {
		const struct msr_safe_ring *reader = &recording->readers[i];

		missing.late += reader->stream->late;
		missing.throttled += reader->stream->throttled;
		missing.offline += reader->stream->offline;
		missing.lost += reader->lost;
	}
	return missing;
}

static void print_missing(const struct recording *recording)
{
	struct missing missing = count_missing(recording);

	fprintf(stderr,
		"%" PRIu64 " samples of %" PRIu32 " CPUs; missing: %" PRIu64 " late, %" PRIu64
		" throttled, %" PRIu64 " offline, %" PRIu64 " lost",
		recording->records, recording->session.ring->cpus, missing.late, missing.throttled,
		missing.offline, missing.lost);
}

/* On a terminal, and not in the middle of the records */
static bool shows_progress(const struct options *options)
{
	return !options->quiet && isatty(STDERR_FILENO) &&
	       (options->output || !isatty(STDOUT_FILENO));
}

/* ^C is for the command, if there is one, and ends that. */
static void catch_signals(const struct options *options)
{
	struct sigaction note = { .sa_handler = note_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGINT, options->command ? &ignore : &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGHUP, &note, NULL);
}

/* Until there is much to read, or something else to look at. Return: as msr_safe_session_wait() */
static int wait_for_records(const struct recording *recording, double end)
{
	const struct msr_ring *ring = recording->session.ring;
	double most = LOOK_S;

	if (end && end - now() < most)
		most = end > now() ? end - now() : 0;
	return msr_safe_session_wait(&recording->session, recording->readers, ring->cpus,
				     ring->slots / 4, most * 1e9);
}

static bool all_are_offline(const struct options *options)
{
	struct msr_safe_cpus online, both;

	if (msr_safe_cpus_online(&online))
		return false;
	both = msr_safe_cpus_intersect(&options->cpus, &online);
	return msr_safe_cpus_empty(&both);
}

/* The module does not say why a timer has ended. A CPU may be online again. */
static void explain_end(const struct options *options)
{
	if (all_are_offline(options))
		warnx("sampling has ended: the CPUs are offline");
	else if (!is_turned_off())
		warnx("sampling has ended on all CPUs: they went offline, or may not be sampled any more");
}

/* Return: whether no more records come, after printing why. */
static bool is_over(const struct options *options, int error)
{
	if (error == -ESTALE)
		warnx("a new allowlist has ended the session");
	else if (error == -ENODATA)
		explain_end(options);
	else
		return false;
	return true;
}

/* Reads until it is time to end. Return: 0, or -1 for an error; *@status is the command's. */
static int follow(struct recording *recording, pid_t *pid, int *status)
{
	const struct options *options = recording->options;
	double end = options->duration ? now() + options->duration : 0, shown = now();

	for (;;) {
		int error = wait_for_records(recording, end);

		if (read_records(recording) || is_over(options, error))
			return -1;
		if (*pid && waitpid(*pid, status, WNOHANG) == *pid) {
			*pid = 0;
			return 0;
		}
		if (ended_by || (end && now() >= end))
			return 0;
		if (shows_progress(options) && now() - shown >= 1) {
			shown = now();
			fputc('\r', stderr);
			print_missing(recording);
		}
	}
}

/* Return: whether all that was sampled is written. */
static bool finish(struct recording *recording, bool good)
{
	struct missing missing;
	bool complete;

	msr_safe_session_stop(&recording->session);
	good = good && !read_records(recording) && !output_close(&recording->output);
	missing = count_missing(recording);
	complete = !(missing.late + missing.throttled + missing.offline + missing.lost);
	if (!recording->options->quiet) {
		if (shows_progress(recording->options))
			fputc('\r', stderr);
		print_missing(recording);
		fputs(complete ? ". No sample is missing.\n" : ".\n", stderr);
	}
	return good && (complete || !recording->options->strict);
}

int record(const struct options *options)
{
	struct recording recording = { .options = options };
	struct msr_safe_error error;
	int device, status = 0;
	pid_t pid = 0;
	bool complete;

	device = msr_safe_open(MSR_SAFE_SAMPLE_PATH, O_RDONLY, &error);
	if (device < 0) {
		say_error(&error);
		return EXIT_NOTHING;
	}
	if (prepare(&recording, device) || make_readers(&recording))
		return EXIT_NOTHING;
	close(device);
	catch_signals(options);
	if (start(&recording) || output_open(&recording.output, options, recording.session.ring))
		return EXIT_NOTHING;
	if (options->command)
		pid = start_command(options->command);
	if (pid < 0)
		return EXIT_NOTHING;
	complete = finish(&recording, !follow(&recording, &pid, &status));
	/* A command that outlives the recording is waited for, and told what has ended that. */
	if (pid) {
		if (ended_by)
			kill(pid, ended_by);
		waitpid(pid, &status, 0);
	}
	msr_safe_session_close(&recording.session);
	free(recording.readers);
	free(recording.record);
	return complete ? exit_status(status) : EXIT_INCOMPLETE;
}

int main(int argc, char *argv[])
{
	static struct options options;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	if (options.convert)
		return convert(&options);
	if (!options.some_cpus && online_cpus(&options.cpus))
		return EXIT_NOTHING;
	return record(&options);
}
