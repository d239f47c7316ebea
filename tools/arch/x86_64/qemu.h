/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions, for tools/qemu/count.c. */
static enum kind classify(const uint8_t *code, size_t len)
{
	static const uint8_t marker[] = { 0x0f, 0x1f, 0x80, 'm', 'a', 'r', 'k' };
	static const uint8_t pause[] = { 0xf3, 0x90 };
	size_t i;

	if (len == sizeof(marker) && !memcmp(code, marker, len))
		return MARKER;
	if (len == sizeof(pause) && !memcmp(code, pause, len))
		return PAUSE;
	if (len == 2 && code[0] == 0x48 && code[1] == 0xcf)
		return IRQ_RETURN;
	if (len && (code[0] == 0xc3 || code[0] == 0xc2))
		return RETURN;
	for (i = 0; i < len && memchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65",
				      code[i], 10); i++)
		;
	if (i < len && code[i] == 0xf0)
		return ATOMIC;
	if (i < len && code[i] >> 4 == 4)	/* REX */
		i++;
	if (i + 1 < len && (code[i] == 0xe8 ||
			    (code[i] == 0xff && (code[i + 1] >> 3 & 7) == 2)))
		return CALL;
	/* XCHG with memory locks by itself. */
	return i + 1 < len && code[i] >> 1 == 0x86 >> 1 && code[i + 1] < 0xc0 ?
		ATOMIC : OTHER;
}
