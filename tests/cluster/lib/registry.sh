# shellcheck shell=bash
# registry: can this engine pull from a container registry? Asked once an hour, at most 15 s.
#
# MEANTIME_REGISTRY=yes|no answers instead of the check.

registry_reachable() {
  local stamp=$CACHE/stamps/registry
  case ${MEANTIME_REGISTRY:-auto} in
  yes) return 0 ;;
  no) return 1 ;;
  esac
  if [ -z "$(find "$stamp" -mmin -60 2>/dev/null)" ]; then
    if timeout 15 docker manifest inspect "debian:$BASE_SUITE-slim" >/dev/null 2>&1; then echo yes; else echo no; fi >"$stamp.new"
    mv -f "$stamp.new" "$stamp"
    say "container registry reachable: $(cat "$stamp") (remembered for an hour; MEANTIME_REGISTRY=yes|no overrides)"
  fi
  [ "$(cat "$stamp")" = yes ]
}
