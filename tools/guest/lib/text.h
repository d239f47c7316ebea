/* SPDX-License-Identifier: GPL-2.0 */
/* Strings and files: nolibc has neither snprintf() nor strstr(). */
#ifndef TEXT_H
#define TEXT_H

#include "libc.h"

/* Room for a path, or for a line. */
#define PATH 256

/* Append what fits of @more to @text, which has room for @size. */
void append(char *text, const char *more, long size);

/*
 * Put the strings, up to a NULL, one after the other into @text, which has
 * room for PATH. Returns @text.
 */
char *join(char *text, ...);

/* @n in @text, which has room for PATH: itoa() has one buffer. Returns @text. */
char *number(char *text, long n);

/* Find @what in @text, as strstr() does. */
char *find(const char *text, const char *what);

/* Cut the next line off *@text; NULL if there is none that is complete. */
char *next_line(char **text);

/* The value of @name in the environment: PID 1 gets it from the command line. */
long env_number(const char *name, long otherwise);

/* Append all of @path to @buf. Returns the new length, or -1. */
long slurp(const char *path, char *buf, long len, long size);

/* Write @len bytes at once. Returns 0, an errno, or -1 if only some were taken. */
int put_data(const char *path, const char *data, long len);

/* Write @text to @path. Returns 0 or -1, with errno. */
int put(const char *path, const char *text);

#endif /* TEXT_H */
