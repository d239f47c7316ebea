#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Without CONFIG_CPUWORD nothing changes in x86's entry code: assembles it from
# the stock tree and from ours, with the configuration of the KUnit kernel less
# cpuword, and compares what is in the objects.

set -u
cd "$(dirname "$0")/.." || exit 1

kernel=6.12
build=$PWD/build/$kernel
log=$PWD/build/log/entry-text.log
sections=(.entry.text .noinstr.text .text .altinstructions .altinstr_replacement)
passed=0 failed=0

die() {
	echo "entry_text: $*" >&2
	exit 1
}

[ -e "$build/kunit-x86_64/.config" ] ||
	tools/cpuword kunit --arch x86_64 --configure ||
	die "no configuration to take"
tools/cpuword tree --kernel $kernel >/dev/null || exit 1
PYTHONPATH=tools python3 -c "
from host.common import BUILD
from host.kernel import unpack_stock
stock = BUILD / '$kernel' / 'stock'
if not stock.is_dir():
	unpack_stock('$kernel', stock)" || exit 1

objects=()
for source in "$build"/linux/arch/x86/entry/entry_*64*.S; do
	# FRED is not in the configuration.
	[[ $source = *fred* ]] || objects+=("arch/x86/entry/$(basename "${source%.S}.o")")
done

cc=gcc
! command -v ccache >/dev/null || cc="ccache gcc"
: >"$log"
for tree in stock linux; do
	out=$build/entry-$tree
	mkdir -p "$out"
	sed '/CPUWORD/d' "$build/kunit-x86_64/.config" >"$out/.config.new"
	echo "# CONFIG_CPUWORD is not set" >>"$out/.config.new"
	mv "$out/.config.new" "$out/.config"
	echo "assembling the entry code, $tree ..."
	make -j"$(nproc)" -C "$build/$tree" O="$out" ARCH=x86_64 CC="$cc" \
		HOSTCC="$cc" olddefconfig >>"$log" 2>&1 </dev/null &&
	make -j"$(nproc)" -C "$build/$tree" O="$out" ARCH=x86_64 CC="$cc" \
		HOSTCC="$cc" "${objects[@]}" >>"$log" 2>&1 </dev/null ||
		die "$tree: does not build; see $log"
done
! grep -q '^CONFIG_CPUWORD=y' "$build/entry-linux/.config" ||
	die "CONFIG_CPUWORD is still set in $build/entry-linux/.config"

# Code and relocations, as text.
contents() { # object
	local options=()

	for section in "${sections[@]}"; do
		options+=(-j "$section")
	done
	objdump -s -r "${options[@]}" "$1" | tail -n +4
}

for object in "${objects[@]}"; do
	if [ -n "$(contents "$build/entry-linux/$object")" ] &&
	   diff <(contents "$build/entry-stock/$object") \
		<(contents "$build/entry-linux/$object") >>"$log"; then
		echo "ok      $object is stock's"
		((passed++))
	else
		echo "FAILED  $object differs from stock's; see $log"
		((failed++))
	fi
done
echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
