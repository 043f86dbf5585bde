/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the unit tests of programs have in common.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../harness.h"

#endif /* TEST_UNIT_H */
