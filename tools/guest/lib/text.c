// SPDX-License-Identifier: GPL-2.0
#include "text.h"

void append(char *text, const char *more, long size)
{
	long n = strlen(text);

	while (*more && n < size - 1)
		text[n++] = *more++;
	text[n] = 0;
}

char *join(char *text, ...)
{
	const char *part;
	va_list parts;

	text[0] = 0;
	va_start(parts, text);
	while ((part = va_arg(parts, const char *)))
		append(text, part, PATH);
	va_end(parts);
	return text;
}

char *number(char *text, long n)
{
	return join(text, itoa(n), NULL);
}

char *find(const char *text, const char *what)
{
	long n = strlen(what);

	for (; *text; text++)
		if (!strncmp(text, what, n))
			return (char *)text;
	return NULL;
}

char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = 0;
	*text = end + 1;
	return line;
}

long env_number(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value ? atol(value) : otherwise;
}

long slurp(const char *path, char *buf, long len, long size)
{
	int fd = open(path, O_RDONLY);
	long n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return len;
}

int put_data(const char *path, const char *data, long len)
{
	int fd = open(path, O_WRONLY), err = 0;
	long n;

	if (fd < 0)
		return errno;
	n = write(fd, data, len);
	if (n < 0)
		err = errno;
	else if (n < len)
		err = -1;
	close(fd);
	return err;
}

int put(const char *path, const char *text)
{
	return put_data(path, text, strlen(text)) ? -1 : 0;
}
