// SPDX-License-Identifier: GPL-2.0
#include "noise.h"

/*
 * Everything is read into memory first and printed afterwards: printing is
 * no part of what is measured.
 */
static char record[64 << 20];
static long recorded;

void keep(const char *text)
{
	long n = strlen(text);

	if (recorded + n + 1 < (long)sizeof(record)) {
		memcpy(record + recorded, text, n);
		recorded += n;
		record[recorded] = 0;
	}
}

void keep_file(const char *tag, const char *path)
{
	long n;

	keep("@@ file ");
	keep(tag);
	keep("\n");
	n = slurp(path, record, recorded, sizeof(record));
	if (n >= 0)
		recorded = n;
	if (recorded && record[recorded - 1] != '\n')
		keep("\n");
	keep("@@ end\n");
}

void keep_number(const char *name, uint64_t v)
{
	keep(" ");
	keep(name);
	keep("=");
	keep(u64toa(v));
}

void print_record(void)
{
	long done = 0, n;
	int left;

	while (done < recorded &&
	       (n = write(1, record + done, recorded - done)) > 0)
		done += n;
	recorded = 0;
	/*
	 * Until a terminal has had all of it.  What the kernel prints next, of a
	 * module for one, does not queue: it would be in the middle of a line.
	 */
	while (!ioctl(1, TIOCOUTQ, &left) && left)
		msleep(1);
}

void keep_statistics(const char *when)
{
	char tag[PATH], path[PATH];
	int i;

	keep_file(join(tag, "interrupts ", when, NULL), "/proc/interrupts");
	for (i = 0; i < nr_isolated; i++) {
		struct spinner *s = &shared->s[i];

		join(tag, "status ", when, " ", itoa(s->cpu), NULL);
		keep_file(tag, join(path, "/proc/", itoa(spinning[i]), "/status",
				    NULL));
		keep(join(tag, "@@ spinner when=", when, NULL));
		keep_number("cpu", s->cpu);
		keep_number("loops", s->loops);
		keep("\n");
	}
}

static uint64_t base_ns, base_cycles;

void start_clock(void)
{
	base_ns = now_ns();
	base_cycles = cycles();
}

uint64_t us_since_start(uint64_t ns)
{
	return ns > base_ns ? (ns - base_ns) / 1000 : 0;
}

static uint64_t cycles_to_us(uint64_t c)
{
	/* Whole seconds apart, or the product overflows. */
	return c / shared->hz * 1000000 +
		c % shared->hz * 1000000 / shared->hz;
}

/* "@@ gaps ... at=<when>:<us>,..."; "when" is since the gap before. */
void keep_gaps(void)
{
	uint64_t last, us;
	int i, b;
	long g;

	for (i = 0; i < nr_isolated; i++) {
		struct spinner *s = &shared->s[i];
		long limit = emulated ? 256 : MAX_GAPS;

		keep("@@ gaps");
		keep_number("cpu", s->cpu);
		keep_number("count", s->gaps);
		keep_number("longest", cycles_to_us(s->longest * 1000));
		keep(" histogram=");
		for (b = 0; b < BUCKETS; b++) {
			keep(u64toa(s->histogram[b]));
			keep(b < BUCKETS - 1 ? "," : " at=");
		}
		for (g = last = 0; g < limit && g < (long)s->gaps; g++) {
			us = cycles_to_us(s->gap[g].at - base_cycles);
			keep(u64toa(us - last));
			keep(":");
			keep(u64toa(cycles_to_us(s->gap[g].length)));
			keep(",");
			last = us;
		}
		keep("\n");
	}
}
