/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions, for tools/qemu/count.c. */
static enum kind classify(const uint8_t *code, size_t len)
{
	uint32_t insn = word_of(code);

	if (len == 2) {
		insn &= 0xffff;
		if (insn == 0x8082)			/* c.jr ra */
			return RETURN;
		return (insn & 0xf07f) == 0x9002 && insn != 0x9002 ?
			CALL : OTHER;			/* c.jalr */
	}
	if (insn == (0x6d61 << 12 | 0x37))		/* lui zero, 0x6d61 */
		return MARKER;
	if (insn == 0x0100000f ||			/* pause */
	    insn == 0x00d00073)				/* wrs.nto */
		return PAUSE;
	if (insn == 0x10200073)				/* sret */
		return IRQ_RETURN;
	if (insn == 0x00008067)				/* ret */
		return RETURN;
	if ((insn & 0xfff) == 0x0ef || (insn & 0xfff) == 0x0e7)
		return CALL;				/* jal, jalr to ra */
	/* AMO and SC; not LR, which is one half of an LR/SC. */
	if ((insn & 0x7f) == 0x2f && insn >> 27 != 2)
		return ATOMIC;
	return OTHER;
}
