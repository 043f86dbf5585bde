# SPDX-License-Identifier: GPL-2.0-only
"""Prints the time stamp counter of CPU 0, by libmsrsafe."""
import ctypes
lib = ctypes.CDLL("libmsrsafe.so.1")
class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 508)]
error, value = Error(), ctypes.c_uint64()
fd = lib.msr_safe_open_cpu(0, 0, ctypes.byref(error))
if fd < 0 or lib.msr_safe_read(fd, 0x10, ctypes.byref(value)) < 0:
    raise SystemExit(error.text.decode() or "register 0x10 cannot be read")
print(hex(value.value))
