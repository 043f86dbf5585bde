/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPUs of this machine, as the kernel numbers them. The numbers may have holes.
 */
#ifndef EXAMPLES_CPUS_H
#define EXAMPLES_CPUS_H

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Reads a list of CPUs such as 0-3,5,8-11 from a file of sysfs. Returns how many
 * there are, and in *cpus their numbers, which the caller frees. If that fails, it
 * says why and exits with 1.
 */
static inline unsigned int read_cpus(const char *path, unsigned int **cpus)
{
	unsigned int *numbers = NULL;
	unsigned int first, last;
	unsigned int count = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		err(EXIT_FAILURE, "%s", path);
	while (fscanf(file, "%u", &first) == 1) {
		int after = getc(file);

		last = first;
		if (after == '-') {
			if (fscanf(file, "%u", &last) != 1 || last < first)
				errx(EXIT_FAILURE, "%s: not a list of CPUs", path);
			after = getc(file);
		}
		numbers = realloc(numbers, (count + last - first + 1) * sizeof(*numbers));
		if (!numbers)
			err(EXIT_FAILURE, "%s", path);
		while (first <= last)
			numbers[count++] = first++;
		if (after != ',')
			break;
	}
	if (ferror(file))
		err(EXIT_FAILURE, "%s", path);
	if (!count)
		errx(EXIT_FAILURE, "%s: not a list of CPUs", path);
	fclose(file);
	*cpus = numbers;
	return count;
}

#endif /* EXAMPLES_CPUS_H */
