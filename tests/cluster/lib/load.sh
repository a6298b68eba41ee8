# shellcheck shell=bash
# load: docker images onto every node of a cluster.
#
# kind's own `load docker-image` asks the node's crictl, which Debian does not have. The archive is
# saved once and imported on all nodes at the same time; a node that already has exactly these
# images is left alone.

# Each node notes what it was given: one file an image reference, holding the image's id.
LOADED=/var/lib/test-images

load_node() {
  local node=$1 archive=$2 notes=$3
  docker exec -i "$node" ctr -n k8s.io images import --all-platforms --digests --snapshotter overlayfs - <"$archive"
  docker exec -i "$node" sh -c "mkdir -p $LOADED && cd $LOADED && while read -r note id; do echo \"\$id\" >\"\$note\"; done" <<<"$notes"
}

load_nodes() {
  local archive=$1 notes=$2 node pids=() pid rc=0
  shift 2
  # shellcheck disable=SC2064
  trap "rm -f '$archive'" EXIT
  docker save -o "$archive" "${IMAGES[@]}"
  for node in "$@"; do
    load_node "$node" "$archive" "$notes" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
  return "$rc"
}

verb_load() {
  local name=${1:-} image node id note notes='' ids='' files='' nodes=()
  [ $# -ge 2 ] || die "usage: provider load NAME IMAGE..."
  shift
  IMAGES=("$@")
  for image in "$@"; do
    id=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null) || die "the engine has no image $image" "build it first"
    note=$(recipe_hash "$image")
    notes+="$note $id"$'\n' ids+="$id"$'\n' files+=" $LOADED/$note"
  done
  [ -n "$(cluster_nodes "$name")" ] || die "there is no cluster '$name'" "make it: provider up $name"
  lock "cluster-$name"
  for node in $(cluster_nodes "$name"); do
    # shellcheck disable=SC2086
    [ "$(docker exec "$node" cat $files 2>/dev/null)" = "${ids%?}" ] || nodes+=("$node")
  done
  if [ "${#nodes[@]}" -gt 0 ]; then
    heartbeat "loading ${IMAGES[*]} onto ${#nodes[@]} nodes (some seconds per 100 MB)" \
      load_nodes "$(mktemp -u "$CACHE/load-XXXXXX.tar")" "${notes%?}" "${nodes[@]}"
  else
    say "all nodes of '$name' have these images already"
  fi
  unlock "cluster-$name"
}
