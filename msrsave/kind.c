// SPDX-License-Identifier: GPL-2.0-only

#include <stdbool.h>

#include "../lib/processor.h"
#include "kinds.h"

static bool has_model(const unsigned short *models, unsigned int wanted)
{
	for (; *models; models++)
		if (*models == wanted)
			return true;
	return false;
}

enum kind kind_of(uint32_t msr)
{
	const struct processor_id here = msr_safe_processor_here();
	/* No two makers of the table have a family in common. */
	const unsigned int model = *here.maker ? here.family << 8 | here.model : 0;
	const struct kind_row *row;

	for (row = kind_rows; row < kind_rows + kind_rows_count; row++)
		if (msr >= row->first && msr <= row->last && (msr - row->first) % row->step == 0 &&
		    has_model(row->models, model))
			return row->kind;
	return KIND_UNKNOWN;
}
