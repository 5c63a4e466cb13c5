/*
 * Included before every file: functions that have no place in this program.
 * Unbounded copies, conversions without error reports, and the shell.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison atoi atol atoll atof strtok sprintf vsprintf strcpy strcat strncpy strncat
#pragma GCC poison sscanf gets system popen mktemp tmpnam tempnam

#endif
