# shellcheck shell=bash
# engine: a docker engine. A running one is used as it is; only one that we start do we ever stop.

ENGINE_DIR=$CACHE/engine
ENGINE_PID=$ENGINE_DIR/dockerd.pid

engine_works() { timeout 20 docker info >/dev/null 2>&1; }

# Our own dockerd's pid, if it lives. A pid alone may by now be anybody's: the command line decides.
our_engine_pid() {
  local pid
  pid=$(cat "$ENGINE_PID" 2>/dev/null) || return 1
  [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "--data-root $ENGINE_DIR/data " || return 1
  printf '%s\n' "$pid"
}

# Some sandboxes and micro-VMs take CAP_SYS_RESOURCE (bit 24) out of the bounding set. A --privileged
# container asks for every capability, and then runc fails; the wrapper drops what cannot be had.
host_lacks_sys_resource() {
  local bounding
  bounding=$(awk '/^CapBnd:/ {print $2}' /proc/self/status)
  (((16#$bounding >> 24 & 1) == 0))
}

start_engine() {
  local runtime=() i
  if host_lacks_sys_resource; then
    say "this host cannot grant CAP_SYS_RESOURCE: containers run without it"
    apt_install jq
    # The engine outlives the checkout that started it: nothing of it may point there.
    mkdir -p "$ENGINE_DIR"
    install -m 755 "$HERE/lib/runc-without-sys-resource" "$ENGINE_DIR/runc-without-sys-resource"
    runtime=(--add-runtime "trimmed=$ENGINE_DIR/runc-without-sys-resource" --default-runtime trimmed)
  fi
  mkdir -p "$ENGINE_DIR/data" "$ENGINE_DIR/exec"
  rm -f "$ENGINE_PID"
  # dockerd takes any process with its old containerd's pid for that containerd, and waits for it in
  # vain. After a reboot the pid may be anybody's.
  local child=$ENGINE_DIR/exec/containerd/containerd.pid
  if [ -f "$child" ] && ! grep -qs containerd "/proc/$(cat "$child")/comm"; then rm -f "$child"; fi
  say "starting dockerd (data in $ENGINE_DIR/data, log in $ENGINE_DIR/dockerd.log)"
  (
    drop_all_locks
    exec setsid dockerd --data-root "$ENGINE_DIR/data" --exec-root "$ENGINE_DIR/exec" --pidfile "$ENGINE_PID" \
      "${runtime[@]}" --log-level warn </dev/null >>"$ENGINE_DIR/dockerd.log" 2>&1
  ) &
  for ((i = 0; i < 60; i++)); do
    engine_works && return
    kill -0 $! 2>/dev/null || break
    sleep 1
  done
  tail -n 15 "$ENGINE_DIR/dockerd.log" | sed 's/^/    | /' >&2
  die "dockerd did not start" "its log: $ENGINE_DIR/dockerd.log" "or start a docker engine yourself and run this again"
}

ensure_engine() {
  if engine_works; then return; fi
  lock engine
  if ! engine_works; then
    [ "$(id -u)" -eq 0 ] || die "no docker engine answers, and only root can start one" "start docker, then run this again"
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then apt_install docker.io; fi
    command -v iptables >/dev/null || apt_install iptables
    # The package may have started the engine itself (where there is an init system).
    engine_works || start_engine
  fi
  unlock engine
}

verb_engine() {
  ensure_engine
  docker info --format '{{.ServerVersion}}'
}

verb_stop_engine() {
  local pid i
  if ! pid=$(our_engine_pid); then
    say "no engine of ours is running: nothing to stop"
    return
  fi
  lock engine
  say "stopping our dockerd (pid $pid); images and stopped containers stay in $ENGINE_DIR/data"
  kill "$pid"
  for ((i = 0; i < 60; i++)); do
    if [ ! -d "/proc/$pid" ]; then
      rm -f "$ENGINE_PID"
      unlock engine
      return
    fi
    sleep 1
  done
  die "dockerd (pid $pid) still runs a minute after it was told to stop" "look at $ENGINE_DIR/dockerd.log, then kill it by its pid"
}
