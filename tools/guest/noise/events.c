// SPDX-License-Identifier: GPL-2.0
/* What the trace instances have recorded, counted. */
#include "noise.h"

/*
 * Equal events are counted here and printed once: a serial console is slow.
 * An event with its stack is one string: "cpu=000 event: args < f < g < h".
 * Of the times of each, MAX_TIMES at most are kept: when they are too many,
 * every second one is dropped, and from then on.
 */
#define MAX_TIMES	512

static char strings[8 << 20];
static long strings_used;
static struct counted {
	char *text;
	uint64_t count, every;
	int times;
	uint32_t at[MAX_TIMES];
} counted[1 << 14];

/* One event of a trace file, as far as it has been read. */
static struct {
	char text[4096];
	uint64_t us;
} event;

static void keep_time(struct counted *c, uint32_t us)
{
	int i;

	if (c->times == MAX_TIMES) {
		for (i = 0; i < MAX_TIMES / 2; i++)
			c->at[i] = c->at[2 * i];
		c->times = MAX_TIMES / 2;
		c->every *= 2;
	}
	if (c->count % c->every == 0)
		c->at[c->times++] = us;
	c->count++;
}

static void count_event(void)
{
	unsigned long h = 5381, i;
	long n = strlen(event.text) + 1;

	if (n == 1)
		return;
	for (i = 0; event.text[i]; i++)
		h = h * 33 + event.text[i];
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		struct counted *c = &counted[(h + i) % ARRAY_SIZE(counted)];

		if (!c->text && strings_used + n <= (long)sizeof(strings)) {
			c->text = memcpy(strings + strings_used, event.text, n);
			c->every = 1;
			strings_used += n;
		}
		if (c->text && !strcmp(c->text, event.text)) {
			keep_time(c, event.us);
			return;
		}
		if (!c->text)
			break;
	}
	printf("@@ lost events: too many different ones to count\n");
}

/* The arguments of events that are of interest; others make equal ones differ. */
static const char *const arguments[] = {
	"cpu=", "cpumask=", "callback=", "func=", "function=", "fid=",
	"work=", "result=",
};

static void add(const char *text)
{
	append(event.text, text, sizeof(event.text));
}

static void add_arguments(char *text)
{
	unsigned int i;
	char *word;

	while (*text) {
		word = text;
		while (*text && *text != ' ')
			text++;
		if (*text)
			*text++ = 0;
		for (i = 0; i < ARRAY_SIZE(arguments); i++)
			if (!strncmp(word, arguments[i], strlen(arguments[i]))) {
				add(" ");
				add(word);
			}
	}
}

/*
 * What follows the time in a line of a trace file: "  task-pid   [cpu] flags
 * seconds.us: event: arguments". NULL if it is no such line.
 */
static char *parse_line(char *line, char **cpu, uint64_t *us)
{
	char *text, *time;

	for (*cpu = line; **cpu; ++*cpu)
		if (**cpu == '[' && (*cpu)[1] >= '0' && (*cpu)[1] <= '9' &&
		    (*cpu)[4] == ']')
			break;
	for (text = *cpu; *text && strncmp(text, ": ", 2); )
		text++;
	if (line[0] == '#' || !*text)
		return NULL;
	for (time = text; time[-1] != ' '; )
		time--;
	*us = us_since_start(strtoul(time, &time, 10) * 1000000000ull +
		       strtoul(time + 1, NULL, 10) * 1000ull);
	return text + 2;
}

static void count_line(char *line)
{
	char *cpu, *name, *text;
	uint64_t us;

	if (!strncmp(line, " => ", 4)) {
		if (!event.text[0])
			return;		/* the event itself was lost */
		add(" < ");
		/* Modules that are gone leave addresses, many different ones. */
		add(strncmp(line + 4, "0x", 2) ? line + 4 : "(module)");
		return;
	}
	name = parse_line(line, &cpu, &us);
	if (!name || !strcmp(name, "<stack trace>"))
		return;
	count_event();
	for (text = name; *text && *text != ':'; )
		text++;
	if (*text)
		*text++ = 0;
	cpu[4] = 0;
	event.us = us;
	event.text[0] = 0;
	add("cpu=");
	add(cpu + 1);
	add(" ");
	add(name);
	add_arguments(text);
}

/* One CPU at a time: then a stack follows its own event. */
static void count_trace(const char *file)
{
	static char chunk[1 << 16], line[4096];
	int fd = open(file, O_RDONLY);
	long n, i, at = 0;

	event.text[0] = 0;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		for (i = 0; i < n; i++) {
			if (chunk[i] == '\n') {
				line[at] = 0;
				count_line(line);
				at = 0;
			} else if (at < (long)sizeof(line) - 1) {
				line[at++] = chunk[i];
			}
		}
	close(fd);
	count_event();
}

/* "@@ event <count> <times kept: one of so many> <times> <text>" */
void keep_counted(void)
{
	unsigned int i;
	int t;

	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		struct counted *c = &counted[i];

		if (!c->text)
			continue;
		keep("@@ event ");
		keep(u64toa(c->count));
		keep(" ");
		keep(u64toa(c->every));
		keep(" ");
		for (t = 0; t < c->times; t++) {
			keep(u64toa(c->at[t] - (t ? c->at[t - 1] : 0)));
			keep(",");
		}
		keep(" ");
		keep(c->text);
		keep("\n");
		memset(c, 0, sizeof(*c));
	}
	strings_used = 0;
}

void keep_trace(const char *instance)
{
	char path[PATH], cpu[PATH];
	int c;

	for (c = 0; c < nr_online; c++) {
		join(cpu, INSTANCES, instance, "/per_cpu/cpu", itoa(online[c]),
		     NULL);
		count_trace(join(path, cpu, "/trace", NULL));
		/* For the host to see that no event was lost. */
		keep_file("buffer", join(path, cpu, "/stats", NULL));
	}
}
