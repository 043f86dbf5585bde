// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the fields of a register, which libmsrsafe finds by its name.
 *
 * Build: c++ registers.cpp $(pkg-config --cflags --libs libmsrsafe)
 * Usage: registers DIRECTORY REGISTER      for example: registers allowlists PKG_POWER_LIMIT
 */

#include <cstdio>
#include <libmsrsafe.h>

int main(int argc, char **argv)
{
	struct msr_safe_registers *registers;
	struct msr_safe_register reg, field;
	struct msr_safe_error error;

	if (argc != 3) {
		std::fprintf(stderr, "usage: registers DIRECTORY REGISTER\n");
		return 2;
	}
	if (msr_safe_registers_read(&registers, argv[1], nullptr, &error)) {
		std::fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	if (msr_safe_registers_find(registers, argv[2], &reg)) {
		std::fprintf(stderr, "no register has this name: %s\n", argv[2]);
		return 1;
	}
	std::printf("%s: 0x%X, %s\n", reg.name, reg.msr, reg.what);
	for (unsigned int nr = 0; !msr_safe_registers_field(registers, reg.msr, nr, &field); nr++)
		std::printf("%s: bits %u to %u\n", field.name, field.high, field.low);
	msr_safe_registers_free(registers);
	return 0;
}
