# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f models.awk -f ANOTHER.awk ... models ...
#
# Reads the table of models: what ANOTHER needs of it.

BEGIN { FS = "  +" }

/^#/ || /^$/ { next }

FILENAME ~ /models$/ {
	model[++models] = $1
	tags[$1] = " " $1 " " $2 " "
	name[$1] = $3
	next
}

# Whether a model has any of the tags, and none of those after a -
function has(model, wanted,    n, term, i, found)
{
	n = split(wanted, term, " ")
	for (i = 1; i <= n; i++) {
		if (term[i] ~ /^-/ && index(tags[model], " " substr(term[i], 2) " "))
			return 0
		if (index(tags[model], " " term[i] " "))
			found = 1
	}
	return found
}
