# shellcheck shell=bash
# roots: Debian root folders made by debootstrap, from the archive that this machine's apt uses.
#
#   root SUITE   minbase + chrony: the daemons of the wire matrix, and our images' base
#   base-image   the $BASE_SUITE root as a docker image

ROOTS=$CACHE/roots

# make_root FOLDER SUITE PACKAGES(comma-separated): atomic; the downloaded packages are kept per suite.
make_root() {
  local folder=$1 suite=$2 packages=$3 mirror=$4 tmp
  tmp=$(mktemp -d "$ROOTS/.tmp-XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf --one-file-system '$tmp'" EXIT
  chmod 755 "$tmp"
  mkdir -p "$CACHE/debs/$suite"
  debootstrap --variant=minbase --cache-dir="$CACHE/debs/$suite" --include="$packages" "$suite" "$tmp" "$mirror"
  # Package files and lists have done their work; machine-id and resolv.conf belong to this machine.
  rm -rf "$tmp"/var/cache/apt/* "$tmp"/var/lib/apt/lists/* "$tmp"/var/log/*.log "$tmp/etc/resolv.conf" \
    "$tmp"/usr/share/{man,locale,info}/*
  find "$tmp/usr/share/doc" -type f ! -name copyright -delete
  : >"$tmp/etc/machine-id"
  rm -rf --one-file-system "$folder"
  mv "$tmp" "$folder"
}

# root_for NAME SUITE PACKAGES: the folder $ROOTS/NAME, made if it is absent or of another recipe.
root_for() {
  local name=$1 suite=$2 packages=$3 hash mirror
  hash=$(recipe_hash "$suite" "$packages" "$(declare -f make_root)")
  if [ -d "$ROOTS/$name" ] && [ "$(cat "$CACHE/stamps/root-$name" 2>/dev/null)" = "$hash" ]; then return; fi
  need_root "making a Debian root"
  lock "root-$name"
  if [ ! -d "$ROOTS/$name" ] || [ "$(cat "$CACHE/stamps/root-$name" 2>/dev/null)" != "$hash" ]; then
    apt_install debootstrap debian-archive-keyring
    mirror=$(debian_mirror)
    HINT_ON_FAILURE="if the archive no longer has $suite: set MEANTIME_DEBIAN_MIRROR to one that does" \
      heartbeat "debootstrap $suite as $name (cold about a minute)" make_root "$ROOTS/$name" "$suite" "$packages" "$mirror"
    printf '%s\n' "$hash" >"$CACHE/stamps/root-$name"
  fi
  unlock "root-$name"
}

verb_root() {
  local suite=${1:-}
  case ",$ROOT_SUITES," in
  *",$suite,"*) [ -n "$suite" ] || die "root: which suite?" "one of: ${ROOT_SUITES//,/ }" ;;
  *) die "root: unknown suite '$suite'" "one of: ${ROOT_SUITES//,/ }" ;;
  esac
  root_for "$suite" "$suite" chrony,ca-certificates
  say "$suite has $(chroot "$ROOTS/$suite" chronyd -v)"
  printf '%s\n' "$ROOTS/$suite"
}

verb_base_image() {
  local tag=meantime-base:$BASE_SUITE hash
  ensure_engine
  if registry_reachable; then
    say "a registry can be reached: the base is Debian's own slim image (the Dockerfile must install chrony)"
    printf 'debian:%s-slim\n' "$BASE_SUITE"
    return
  fi
  root_for "$BASE_SUITE" "$BASE_SUITE" chrony,ca-certificates
  hash=$(cat "$CACHE/stamps/root-$BASE_SUITE")
  if [ "$(image_recipe "$tag")" != "$hash" ]; then
    lock base-image
    heartbeat "importing $tag (some seconds)" import_image "$tag" "$ROOTS/$BASE_SUITE" --change "LABEL meantime.dev/recipe=$hash"
    unlock base-image
  fi
  say "$tag has $(chroot "$ROOTS/$BASE_SUITE" chronyd -v)"
  printf '%s\n' "$tag"
}

# image_recipe REF: the recipe hash an image of ours carries; empty for an image that is absent.
image_recipe() { docker image inspect --format '{{index .Config.Labels "meantime.dev/recipe"}}' "$1" 2>/dev/null || true; }

# import_image REF FOLDER [docker import options]: a one-layer image. No builder is asked for: the
# old and the new one need different plugins, `import` is the same everywhere.
import_image() {
  local ref=$1 folder=$2
  shift 2
  tar -C "$folder" --numeric-owner --one-file-system -c . |
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@" - "$ref"
}
