# shellcheck shell=bash
# What the scripts in deploy/ share. Source it after `set -euo pipefail`; it defines functions and a few paths.
# Messages go to standard error, results (an address, a path) to standard output.

shopt -s inherit_errexit                # a failure inside $(…) is a failure
umask 022                               # the account reads what is made here; secrets are written with 077
unset MAKEFLAGS MFLAGS MAKELEVEL        # the C parts of the build have a make of their own
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
ACCOUNT=${DEPLOY_ACCOUNT:-homeward}   # servers run under it when the caller is root
STEP=0 STEPS=0 TITLE=''

# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' YELLOW=$'\e[33m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else BOLD='' DIM='' RED='' YELLOW='' GREEN='' PLAIN=''; fi
export BOLD DIM RED YELLOW GREEN PLAIN TITLE

# step TITLE [WHY]: the next numbered step.
step() { STEP=$((STEP + 1)) TITLE=$1; printf '%s[%d/%d] %s%s%s\n' "$BOLD" "$STEP" "$STEPS" "$1" "$PLAIN" "${2:+${DIM} - $2$PLAIN}" >&2; }
say()  { printf '      %s\n' "$*" >&2; }
warn() { printf '%s      notice: %s%s\n' "$YELLOW" "$*" "$PLAIN" >&2; }
fail() { printf '%serror: %s%s\n' "$RED" "$*" "$PLAIN" >&2; exit 1; }

# last_lines FILE TITLE: the end of a log, for a failure report.
last_lines() {
  [ -s "$1" ] || { printf '      (%s is empty)\n' "$1" >&2; return 0; }
  printf '      the last lines of %s:\n' "$1" >&2
  tail -n 20 "$1" | sed 's/^/      | /' >&2
}

# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

is_root() { [ "$(id -u)" -eq 0 ]; }

# as_root COMMAND…: with sudo when the caller is not root.
as_root() {
  if is_root; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "this needs root or sudo: $*"; fi
}

# ensure_account: makes the account that servers run under (only as root; otherwise they run as the caller).
ensure_account() {
  is_root || return 0
  id -u "$ACCOUNT" >/dev/null 2>&1 && return 0
  say "creating the system account '$ACCOUNT': servers do not run as root"
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$ACCOUNT"
}

# leave_environment: what belongs to root's session stays there. For a subshell that becomes the account's.
leave_environment() {
  local name
  for name in $(compgen -e); do
    case $name in
      PATH|LANG|LANGUAGE|LC_*|TZ|TERM|RUST_*|SSL_CERT_*|HOMEWARD_*) ;;
      *) unset "$name" 2>/dev/null || true ;;
    esac
  done
  export HOME=/nonexistent
}

# as_account COMMAND…: runs it under the account and waits. The account may not be able to enter the folder we are in.
as_account() {
  if is_root; then (leave_environment; cd /; exec setpriv --reuid="$ACCOUNT" --regid="$ACCOUNT" --clear-groups -- "$@")
  else "$@"; fi
}

# exec_as_account COMMAND…: becomes it, in a session of its own, out of reach of the terminal's Ctrl-C: who started it stops it.
# The process id stays the same, so `(exec_as_account server) &` leaves the server's own id in $!.
exec_as_account() {
  if is_root; then
    leave_environment
    exec setsid env --default-signal=INT,QUIT setpriv --reuid="$ACCOUNT" --regid="$ACCOUNT" --clear-groups -- "$@"
  else exec setsid env --default-signal=INT,QUIT "$@"; fi
}

own() { if is_root; then chown -R "$ACCOUNT:$ACCOUNT" "$@"; fi; }

# place DIR: makes DIR and prints its physical path, which the account can reach. A folder below one that the account cannot
# enter (/root, a private home) is moved to /var/lib/homeward and left behind as a link.
place() {
  local dir=$1 real there status=0
  mkdir -p -- "$dir"
  real=$(readlink -f -- "$dir")
  as_account test -x "$real/." || status=$?
  if is_root && [ "$status" -eq 1 ]; then
    there=/var/lib/homeward/$(printf '%s' "$real" | sha256sum | cut -c1-12)
    say "the account '$ACCOUNT' cannot enter $real, so its content lives in $there (linked)"
    mkdir -p -- /var/lib/homeward
    chmod 755 /var/lib/homeward
    if [ ! -e "$there" ]; then mv -T -- "$real" "$there"
    else rmdir -- "$real" 2>/dev/null || fail "both $real and $there have content: remove the one that is not needed"; fi
    ln -s -- "$there" "$real"
    real=$there
  fi
  printf '%s\n' "$real"
}

# state_dir: prints the physical path of .homeward.
state_dir() {
  ensure_account
  local dir
  dir=$(place "$ROOT/.homeward")
  [ -w "$dir" ] || fail "$dir belongs to another account: use the account that made it, or remove it"
  printf '%s\n' "$dir"
}

# ── packages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

have_package() { [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]; }

apt_update() {
  if ! is_root && ! command -v sudo >/dev/null; then return 0; fi    # with the lists there are
  [ -n "${DEPLOY_APT_FRESH:-}" ] && return 0
  # Once an hour is enough, across the scripts that call each other.
  local mark; mark=$(state_dir)/apt-updated
  if [ -z "$(find "$mark" -mmin -60 2>/dev/null)" ]; then
    say "refreshing the package lists"
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update >&2 || warn "apt-get update reported errors; going on with the lists there are"
    touch "$mark"
  fi
  export DEPLOY_APT_FRESH=1
}

# apt_install WHY PACKAGE…: installs what is missing, and says so.
apt_install() {
  local why=$1 missing=() package; shift
  for package; do have_package "$package" || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || fail "please install ${missing[*]} ($why): this system has no apt-get"
  apt_update
  say "installing ${missing[*]}: $why"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 \
    install "${missing[@]}" </dev/null >"$(state_dir)/apt.log" 2>&1 \
    || { last_lines "$(state_dir)/apt.log"; return 1; }
}

# ── tools that a newcomer brings ─────────────────────────────────────────────────────────────────────────────────────

need_cargo() {
  if ! command -v cargo >/dev/null && [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then PATH=${HOME:-/root}/.cargo/bin:$PATH; fi
  command -v cargo >/dev/null || fail "cargo is missing: install Rust with rustup, then run this again"
  # In the checkout, so that rustup follows rust-toolchain.toml.
  (cd "$ROOT" && cargo --version >/dev/null) || fail "cargo does not start in $ROOT (see the message above)"
  local wanted have
  wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml"); have=$(cd "$ROOT" && cargo --version | cut -d' ' -f2)
  [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ] \
    || fail "Rust $have is too old: $wanted or newer is needed (with rustup: rustup update)"
}

need_node() {
  local version oldest=20.19                                    # Vite's
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    fail "Node.js is missing: install Node.js $oldest or newer with npm, then run this again (the console's page is built with it)"
  fi
  version=$(node --version); version=${version#v}
  [ "$(printf '%s\n%s\n' "$oldest" "$version" | sort -V | head -n 1)" = "$oldest" ] \
    || fail "Node.js $version is too old: $oldest or newer is needed to build the console's page"
}

# ── ports and processes ──────────────────────────────────────────────────────────────────────────────────────────────

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port [FIRST]: FIRST when nobody listens there, else one drawn from 20000 to 29999 (below the range of outgoing connections).
free_port() {
  local port=${1:-0} try
  if [ "$port" -gt 0 ] && port_free "$port"; then printf '%s\n' "$port"; return 0; fi
  for try in {1..200}; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
    if port_free "$port"; then printf '%s\n' "$port"; return 0; fi
  done
  fail "no free port found in $try tries"
}

# process_is PID WORD: whether the process lives and WORD is part of its command line (ids are used again).
process_is() { [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF -- "$2"; }

alive() { [ -n "$1" ] && [ -d "/proc/$1" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# stop_process PID SECONDS: asks it to end, waits, then kills that one process.
stop_process() {
  local pid=$1 tenths=$(($2 * 10))
  alive "$pid" || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  while alive "$pid" && [ "$tenths" -gt 0 ]; do sleep 0.1; tenths=$((tenths - 1)); done
  if alive "$pid"; then warn "process $pid did not end in $2 s and is killed"; kill -KILL "$pid" 2>/dev/null || true; fi
}

# A long command in the foreground that a signal to this script alone also ends, with everything it started.
# in_group SECONDS COMMAND…
in_group() {
  local status=0
  (exec setsid timeout --kill-after=10 "$1" env --default-signal=INT,QUIT "${@:2}" 9>&-) &
  GROUP=$!
  wait "$GROUP" || status=$?
  GROUP=''
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then warn "ended after $1 s: $2"; fi
  return $status
}
GROUP=''

# installing SECONDS COMMAND…: the same for what may call sudo, which asks for a password only where it has the terminal.
installing() { if is_root; then in_group "$@"; else "${@:2}" 9>&-; fi; }

# end_group: ends the command that in_group is waiting for. For a trap.
end_group() { [ -z "$GROUP" ] || stop_process "$GROUP" 15; GROUP=''; }

# ready ADDRESS PATH: whether http://ADDRESS/PATH answers 200. (No curl on a fresh machine.)
ready() {
  local host=${1%:*} port=${1##*:} line=''
  case $host in 0.0.0.0|''|'[::]') host=127.0.0.1 ;; esac
  host=${host#[}; host=${host%]}
  {
    exec 3<>"/dev/tcp/$host/$port" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
    IFS= read -r -t 5 line <&3 || true
    exec 3>&- 3<&-
  } 2>/dev/null
  [[ $line == HTTP/1.*' 200'* ]]
}

# page_is_fresh WEB: whether the built page is newer than everything it is made from. packages_are_fresh WEB: the same for npm's.
page_is_fresh() {
  local web=$1
  [ -f "$web/dist/index.html" ] && [ -z "$(find "$web" -path "$web/node_modules" -prune -o -path "$web/dist" -prune -o -path "$web/e2e" -prune -o -type f -newer "$web/dist/index.html" -print -quit)" ]
}
packages_are_fresh() { [ -f "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]; }

# target_dir: where cargo builds to.
target_dir() {
  local dir
  dir=$(cd "$ROOT" && cargo metadata --format-version 1 --no-deps --offline 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p') || dir=''
  printf '%s\n' "${dir:-${CARGO_TARGET_DIR:-$ROOT/target}}"
}

# ensure_compiler: the C parts of the Kafka client and of TLS are compiled.
ensure_compiler() {
  if ! command -v cc >/dev/null || ! command -v c++ >/dev/null || ! command -v make >/dev/null; then
    apt_install "a compiler for the C parts of the Kafka client and of TLS" build-essential || fail "a C compiler could not be installed"
  fi
}

random_hex() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# setting FILE NAME: the value of NAME in a file of NAME=value lines, or nothing.
setting() { [ -r "$1" ] || return 0; sed -n "s/^$2=//p" "$1" | tail -n 1; }
