#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own checks, on what we add and what our patches change:
#   tools/checks.sh [x86_64|arm64|riscv ...]        all of them by default
# checkpatch.pl and kernel-doc look at the sources, sparse at each
# architecture's KUnit kernel.

set -u
# How make gets at sparse (0.6.4 dies of these extensions in riscv's -march).
if [ "${1-}" = --sparse ]; then
	shift
	exec sparse "${@/_zicsr_zifencei/}"
fi
cd "$(dirname "$0")/.." || exit 1

kernel=6.12
self=$PWD/tools/checks.sh
linux=$PWD/build/$kernel/linux
logs=$PWD/build/log
passed=0 failed=0

die() {
	echo "checks: $*" >&2
	exit 1
}

# What we need to know that only the Python tools do.
ask() { # expression that gives a list of strings
	PYTHONPATH=tools python3 -c "
from host import kernel, overlay
patches = overlay.series('$kernel')
for item in sorted($1):
	print(item)"
}

# What checkpatch.pl cannot know, or what cannot be for a reason.
ignored() { # path in the kernel tree, or patch: types
	case $1 in
	# <asm/cpufeatures.h> writes 21*32.
	*-x86-entry.patch) echo MISSING_SIGN_OFF,SPACING ;;
	# They are no submission: nobody signs them off.
	*.patch) echo MISSING_SIGN_OFF ;;
	# DEFINE_PER_CPU_ALIGNED() is not known to it.
	kernel/cpuword/core.c) echo EXPORT_SYMBOL ;;
	# The layout of TRACE_EVENT() in every header there.
	include/trace/*) echo OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT ;;
	# Macros of the assembler, which it takes for C.
	arch/x86/entry/cpuword.h)
		echo SPACING,CAMELCASE,LINE_CONTINUATIONS,LINE_SPACING ;;
	# <linux/nmi.h> has the watchdogs, not register_nmi_handler().
	kernel/cpuword/kunit/x86_entry_kunit.c | kernel/cpuword/torture/access.c)
		echo INCLUDE_LINUX ;;
	# <linux/cpufeature.h> is for modules that match a CPU.
	arch/x86/include/asm/cpuword.h) echo ARCH_INCLUDE_LINUX ;;
	# call_usermodehelper_setup() takes a char **.
	kernel/cpuword/kunit/usermode.c) echo STATIC_CONST_CHAR_ARRAY ;;
	# A user-mode program has no READ_ONCE().
	kernel/cpuword/kunit/user_spin.c) echo VOLATILE ;;
	*) echo NONE ;;
	esac
}

# Counts the check whose findings are in the log.
result() { # log name; the check passed if $status is 0
	local lines

	if [ $status = 0 ]; then
		echo "ok      $2"
		((passed++))
		return
	fi
	((failed++))
	echo "FAILED  $2"
	lines=$(wc -l <"$1")
	head -n 8 "$1" | sed 's/^/  /'
	[ "$lines" -le 8 ] || echo "  ... and $((lines - 8)) more lines in $1"
}

checkpatch() { # name [-f] file...
	local name=$1 log=$logs/checks-checkpatch-${1##* }.log option=() file
	shift
	[ "$1" != -f ] || { option=(-f) && shift; }

	status=0
	for file in "$@"; do
		perl scripts/checkpatch.pl --strict --show-types --terse \
			--no-summary --ignore "$(ignored "$file")" \
			"${option[@]}" "$file" </dev/null || status=1
	done >"$log" 2>&1
	result "$log" "$name ($#)"
}

kernel_doc() { # file...
	local log=$logs/checks-kernel-doc.log

	perl scripts/kernel-doc -none -Wall -Werror "$@" >"$log" 2>&1 </dev/null
	status=$?
	result "$log" "kernel-doc, files ($#)"
}

# Prints the lines that are ours, as path:line or (the whole file) path.
our_lines() {
	local path

	printf '%s\n' "${added[@]}"
	for path in "${changed[@]}"; do
		diff -N --old-line-format= --unchanged-line-format= \
			--new-line-format="$path:%dn"$'\n' \
			"../orig/$path" "$path"
	done
}

# Picks from make's output: sparse's warnings about our lines, and errors, for
# after one sparse looks no further; except of a kind that stock code has and
# that does not stop it.
our_warnings() { # log
	sed -E -e "s|^$linux/||" -e ':a; s|[^/.]+/\.\./||; ta' "$1" |
	awk '
	NR == FNR { ours[$0]; next }
	/^[^ ]+:[0-9]+:[0-9]+: / {
		split($1, at, ":")
		if (/: error: / && !/: error: incompatible types in (comparison|conditional)/ ||
		    at[1] in ours || at[1] ":" at[2] in ours)
			print
	}' <(our_lines) -
}

sparse() { # arch
	local name="sparse, $1" dir=../kunit-$1 log=$logs/checks-sparse-$1
	local variables targets=() files=() file srcarch

	status=1
	if [ ! -e "$dir/.config" ] &&
	   ! ../../../tools/cpuword kunit --arch "$1" --configure >"$log.log"; then
		result "$log.log" "$name"
		return
	fi
	# To the letter what cpuword kunit builds with, or make builds it all anew.
	mapfile -t variables < <(cd ../../.. && ask "kernel.make_variables('$1', '')")
	srcarch=${1/x86_64/x86}
	for file in "${changed[@]}"; do
		case $file in
		mm/percpu-vm.c) ;; # mm/percpu.c includes it
		arch/"$srcarch"/*.c | [!a]*.c)
			targets+=("${file%.c}.o")
			files+=("$file") ;;
		esac
	done
	make -j"$(nproc)" O="$(realpath "$dir")" ARCH="$1" "${variables[@]}" \
		C=2 CHECK="$self --sparse" CF=-fmax-warnings=unlimited \
		kernel/cpuword/ "${targets[@]}" >"$log-make.log" 2>&1 </dev/null
	status=$?
	{
		our_warnings "$log-make.log"
		[ $status = 0 ] || grep -F '***' "$log-make.log" ||
			tail -n 5 "$log-make.log"
		for file in "${added[@]}"; do
			# Not of another architecture, nor a user-mode program.
			[ "$file" = "${file%.c}" ] || [ ! -e "$dir/${file%.c}.o" ] ||
				files+=("$file")
		done
		for file in "${files[@]}"; do
			grep -q "^ *CHECK .*/$file$" "$log-make.log" ||
				echo "$file: sparse has not seen it"
		done
	} >"$log.log"
	[ ! -s "$log.log" ] || status=1
	result "$log.log" "$name (${#files[@]})"
}

[ $# -gt 0 ] || set -- x86_64 arm64 riscv
for arch in "$@"; do
	case $arch in
	x86_64 | arm64 | riscv) ;;
	*) die "$arch is not supported; valid: x86_64 arm64 riscv" ;;
	esac
done
mkdir -p "$logs" && tools/cpuword tree --kernel $kernel >/dev/null || exit 1
mapfile -t added < <(ask "overlay.overlay()")
mapfile -t changed < <(ask "overlay.touched(patches) - overlay.overlay().keys()")
mapfile -t patches < <(ask "str(p) for p in patches")
((${#added[@]} && ${#changed[@]} && ${#patches[@]})) || die "nothing to check"
cd "$linux" || exit 1

checkpatch "checkpatch, files" -f "${added[@]}"
checkpatch "checkpatch, patches" "${patches[@]}"
mapfile -t sources < <(printf '%s\n' "${added[@]}" | grep '\.[ch]$')
kernel_doc "${sources[@]}"
for arch in "$@"; do
	sparse "$arch"
done
echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
