#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs what is missing on a Debian machine, by package name:
#   tools/setup.sh [um|x86_64|arm64|riscv ...]      all of them by default
#   tools/setup.sh noise	what `make noise` needs, on any machine
#   tools/setup.sh litmus	herd7, into build/tools/herd
#   tools/setup.sh model	cbmc, into build/tools/cbmc, and little else
#   tools/setup.sh clang	clang, beside GCC
#   tools/setup.sh selftests	a C library and libgcc for 32-bit x86 programs
# Checks for commands and files, not for packages, so that tools of your own
# count; and does nothing, quickly, when nothing is missing.

set -u
cd "$(dirname "$0")/.." || exit 1

kernel=6.12
# Older ones lose a race when a CPU patches text that another one executes: an
# SMP x86 guest dies at boot with "Oops: int3".
qemu_minimum=8.1
log=$PWD/build/log/setup.log
backports_list=/etc/apt/sources.list.d/cpuword-backports.list
# Debian 12 has neither, sid both. The libraries of sid go with them, in the
# version of the day, for which apt's signatures vouch: they do not change the
# answers.
herd_version=7.58-2
herd_sha256=97a6e2bfbc2c516cd9816e8c87c3acc412953479a3351b308d139e0af9550672
herd=$PWD/build/tools/herd
cbmc_version=6.6.0-4
cbmc_sha256=02560859a17049c976961c232c4fc58f0747b57f9b751a466b1f368a438b0e41
cbmc=$PWD/build/tools/cbmc

die() {
	echo "setup: $*" >&2
	exit 1
}

# --- what is missing ---

packages=()		# from wherever apt takes them
qemu_packages=()	# only in a version that is new enough
herd_missing=		# set if so
cbmc_missing=		# set if so

need_command() { # command package
	command -v "$1" >/dev/null || packages+=("$2")
}

need_file() { # path package
	[ -e "$1" ] || packages+=("$2")
}

new_enough() { # version, Debian's as well: 1:7.2+dfsg-7
	[[ ${1#*:} =~ ^([0-9]+)\.([0-9]+) ]] &&
		((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >=
		  ${qemu_minimum%.*} * 1000 + ${qemu_minimum#*.}))
}

need_qemu() { # machine package [firmware that comes with it]
	local version
	version=$("qemu-system-$1" --version 2>/dev/null)
	version=${version#*version }
	new_enough "$version" && [ -e "${3:-/}" ] || qemu_packages+=("$2")
}

need_herd() {
	need_command dpkg dpkg
	command -v herd7 >/dev/null || [ -e "$herd/usr/bin/herd7" ] ||
		herd_missing=yes
}

need_cbmc() {
	need_command dpkg dpkg
	command -v cbmc >/dev/null || [ -e "$cbmc/usr/bin/cbmc" ] ||
		cbmc_missing=yes
}

# Not gcc-multilib, which conflicts with the cross compilers.
need_gcc32() {
	local version
	[ -e "$(gcc -m32 -print-libgcc-file-name 2>/dev/null)" ] && return
	version=$(gcc -dumpversion 2>/dev/null || candidate gcc)
	version=${version#*:}
	packages+=("lib32gcc-${version%%.*}-dev")
}

find_missing() {
	local name arch

	packages=() qemu_packages=() herd_missing= cbmc_missing=
	need_command gcc gcc
	need_command python3 python3
	if [ "$*" = model ]; then
		need_cbmc
		[ -n "$cbmc_missing" ] || ((${#packages[@]}))
		return
	fi
	need_file /usr/include/stdio.h libc6-dev
	# Only for the picture: not where somebody would have to install it.
	! command -v apt-get >/dev/null || need_command gnuplot gnuplot-nox
	[ "$*" != noise ] || return $((${#packages[@]} == 0))
	for name in make flex bison bc cpio kmod patch perl ccache sparse \
		    tar; do
		need_command $name $name
	done
	need_command xz xz-utils
	need_file /usr/include/gelf.h libelf-dev
	need_file /usr/include/openssl/ssl.h libssl-dev
	need_file /usr/src/linux-source-$kernel.tar.xz linux-source-$kernel
	for arch in "$@"; do
		case $arch in
		um)	;;
		x86_64)	need_qemu x86_64 qemu-system-x86 ;;
		arm64)	need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
			need_qemu aarch64 qemu-system-arm ;;
		riscv)	need_command riscv64-linux-gnu-gcc gcc-riscv64-linux-gnu
			need_qemu riscv64 qemu-system-riscv \
				/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin ;;
		clang)	need_command clang clang ;;
		litmus)	need_herd ;;
		model)	need_cbmc ;;
		selftests)
			need_gcc32
			need_file /usr/lib32/libc.so libc6-dev-i386 ;;
		*)	die "$arch is not supported; valid: um x86_64 arm64 riscv clang litmus model selftests" ;;
		esac
	done
	[ -n "$herd_missing$cbmc_missing" ] ||
		((${#packages[@]} + ${#qemu_packages[@]}))
}

missing() { # in words
	local name words=("${packages[@]}")

	for name in "${qemu_packages[@]}"; do
		words+=("$name ($qemu_minimum or newer)")
	done
	[ -z "$herd_missing" ] || words+=("herd7, of herdtools7 $herd_version")
	[ -z "$cbmc_missing" ] || words+=("cbmc $cbmc_version")
	printf '%s, ' "${words[@]}" | sed 's/, $//'
}

# --- installing it ---

beat=			# process that shows progress
added_backports=	# set until that was of use

# Ctrl-C does not reach what runs in the background. An apt source of ours
# stays only if all went well.
clean_up() {
	[ -z "$beat" ] || kill $beat
	rm -rf "$herd.new" "$cbmc.new"
	[ -z "$added_backports" ] || "${as_root[@]}" rm -f $backports_list
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command with its output in the log.
logged() { # what command...
	local what=$1 start=$SECONDS status
	shift

	echo "setup: $what ..."
	(trap - EXIT
	while sleep 15 >&- 2>&-; do
		echo "setup: ${what%% *} ... $((SECONDS - start))s"
	done) &
	beat=$!
	echo "\$ $*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null
	status=$?
	kill $beat
	wait $beat 2>/dev/null
	beat=
	return $status
}

apt_get() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -y -o DPkg::Lock::Timeout=300 "$@"
}

candidate() { # package [apt option...]: the version that apt would install
	LC_ALL=C apt-cache "${@:2}" policy "$1" 2>/dev/null |
		sed -n 's/^  Candidate: \([^(]*\)$/\1/p'
}

# The mirror of the main archive serves the other suites, too. Which of the
# machine's sources that is, apt knows best: it has read their Release files.
find_mirror() { # suite that is wanted of it
	mirror=$(apt-get indextargets --format \
		'$(ORIGIN)|$(LABEL)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' |
		sed -n "s/^Debian|Debian|$VERSION_CODENAME|main|//p" | head -n 1)
	[ -n "$mirror" ] ||
		die "no Debian $VERSION_CODENAME main archive in the apt sources; add it, then $1"
}

add_backports() {
	local mirror

	find_mirror "$backports"
	added_backports=yes
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $backports main" |
		"${as_root[@]}" tee $backports_list >/dev/null ||
		die "cannot write $backports_list"
	# This list alone, and without dropping what apt knows of the others.
	logged "adding $backports" apt_get update \
		-o Dir::Etc::sourcelist=$backports_list \
		-o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false \
		-o APT::Update::Error-Mode=any ||
		die "cannot read $backports from the Debian mirror; see $log"
}

# Sets target, the apt options that get a QEMU that is new enough.
find_qemu() {
	target=()
	new_enough "$(candidate qemu-system-x86)" && return
	target=(-t "$backports")
	new_enough "$(candidate qemu-system-x86 "${target[@]}")" && return
	add_backports
	new_enough "$(candidate qemu-system-x86 "${target[@]}")" ||
		die "no QEMU $qemu_minimum or newer in the apt sources, $backports included"
}

install_missing() {
	local name target

	logged "updating apt's lists" apt_get update ||
		echo "setup: some apt sources cannot be read (see $log); going on with the others"
	((${#qemu_packages[@]} == 0)) || find_qemu
	for name in "${packages[@]}"; do
		[ -n "$(candidate "$name")" ] ||
			die "no package $name in the apt sources of $PRETTY_NAME"
	done
	if ((${#packages[@]})); then
		logged "installing ${packages[*]}" \
			apt_get install --no-install-recommends "${packages[@]}" ||
			die "apt-get install failed; see $log"
	fi
	if ((${#qemu_packages[@]})); then
		logged "installing ${qemu_packages[*]}" \
			apt_get install --no-install-recommends "${target[@]}" \
			"${qemu_packages[@]}" ||
			die "apt-get install failed; see $log"
	fi
}

# sid is known to an apt of its own, with no say in what is installed. All of
# it or nothing appears in build/tools.
install_from_sid() { # folder command package version checksum library...
	local folder=$1 command=$2 package=$3 version=$4 checksum=$5
	local mirror option found file new=$1.new
	shift 5

	find_mirror sid
	rm -rf "$new" && mkdir -p "$new/lists/partial" "$new/debs" ||
		die "cannot write $new"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" \
		>"$new/sid.list"
	option=(-o Dir::Etc::sourcelist="$new/sid.list"
		-o Dir::Etc::sourceparts=- -o Dir::State::Lists="$new/lists"
		-o Dir::Cache="$new" -o APT::Sandbox::User="$(id -un)"
		-o APT::Update::Error-Mode=any)
	logged "reading the list of Debian sid" apt-get update "${option[@]}" ||
		die "cannot read sid from the Debian mirror, which $command comes from; see $log"
	found=$(candidate "$package" "${option[@]}")
	[ "$found" = "$version" ] ||
		die "$package in sid is ${found:-gone}, not $version: put a $command of yours into PATH, or adapt tools/setup.sh"
	(cd "$new/debs" && logged "getting $package $version" \
		apt-get download "${option[@]}" "$package" "$@") ||
		die "cannot get $package from the Debian mirror; see $log"
	echo "$checksum $new/debs/${package}_${version}_amd64.deb" |
		sha256sum --check --status ||
		die "$package $version is not the one that tools/setup.sh knows: wrong checksum"
	for file in "$new"/debs/*.deb; do
		logged "unpacking ${file##*/}" dpkg -x "$file" "$new/root" ||
			die "cannot unpack ${file##*/}; see $log"
	done
	find "$new/root/usr/bin" -type f ! -name "$command" -delete	# most of it
	rm -rf "$folder" && mv "$new/root" "$folder" && rm -rf "$new" ||
		die "cannot write $folder"
}

[ $# -gt 0 ] || set -- um x86_64 arm64 riscv
[ "$(uname -m)" = x86_64 ] || [ "$*" = noise ] ||
	die "the host has to be x86_64, this is $(uname -m)"
find_missing "$@" || exit 0

. /etc/os-release 2>/dev/null
if [ "${ID-}" != debian ] || ! command -v apt-get >/dev/null; then
	die "not a Debian system, install by hand what is missing: $(missing)"
fi
backports=${VERSION_CODENAME:=sid}-backports
if ((${#packages[@]} + ${#qemu_packages[@]} == 0)); then
	as_root=()	# nothing that needs it
elif [ "$(id -u)" = 0 ]; then
	as_root=()
elif sudo -n true 2>/dev/null; then
	as_root=(sudo -n)
else
	((${#qemu_packages[@]} == 0)) ||
		from=", QEMU $qemu_minimum or newer, if need be from $backports"
	die "neither root nor password-less sudo; run as root: tools/setup.sh $*" \
	    "(apt-get install ${packages[*]} ${qemu_packages[*]}${from-})"
fi
mkdir -p "${log%/*}" && : >"$log" || exit 1
((${#packages[@]} + ${#qemu_packages[@]} == 0)) || install_missing
[ -z "$herd_missing" ] ||
	install_from_sid "$herd" herd7 herdtools7 $herd_version $herd_sha256 \
		libc6 libgmp10
[ -z "$cbmc_missing" ] ||
	install_from_sid "$cbmc" cbmc cbmc $cbmc_version $cbmc_sha256 \
		libc6 libgcc-s1 libstdc++6 zlib1g minisat
find_missing "$@" && die "still missing: $(missing); see $log"
added_backports=
