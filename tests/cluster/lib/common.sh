# shellcheck shell=bash
# What every verb shares: messages, the cache, locks, recipe hashes, heartbeats, apt.
#
# stdout carries a verb's machine-readable result only; everything for people goes to stderr.

CACHE=${MEANTIME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/meantime}
GO_MINIMUM=1.24.0
export DEBIAN_FRONTEND=noninteractive
# Debian keeps dockerd, debootstrap, iptables and runc where an ordinary user's PATH does not look.
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '[provider] %s\n' "$*" >&2; }

# die WHAT [WHAT TO DO...]: one line each, then exit 1.
die() {
  printf '[provider] ERROR: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '[provider]        %s\n' "$line" >&2; done
  exit 1
}

init_cache() {
  mkdir -p "$CACHE"/{logs,locks,stamps,tools/bin,roots,clusters,engine} ||
    die "cannot make the cache folder $CACHE" "set MEANTIME_CACHE to a folder you can write"
  # What is left of an interrupted run of ours: half-made folders are never used, only in the way.
  find "$CACHE/logs" -type f -mtime +7 -delete 2>/dev/null || true
}

# --- locks ---------------------------------------------------------------------------------------
# One file lock per thing that is made (tools, engine, an image, a root, a cluster), so that two
# invocations wait for one another rather than clash. The kernel drops a lock when we die.
declare -A LOCK_FD=()

lock() {
  local fd
  [ -z "${LOCK_FD[$1]:-}" ] || die "internal: lock $1 taken twice"
  exec {fd}>"$CACHE/locks/$1"
  if ! flock -n "$fd"; then
    say "another invocation is working on '$1': waiting for it"
    flock "$fd"
  fi
  LOCK_FD[$1]=$fd
}

unlock() {
  local fd=${LOCK_FD[$1]}
  exec {fd}>&-
  unset "LOCK_FD[$1]"
}

# In the subshell of a daemon we start: a lock must not live as long as the daemon.
drop_all_locks() {
  local fd
  for fd in "${LOCK_FD[@]}"; do exec {fd}>&-; done
}

# --- recipes -------------------------------------------------------------------------------------
# recipe_hash WORD...: what a thing is made of, as 12 hex digits. A word that is a file counts with
# its content, any other word as itself.
recipe_hash() {
  local word
  for word in "$@"; do
    if [ -f "$word" ]; then sha256sum <"$word"; else printf '%s\n' "$word"; fi
  done | sha256sum | cut -c1-12
}

# --- long steps ----------------------------------------------------------------------------------
# heartbeat TEXT COMMAND...: runs COMMAND (may be a function) with its output in a log, says TEXT
# before, a line each 15 s meanwhile, the seconds after. On failure: the log's end, then exit 1.
# Never call it in a condition (if, ||, &&): bash would switch `set -e` off inside COMMAND.
HINT_ON_FAILURE="run the same command again: what was finished is kept"
heartbeat() {
  local text=$1 log ticker rc started=$SECONDS
  shift
  log=$(mktemp "$CACHE/logs/$(date +%H%M%S)-XXXXXX.log")
  say "$text"
  (
    trap 'kill "$nap" 2>/dev/null; exit 0' TERM
    drop_all_locks
    while :; do
      sleep 15 &
      nap=$!
      wait "$nap"
      say "  ... $((SECONDS - started)) s, $(wc -l <"$log") log lines, last: $(tail -n 1 "$log" | tr -d '\r' | cut -c1-80)"
    done
  ) &
  ticker=$!
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  rc=$?
  set -e
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [ "$rc" -ne 0 ]; then
    tail -n 25 "$log" | sed 's/^/    | /' >&2
    die "failed after $((SECONDS - started)) s: $text" "the whole log: $log" "$HINT_ON_FAILURE"
  fi
  rm -f "$log"
  say "  done in $((SECONDS - started)) s"
}

# --- what the host must have ---------------------------------------------------------------------
need_root() {
  [ "$(id -u)" -eq 0 ] || die "$1 needs root (debootstrap and chroot do)" "run it as root, or with sudo -E"
}

need_go() {
  command -v go >/dev/null || die "Go is not on the PATH" "install Go $GO_MINIMUM or newer"
}

# apt_lists: fresh package lists, fetched at most once a day.
apt_lists() {
  local stamp=$CACHE/stamps/apt-update
  if [ -n "$(find "$stamp" -mmin -1440 2>/dev/null)" ] && compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then return; fi
  say "apt-get update (the lists are absent, or older than a day)"
  # A third party's source that cannot be reached must not stop us: the install says what is missing.
  apt-get -qq update >&2 || say "  apt-get update was not complete; going on"
  touch "$stamp"
}

# not_installed PACKAGE...: those of them that are missing.
not_installed() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# A daemon that a package starts must not keep our locks.
without_locks() {
  drop_all_locks
  "$@"
}

# apt_install PACKAGE...: installs those which are missing, and says so first. One at a time: dpkg refuses a second one at
# once, and layers and test threads run side by side.
apt_install() {
  local missing
  mapfile -t missing < <(not_installed "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    die "these packages are missing and only root on Debian can have them installed here: ${missing[*]}" \
      "install them (or their like), then run the same command again"
  fi
  lock apt
  mapfile -t missing < <(not_installed "$@")
  if [ "${#missing[@]}" -gt 0 ]; then
    apt_lists
    say "installing Debian packages: ${missing[*]}"
    heartbeat "apt-get install (some seconds to a minute)" without_locks \
      apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=600 "${missing[@]}"
  fi
  unlock apt
}

# debian_mirror: the Debian archive that this machine's own apt uses. No address is written here.
debian_mirror() {
  if [ -n "${MEANTIME_DEBIAN_MIRROR:-}" ]; then
    printf '%s\n' "$MEANTIME_DEBIAN_MIRROR"
    return
  fi
  local uri
  lock apt
  apt_lists
  unlock apt
  # shellcheck disable=SC2016 # apt's own variables
  uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" {print $3; exit}')
  [ -n "$uri" ] || die "apt on this machine knows no Debian archive" \
    "set MEANTIME_DEBIAN_MIRROR to one, or use a machine that reaches a container registry"
  printf '%s\n' "${uri%/}"
}
