// SPDX-License-Identifier: GPL-2.0
#include "console.h"
#include "kernel.h"
#include "text.h"

void tell(const char *what, ...)
{
	char text[PATH];
	va_list words;

	join(text, "<1>@@", NULL);
	va_start(words, what);
	for (; what; what = va_arg(words, const char *)) {
		append(text, " ", PATH);
		append(text, what, PATH);
	}
	va_end(words);
	append(text, "\n", PATH);
	put("/dev/kmsg", text);
}

void hello(void)
{
	struct utsname uts;

	uname(&uts);
	printf("@@ hello release=%s\n", uts.release);
}

void bye(void)
{
	printf("@@ bye\n");
	restart();
}

void print_all_words(void)
{
	static char text[1 << 14];
	char *rest = text, *line;

	if (slurp(WORDS "cpus", text, 0, sizeof(text)) < 0)
		return;
	while ((line = next_line(&rest)))
		printf("@@ word %s\n", line);
}
