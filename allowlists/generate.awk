# SPDX-License-Identifier: GPL-2.0-only
#
# awk -f models.awk -f generate.awk -v dir=DIRECTORY groups models registers
#
# Writes the list of each model of `models` to DIRECTORY. Masks stay strings: an awk
# has no 64-bit numbers.

BEGIN {
	digits = "0123456789ABCDEF"
}

/^#/ || /^$/ { next }

FILENAME ~ /groups$/ {
	if (!($1 in reason))
		group[++groups] = $1
	reason[$1] = reason[$1] "# " $2 "\n"
	next
}

{
	if (NF != 10) {
		printf "%s:%d: %d columns, not 10\n", FILENAME, FNR, NF > "/dev/stderr"
		exit failed = 1
	}
	add_register($1, $2, $3, $4, $5, $6, $8, $10 ($9 == "-" ? " (no public source)" : ""))
}

END {
	if (failed)
		exit 1
	for (m = 1; m <= models; m++)
		write_list(model[m], dir "/al_" model[m])
}

# The number that up to four hexadecimal digits are
function number(hex,    n, i)
{
	for (i = 1; i <= length(hex); i++)
		n = 16 * n + index(digits, substr(hex, i, 1)) - 1
	return n
}

# Hexadecimal digits without 0x, as many as asked for
function padded(hex, width)
{
	hex = toupper(substr(hex, 3))
	while (length(hex) < width)
		hex = "0" hex
	return hex
}

function add_register(addresses, title, models, scope, on, site, group, what,
		      n, part, first, last, step, at, i)
{
	n = split(addresses, part, /\.\.|\//)
	first = padded(part[1], 8)
	last = n > 1 ? padded(part[2], 8) : first
	step = n > 2 ? number(substr(padded("0x" substr(part[3], 1 + 2 * (part[3] ~ /^0x/)), 4), 1)) : 1
	for (at = number(substr(first, 5)); at <= number(substr(last, 5)); at += step) {
		address[++registers] = sprintf("0x%s%04X", substr(first, 1, 4), at)
		title_of[registers] = title
		sub(/%/, i + 0, title_of[registers])
		i++
		models_of[registers] = models
		scope_of[registers] = scope
		on_of[registers] = on
		site_of[registers] = site
		group_of[registers] = group
		what_of[registers] = what
	}
}

function entry(r, mask)
{
	return sprintf("%s 0x%s # %-27s %-7s  %s", address[r],
		       padded(mask ~ /^0x/ ? mask : "0x" mask, 16), title_of[r], scope_of[r],
		       what_of[r])
}

function write_list(model, file,    r, g, begun, above)
{
	print "# SPDX-License-Identifier: GPL-2.0-only" > file
	print "# " name[model] ": family " substr(model, 1, 2) "h, model " substr(model, 4) "h" > file
	print "#" > file
	if (has(model, "part")) {
		print "# No public manual covers this model: these are only registers that are architectural," > file
		print "# that its whole line has, or that a public source names for it." > file
		print "#" > file
	}
	print "# Which of these registers a machine has, processor and firmware decide together;" > file
	print "# `msr-allowlist probe` says which it lacks. How to read this: docs/allowlists.md." > file
	print "# Made from allowlists/tables/registers: change that." > file

	print "\n# To watch: read only" > file
	for (r = 1; r <= registers; r++)
		if (on_of[r] == "0" && has(model, models_of[r]))
			print entry(r, "0") > file

	print "\n# To control: thread or core of the one who writes" > file
	for (r = 1; r <= registers; r++)
		if (on_of[r] ~ /^0x/ && has(model, models_of[r]))
			print entry(r, on_of[r]) > file

	print "\n# For the site to decide: in force without the # before the address. One that is above" > file
	print "# as well takes its place: delete that one, for no address may be there twice." > file
	for (g = 1; g <= groups; g++) {
		begun = 0
		for (r = 1; r <= registers; r++) {
			if (group_of[r] != group[g] || !has(model, models_of[r]))
				continue
			if (!begun++)
				printf "#\n# %s\n%s#\n", group[g], reason[group[g]] > file
			print "# " entry(r, site_of[r]) > file
		}
	}
	close(file)
}
