# shellcheck shell=bash
# monitoring: what the alerts are tested with. kube-state-metrics from its Go module; Prometheus, Alertmanager and
# their promtool and amtool from this machine's Debian.
#
# The packages are unpacked into the cache, not installed: nothing becomes a service, no port is taken, no user is made.

MONITORING_PACKAGES=(prometheus prometheus-alertmanager)

# unpack_package PACKAGE FOLDER: its commands, of the version that apt would install.
unpack_package() {
  local package=$1 folder=$2 work
  work=$(mktemp -d "$CACHE/tools/tmp-XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  # apt fetches as a user of its own, who may not write here: root's sandbox notice is not an error.
  (cd "$work" && apt-get download -qq "$package" 2>"$work/said") || { cat "$work/said" >&2; return 1; }
  dpkg-deb -x "$work"/*.deb "$work/tree"
  mkdir -p "$folder"
  mv -f "$work"/tree/usr/bin/* "$folder/"
  [ "$package" = prometheus-alertmanager ] || return 0
  # Debian's reads its templates from /usr/share and nowhere else: it is given one of its own, in a mount namespace.
  rm -rf "$folder/alertmanager-share"
  mv "$work/tree/usr/share" "$folder/alertmanager-share"
  mv -f "$folder/prometheus-alertmanager" "$folder/prometheus-alertmanager.unwrapped"
  cat >"$folder/prometheus-alertmanager" <<'W'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
root=; [ "$(id -u)" -eq 0 ] || root=--map-root-user
exec unshare $root --mount sh -c 'mount --bind "$0/alertmanager-share" /usr/share && exec "$0/prometheus-alertmanager.unwrapped" "$@"' "$here" "$@"
W
  chmod +x "$folder/prometheus-alertmanager"
}

verb_monitoring() {
  local bin=$CACHE/tools/monitoring package missing=()
  case ${1:-} in
  '' | --rules-only) ;;
  *) die "monitoring: unknown argument $1" "usage: provider monitoring [--rules-only]" ;;
  esac
  lock monitoring
  for package in "${MONITORING_PACKAGES[@]}"; do
    [ "$(cat "$CACHE/stamps/deb-$package" 2>/dev/null)" = unpacked-2 ] && [ -x "$bin/${package/#prometheus-alertmanager/amtool}" ] || missing+=("$package")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
      die "Prometheus and Alertmanager are taken from Debian's packages, and this is not Debian" \
        "put prometheus, promtool, prometheus-alertmanager and amtool into $bin, and 'unpacked-2' into $CACHE/stamps/deb-{prometheus,prometheus-alertmanager}"
    apt_lists
    for package in "${missing[@]}"; do
      heartbeat "Debian's $package, unpacked into $bin (some seconds; not installed)" unpack_package "$package" "$bin"
      echo unpacked-2 >"$CACHE/stamps/deb-$package"
    done
  fi
  unlock monitoring
  if [ "${1:-}" != --rules-only ]; then
    ensure_tools kube-state-metrics
    ln -sf "$TOOLS_BIN/kube-state-metrics" "$bin/kube-state-metrics"
  fi
  printf '%s\n' "$bin"
}
