/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions, for tools/qemu/count.c. */
static enum kind classify(const uint8_t *code, size_t len)
{
	uint32_t insn = word_of(code);

	if (insn == (0xd2800000 | 0x6d61 << 5 | 31))	/* mov xzr, #0x6d61 */
		return MARKER;
	if (insn == 0xd503203f || insn == 0xd503205f)	/* yield, wfe */
		return PAUSE;
	if (insn == 0xd69f03e0)				/* eret */
		return IRQ_RETURN;
	if (insn == 0xd65f03c0 || insn == 0xd65f0bff)	/* ret, retaa */
		return RETURN;
	if (insn >> 26 == 0x25 ||			/* bl, blr */
	    (insn & 0xfffffc1f) == 0xd63f0000)
		return CALL;
	/* LDADD and its kind, SWP, but not LDAPR; CAS; STXR, CASP. */
	if (((insn & 0x3b200c00) == 0x38200000 &&
	     (insn & 0x3ffffc00) != 0x38bfc000) ||
	    (insn & 0x3fa07c00) == 0x08a07c00 ||
	    (insn & 0x3fc00000) == 0x08000000)
		return ATOMIC;
	return OTHER;
}
