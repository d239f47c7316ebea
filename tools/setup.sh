#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs what is missing on a Debian machine, by package name:
#   tools/setup.sh [architecture | version ...]
#				those of tools/arch; sources of kernels of
#				patches: all by default
#   tools/setup.sh noise	what `make noise` needs, on any machine
#   tools/setup.sh litmus	herd7, into build/tools/herd
#   tools/setup.sh model	cbmc, into build/tools/cbmc, and little else
#   tools/setup.sh checks	shellcheck and mypy
#   tools/setup.sh clang	clang, beside GCC
#   tools/setup.sh selftests	a C library and libgcc for 32-bit x86 programs
#   tools/setup.sh series	git
#   tools/setup.sh apply	what `make apply` needs, on any machine
#   tools/setup.sh bare	debootstrap, for tools/cpuword setup-test
#   tools/setup.sh --archive LABEL [-SUITE]	where apt gets that archive from:
#				Debian, or Debian-Security -security
# Checks for commands and files, not for packages, so that tools of your own
# count; and does nothing, quickly, when nothing is missing.

set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C		# we look at what apt says

kernels=(patches/*/series)
kernels=("${kernels[@]#patches/}")
kernels=("${kernels[@]%/series}")
arches=(tools/arch/*)
arches=("${arches[@]#tools/arch/}")
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
sources=()		# of kernels, which are unpacked aside

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

# The package of the machine's sources, unless patches/<version>/source names
# another.
need_source() { # version
	local name=linux-source-$1
	local tar=usr/src/$name.tar.xz

	if [ ! -e "patches/$1/source" ]; then
		need_file "/$tar" "$name"
	elif [ ! -e "/$tar" ] && [ ! -e "build/tools/$name/$tar" ]; then
		need_command dpkg dpkg
		sources+=("$1")
	fi
}

# Not gcc-multilib, which conflicts with the cross compilers.
need_gcc32() {
	local version
	# Without it GCC names the one for 64-bit programs.
	[ "$(gcc -m32 -print-libgcc-file-name 2>/dev/null)" != \
	  "$(gcc -print-libgcc-file-name 2>/dev/null)" ] && return
	version=$(gcc -dumpversion 2>/dev/null || candidate gcc)
	version=${version#*:}
	: "${version:=VERSION}"		# until apt's lists are there
	packages+=("lib32gcc-${version%%.*}-dev")
}

need_libc() {
	need_command gcc gcc
	need_file /usr/include/stdio.h libc6-dev
}

# Only for the picture: not where somebody would have to install it.
need_gnuplot() {
	! command -v apt-get >/dev/null || need_command gnuplot gnuplot-nox
}

# Its file says what, in lines: need_command's arguments, or need_qemu's.
need_arch() { # architecture
	local kind arguments

	[[ " ${arches[*]} " = *" $1 "* ]] ||
		die "$1 is not supported; valid: ${arches[*]} ${kernels[*]} checks clang litmus model selftests series; alone: noise apply bare"
	[ -e "tools/arch/$1/packages" ] || return 0
	while read -r kind arguments || [ -n "$kind" ]; do
		case $kind in
		"" | "#"*) ;;
		command | qemu)	need_$kind $arguments ;;
		*)	die "tools/arch/$1/packages: $kind is neither command nor qemu" ;;
		esac
	done <"tools/arch/$1/packages"
}

need_kernel() { # architecture, version of the kernel, litmus, selftests...
	local name

	need_libc
	need_gnuplot
	for name in make flex bison bc cpio kmod patch perl ccache sparse \
		    tar; do
		need_command $name $name
	done
	need_command xz xz-utils
	need_file /usr/include/gelf.h libelf-dev
	need_file /usr/lib/python3/dist-packages/elftools python3-pyelftools
	need_file /usr/include/openssl/ssl.h libssl-dev
	for name in "$@"; do
		case $name in
		checks)	need_command shellcheck shellcheck
			need_command mypy mypy ;;
		clang)	need_command clang clang ;;
		litmus)	need_herd ;;
		model)	need_cbmc ;;
		selftests)
			need_gcc32
			need_file /usr/lib32/libc.so libc6-dev-i386 ;;
		series)	need_command git git ;;
		*)	if [ -e "patches/$name/series" ]; then
				need_source "$name"
			else
				need_arch "$name"
			fi ;;
		esac
	done
}

find_missing() {
	packages=() qemu_packages=() herd_missing="" cbmc_missing="" sources=()
	need_file /usr/bin/python3 python3
	case $* in
	apply)	need_command patch patch ;;
	bare)	need_file /usr/sbin/debootstrap debootstrap ;;
	model)	need_command gcc gcc
		need_cbmc ;;
	noise)	need_libc
		need_gnuplot ;;
	*)	need_kernel "$@" ;;
	esac
	[ -n "$herd_missing$cbmc_missing" ] ||
		((${#packages[@]} + ${#qemu_packages[@]} + ${#sources[@]}))
}

missing() { # in words
	local name words=("${packages[@]}")

	for name in "${qemu_packages[@]}"; do
		words+=("$name ($qemu_minimum or newer)")
	done
	[ -z "$herd_missing" ] || words+=("herd7, of herdtools7 $herd_version")
	[ -z "$cbmc_missing" ] || words+=("cbmc $cbmc_version")
	words+=("${sources[@]/#/linux-source-}")
	printf '%s, ' "${words[@]}" | sed 's/, $//'
}

# --- installing it ---

beat=			# process that shows progress
added_backports=	# set until that was of use
unfinished=		# what this run, and no other, is writing

# Ctrl-C does not reach what runs in the background. An apt source of ours
# stays only if all went well.
clean_up() {
	[ -z "$beat" ] || kill $beat
	[ -z "$unfinished" ] || rm -rf "$unfinished"
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
	done) 9>&- &
	beat=$!
	quietly "$@"
	status=$?
	kill $beat
	wait $beat 2>/dev/null
	beat=
	return $status
}

quietly() { # command...
	echo "\$ $*" >>"$log"
	log_from=$(stat -c %s "$log")
	"$@" >>"$log" 2>&1 </dev/null 9>&-
}

said() { # of the last command in the log
	tail -c +$((log_from + 1)) "$log"
}

# Why it failed, in a line: the first thing in the way, or the first error.
why() {
	said | awk '
		/^ [^ ]+ : (Pre-?Depends|Depends|Conflicts|Breaks): / && !way {
			way = $0
		}
		/packages will be REMOVED:$/ {
			getline; way = "it would remove" $0
		}
		/^E: / && !error { error = substr($0, 4) }
		END {
			$0 = way ? way : error ? error : "see '"$log"'"
			gsub(/ +/, " "); sub(/^ /, ""); print
		}'
}

# apt waits for dpkg's lock, but not for that of its lists, which a machine that
# has just booted is often updating.
apt_get() {
	local status end=$((SECONDS + 300))

	while :; do
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get -y -o DPkg::Lock::Timeout=300 \
			-o DPkg::Options::=--force-confdef \
			-o DPkg::Options::=--force-confold "$@"
		status=$?
		((status)) && ((SECONDS < end)) &&
			said | tail -n 3 | grep -q "Could not get lock" ||
			return $status
		sleep 5
	done
}

# Nothing is removed: what is in the way is somebody's, who has to decide.
install_options=(install --no-install-recommends --no-remove)

# Would apt do it? Nothing but apt knows what goes with what is there already.
plan() { # [apt option...] package...
	quietly apt-get -s -y "${install_options[@]}" "$@"
}

# The same with versions that are new enough of all of qemu_packages.
plan_qemu() { # what plan() is given
	local name version

	plan "$@" || return
	for name in "${qemu_packages[@]}"; do
		version=$(said | sed -n "s/^Inst $name \(\[[^]]*\] \)\?(\([^ ]*\) .*/\2/p")
		new_enough "$version" || return
	done
}

candidate() { # package [apt option...]: the version that apt would install
	apt-cache "${@:2}" policy "$1" 2>/dev/null |
		sed -n 's/^  Candidate: \([^(]*\)$/\1/p'
}

# Where the machine's sources have an archive, apt knows best: it has read their
# Release files.
archive() { # label suite [apt option...]
	apt-get "${@:3}" indextargets --format \
		'$(ORIGIN)|$(LABEL)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' |
		sed -n "s/^Debian[^|]*|$1|$2|main|//p" | head -n 1
}

# The mirror of the main archive serves the other suites, too.
find_mirror() { # suite that is wanted of it [apt option...]
	mirror=$(archive Debian "$VERSION_CODENAME" "${@:2}")
	[ -n "$mirror" ] ||
		die "cannot tell where to get $1: no Debian $VERSION_CODENAME main archive in the apt sources, or it cannot be read"
}

knows_backports() {
	[ -n "$(archive "Debian Backports" "$backports")" ]
}

add_backports() {
	local mirror

	find_mirror "$backports"
	[ -e $backports_list ] || added_backports=yes
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $backports main" |
		"${as_root[@]}" tee $backports_list >/dev/null ||
		die "cannot write $backports_list"
	# This list alone, and without dropping what apt knows of the others.
	logged "adding $backports" apt_get update \
		-o Dir::Etc::sourcelist=$backports_list \
		-o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false \
		-o APT::Update::Error-Mode=any ||
		die "cannot read $backports from the Debian mirror: $(why)"
}

# Splits packages into those that the release has and those that go only with
# libraries of backports, which somebody has installed.
split_packages() {
	local name reason

	from_backports=()
	((${#packages[@]} == 0)) || plan "${packages[@]}" && return
	reason=$(why)
	if knows_backports; then
		for name in "${packages[@]}"; do
			plan "$name" || from_backports+=("$name")
		done
	fi
	((${#from_backports[@]})) &&
		plan -t "$backports" "${from_backports[@]}" ||
		die "apt cannot install ${packages[*]}: $reason"
	for name in "${from_backports[@]}"; do
		mapfile -t packages < <(printf '%s\n' "${packages[@]}" |
			grep -vx "$name")
	done
}

# Sets qemu_options, with which apt installs a QEMU that is new enough. Its
# packages go together in one version only, and some may be there: that version,
# if there is one, or else one to which apt brings them all.
find_qemu() {
	local version

	version=$(dpkg-query -W -f '${Version}' qemu-system-common 2>/dev/null)
	for qemu_options in ${version:+"${qemu_packages[*]/%/=$version}"} \
			    "${qemu_packages[*]}" \
			    "-t $backports ${qemu_packages[*]}"; do
		! plan_qemu $qemu_options || return 0
	done
	knows_backports || add_backports
	plan_qemu $qemu_options ||
		die "apt cannot install ${qemu_packages[*]} $qemu_minimum or newer, $backports included: $(why)"
}

# apt calls what it could not read a warning, with the reason.
unread() {
	said | sed -n 's/^[WE]: Failed to fetch \([^ ]*\) .*/\1/p;
		s/^E: The repository .\(.*\). does not have a Release file.*/\1/p;
		s/^E: The repository .\(.*\). is not signed.*/\1/p' |
		sort -u | paste -sd ' '
}

install_missing() { # what find_missing() was given
	local name qemu_options unread="" unknown=() from_backports

	logged "updating apt's lists" apt_get update \
		-o APT::Update::Error-Mode=any || {
		unread="; not read: $(unread) ($(why | sed 's/^Failed to fetch [^ ]* //'))"
		echo "setup: some apt sources cannot be read, going on with the others$unread"
	}
	find_missing "$@"
	for name in "${packages[@]}"; do
		[ -n "$(candidate "$name")" ] || unknown+=("$name")
	done
	((${#unknown[@]} == 0)) ||
		die "not in the apt sources of $PRETTY_NAME: ${unknown[*]}$unread"
	split_packages
	((${#qemu_packages[@]} == 0)) || find_qemu
	((${#packages[@]} == 0)) ||
		install "${packages[*]}" "${packages[@]}"
	((${#from_backports[@]} == 0)) ||
		install "${from_backports[*]}" -t "$backports" \
			"${from_backports[@]}"
	((${#qemu_packages[@]} == 0)) ||
		install "${qemu_packages[*]}" $qemu_options
}

install() { # what [apt option...] package...
	logged "installing $1" apt_get "${install_options[@]}" "${@:2}" ||
		die "apt cannot install $1: $(why); see $log"
}

# The suite is known to an apt of its own, with no say in what is installed. All
# of it or nothing appears in build/tools.
install_aside() { # suite folder name package version checksum instead library...
	local suite=$1 folder=$2 name=$3 package=$4 version=$5 checksum=$6
	local instead=$7 mirror own option found file new=$2.new
	shift 7

	unfinished=$new
	rm -rf "$new" && mkdir -p "$new/lists/partial" "$new/debs" ||
		die "cannot write $new"
	own=(-o Dir::State::Lists="$new/lists" -o Dir::Cache="$new"
		-o APT::Sandbox::User="$(id -un)")
	# The machine's apt may have no lists, and to get them takes root.
	if [ -n "$(archive Debian "$VERSION_CODENAME")" ]; then
		find_mirror "$suite"
	else
		logged "reading the apt sources" apt-get update "${own[@]}"
		find_mirror "$suite" "${own[@]}"
	fi
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
		>"$new/suite.list"
	option=("${own[@]}" -o Dir::Etc::sourcelist="$new/suite.list"
		-o Dir::Etc::sourceparts=- -o APT::Update::Error-Mode=any)
	logged "reading the list of Debian $suite" \
		apt-get update "${option[@]}" ||
		die "cannot read $suite from the Debian mirror, which $name comes from: $(why)"
	found=$(candidate "$package" "${option[@]}")
	[ "$found" = "$version" ] ||
		die "$package in $suite is ${found:-gone}, not $version: $instead"
	logged "getting $package $version" env -C "$new/debs" \
		apt-get download "${option[@]}" "$package" "$@" ||
		die "cannot get $package from the Debian mirror: $(why)"
	echo "$checksum $(echo "$new/debs/${package}"_*.deb)" |
		sha256sum --check --status ||
		die "$package $version is not the one that is known here: wrong checksum"
	for file in "$new"/debs/*.deb; do
		logged "unpacking ${file##*/}" dpkg -x "$file" "$new/root" ||
			die "cannot unpack ${file##*/}; see $log"
	done
	rm -rf "$folder" && mv "$new/root" "$folder" && rm -rf "$new" ||
		die "cannot write $folder"
}

install_tool() { # folder command package version checksum library...
	install_aside sid "${@:1:5}" \
		"put a $2 of yours into PATH, or adapt tools/setup.sh" "${@:6}"
	find "$1/usr/bin" -type f ! -name "$2" -delete	# most of it
}

install_source() { # version of the kernel
	local suite version checksum name=linux-source-$1

	read -r suite version checksum < <(grep -v '^#' "patches/$1/source")
	install_aside "$suite" "$PWD/build/tools/$name" $name $name "$version" \
		"$checksum" "install a $name of yours, or adapt patches/$1"
}

. /etc/os-release 2>/dev/null
: "${VERSION_CODENAME:=sid}"
if [ "${1-}" = --archive ]; then
	archive "${2-}" "$VERSION_CODENAME${3-}"
	exit
fi
[ $# -gt 0 ] || set -- "${arches[@]}" "${kernels[@]}"
[ "$(uname -m)" = x86_64 ] || [ "$*" = noise ] || [ "$*" = apply ] ||
	die "the host has to be x86_64, this is $(uname -m)"
find_missing "$@" || exit 0

if [ "${ID-}" != debian ] || ! command -v apt-get >/dev/null; then
	die "not a Debian system, install by hand what is missing: $(missing)"
fi
backports=$VERSION_CODENAME-backports
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
mkdir -p "${log%/*}" 2>/dev/null && { exec 9>>"$log"; } 2>/dev/null ||
	die "cannot write $log"
if ! flock -n 9; then
	echo "setup: another one is at it, waiting ..."
	flock 9
	find_missing "$@" || exit 0
fi
: >"$log"
((${#packages[@]} + ${#qemu_packages[@]} == 0)) || install_missing "$@"
[ -z "$herd_missing" ] ||
	install_tool "$herd" herd7 herdtools7 $herd_version $herd_sha256 \
		libc6 libgmp10
[ -z "$cbmc_missing" ] ||
	install_tool "$cbmc" cbmc cbmc $cbmc_version $cbmc_sha256 \
		libc6 libgcc-s1 libstdc++6 zlib1g minisat
for version in "${sources[@]}"; do
	install_source "$version"
done
find_missing "$@" && die "still missing: $(missing); see $log"
added_backports=
