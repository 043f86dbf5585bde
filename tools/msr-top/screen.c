// SPDX-License-Identifier: GPL-2.0-only
/*
 * The view on a terminal: packages above, CPUs below, which scroll and sort.
 */

#include <ctype.h>
#include <curses.h>
#include <err.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../common/ticks.h"
#include "top.h"

#define IDS_WIDTH 15 /* PKG, CORE and CPU */
#define COLUMN_WIDTH 8

struct show {
	struct machine *machine;
	struct options *options;
	struct view view;
	unsigned int top; /* the first row of CPUs that is shown */
	unsigned int left; /* columns that are scrolled out */
	bool help;
	bool said; /* what the list does not have has been read */
};

static volatile sig_atomic_t stopped;

static void note_signal(int signal)
{
	stopped = signal;
}

static const char *const help_lines[] = {
	"arrows, PgUp, PgDn, Home, End  scroll rows and columns",
	"< >     sort CPUs by the column before or after; the order of CPUs comes first",
	"s       show packages only, or CPUs as well",
	"space   a new view at once",
	"h       this help",
	"q       quit",
	NULL,
};

/* The columns of a table, those of CPUs or those of packages, that fit the screen */
static unsigned int columns_that_fit(const struct show *show, enum column from, enum column to,
				     unsigned int fitting[NR_COLUMNS])
{
	unsigned int c, count = 0, skip = show->left;
	int room = (COLS - IDS_WIDTH) / COLUMN_WIDTH;

	for (c = from; c < to; c++) {
		if (!show->options->columns[c])
			continue;
		if (skip > 0)
			skip--;
		else if ((int)count < room)
			fitting[count++] = c;
	}
	return count;
}

static void put_id(int y, int x, int width, int number)
{
	if (number >= 0)
		mvprintw(y, x, "%*d", width, number);
	else
		mvprintw(y, x, "%*s", width, "-");
}

static void put_row(int y, const struct row *row, const unsigned int *columns, unsigned int count)
{
	char cell[CELL_SIZE];
	unsigned int i;

	put_id(y, 0, 4, row->package);
	put_id(y, 5, 4, row->core);
	put_id(y, 10, 5, row->cpu);
	for (i = 0; i < count; i++) {
		format_cell(cell, row, columns[i]);
		mvprintw(y, IDS_WIDTH + i * COLUMN_WIDTH, "%*s", COLUMN_WIDTH, *cell ? cell : "-");
	}
}

static void put_head(const struct show *show, int y, const unsigned int *columns,
		     unsigned int count)
{
	unsigned int i;

	attron(A_REVERSE);
	mvprintw(y, 0, "%4s %4s %5s", "PKG", "CORE", "CPU");
	for (i = 0; i < count; i++) {
		if (show->options->sort == (int)columns[i])
			attron(A_BOLD);
		mvprintw(y, IDS_WIDTH + i * COLUMN_WIDTH, "%*s", COLUMN_WIDTH,
			 column_infos[columns[i]].title);
		attroff(A_BOLD);
	}
	attroff(A_REVERSE);
}

static void put_packages(const struct show *show, int *y)
{
	unsigned int columns[NR_COLUMNS], count, i;
	const struct view *view = &show->view;

	count = columns_that_fit(show, show->options->summary ? 0 : FIRST_OF_PACKAGES, NR_COLUMNS,
				 columns);
	put_head(show, (*y)++, columns, count);
	for (i = 0; i < view->nr_packages && *y < LINES - 2; i++)
		put_row((*y)++, &view->packages[i], columns, count);
}

/* Rows of CPUs that fit below a line */
static unsigned int page_size(int y)
{
	return LINES - 1 > y ? LINES - 1 - y : 0;
}

static void put_cpus(struct show *show, int y)
{
	unsigned int columns[NR_COLUMNS], count, i, page;
	const struct view *view = &show->view;

	if (y >= LINES - 2)
		return;
	count = columns_that_fit(show, 0, FIRST_OF_PACKAGES, columns);
	put_head(show, y++, columns, count);
	put_row(y++, &view->all, columns, count);
	page = page_size(y);
	if (show->top + page > view->nr_cpus)
		show->top = view->nr_cpus > page ? view->nr_cpus - page : 0;
	for (i = show->top; i < view->nr_cpus && i < show->top + page; i++)
		put_row(y++, &view->cpus[i], columns, count);
}

static void put_status(const struct show *show)
{
	const struct machine *machine = show->machine;

	move(LINES - 1, 0);
	clrtoeol();
	attron(A_DIM);
	if (machine->unlisted[0] && !show->said)
		mvprintw(LINES - 1, 0, "Not in the allowlist: %.*s", COLS - 24 > 0 ? COLS - 24 : 0,
			 machine->unlisted);
	else
		mvprintw(LINES - 1, 0, "%.*s", COLS - 1, "q quit  h help  < > sort  s summary");
	attroff(A_DIM);
}

static void put_help(void)
{
	unsigned int i;

	for (i = 0; help_lines[i]; i++)
		mvprintw(2 + i, 0, "%.*s", COLS - 1, help_lines[i]);
}

static void put_title(const struct show *show)
{
	const struct options *options = show->options;
	char title[128];

	snprintf(title, sizeof(title), "msr-top  %u CPUs in %u packages, every %g s, sorted by %s",
		 show->view.nr_cpus, show->view.nr_packages, options->interval,
		 options->sort < 0 ? "CPU" : column_infos[options->sort].key);
	attron(A_BOLD);
	mvprintw(0, 0, "%.*s", COLS - 1, title);
	attroff(A_BOLD);
}

static void draw(struct show *show)
{
	int gap = LINES >= 16; /* few lines are for rows alone */
	int y = 1 + gap;

	erase();
	put_title(show);
	if (show->help) {
		put_help();
	} else {
		put_packages(show, &y);
		if (!show->options->summary)
			put_cpus(show, y + gap);
	}
	put_status(show);
	refresh();
}

static void scroll_rows(struct show *show, int by)
{
	if (by < 0 && show->top < (unsigned int)-by)
		show->top = 0;
	else
		show->top += by;
}

/* The columns of CPUs, one after the other; before the first is the order of CPUs. */
static void change_sort(struct show *show, int step)
{
	struct options *options = show->options;
	int column = options->sort;

	do {
		column += step;
		if (column >= FIRST_OF_PACKAGES)
			column = -1;
		else if (column < -1)
			column = FIRST_OF_PACKAGES - 1;
	} while (column >= 0 && !options->columns[column]);
	options->sort = column;
	sort_rows(&show->view, column);
}

static void scroll_columns(struct show *show, int by)
{
	if (by < 0)
		show->left -= show->left > 0;
	else
		show->left += show->left < NR_COLUMNS - 1;
}

/* Returns whether a new view is wanted; q sets stopped. */
static bool take_key(struct show *show, int key)
{
	int page = LINES / 2;

	show->said = true;
	switch (key) {
	case 'q':
		stopped = SIGTERM;
		break;
	case 'h':
	case '?':
		show->help = !show->help;
		break;
	case 's':
		show->options->summary = !show->options->summary;
		break;
	case ' ':
		return true;
	case '<':
	case '>':
		change_sort(show, key == '<' ? -1 : 1);
		break;
	case KEY_UP:
	case 'k':
		scroll_rows(show, -1);
		break;
	case KEY_DOWN:
	case 'j':
		scroll_rows(show, 1);
		break;
	case KEY_PPAGE:
		scroll_rows(show, -page);
		break;
	case KEY_NPAGE:
		scroll_rows(show, page);
		break;
	case KEY_HOME:
		show->top = 0;
		break;
	case KEY_END:
		show->top = show->view.nr_cpus;
		break;
	case KEY_LEFT:
		scroll_columns(show, -1);
		break;
	case KEY_RIGHT:
		scroll_columns(show, 1);
		break;
	}
	return false;
}

static int look(struct show *show)
{
	if (machine_look(show->machine))
		return -1;
	view_free(&show->view);
	machine_view(show->machine, &show->view);
	sort_rows(&show->view, show->options->sort);
	machine_mark(show->machine);
	return 0;
}

/* Draws, and takes keys, until a time. Looks in between where counters need them. */
static int show_until(struct show *show, double until)
{
	double left, deadline;
	int key;

	draw(show);
	while (!stopped) {
		deadline = fmin(until, machine_deadline(show->machine));
		left = deadline - boot_time();
		if (left <= 0 && deadline == until)
			break;
		if (left <= 0 && machine_look(show->machine))
			return -1;
		if (left <= 0)
			continue;
		timeout(left < 3600 ? (int)(left * 1000) + 1 : 3600000);
		key = getch();
		if (key != ERR && take_key(show, key))
			break;
		if (key != ERR)
			draw(show);
	}
	return 0;
}

static void catch_signals(void)
{
	struct sigaction note = { .sa_handler = note_signal };

	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGHUP, &note, NULL);
}

int show_screen(struct machine *machine, struct options *options)
{
	struct show show = { .machine = machine, .options = options };
	double until = boot_time() + 0.1; /* a first view at once */
	unsigned long done = 0;
	int failed;

	catch_signals();
	if (!newterm(NULL, stdout, stdin)) {
		warnx("the terminal %s is not known: TERM=xterm, or --csv", getenv("TERM") ?: "");
		return EXIT_ERROR;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	failed = show_until(&show, until);
	while (!failed && !stopped) {
		failed = look(&show);
		until = boot_time() + options->interval;
		if (!failed)
			failed = show_until(&show, until);
		if (++done == options->count)
			break;
	}
	endwin();
	view_free(&show.view);
	return failed ? EXIT_ERROR : EXIT_GOOD;
}
