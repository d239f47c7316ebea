/* SPDX-License-Identifier: GPL-2.0 */
/* What the host is told: lines of the console that begin with "@@ ". */
#ifndef CONSOLE_H
#define CONSOLE_H

/*
 * A line for the host, of the words up to a NULL.  As a kernel message, whose lines
 * others of them do not break.
 */
void tell(const char *what, ...);

/* The first line, and the last: then the machine restarts. */
void hello(void);
void bye(void);

/* How much work entries found. */
void print_all_words(void);

#endif /* CONSOLE_H */
