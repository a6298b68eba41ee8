# shellcheck shell=bash
# node-image: the image whose containers are the cluster's nodes.
#
# With a container registry: the one that kind itself names, by digest. Without: built here from
# kind's own base files (read from its Go module), Debian packages and the pinned commands:
#
#   1. a Debian root with systemd, containerd, runc, the CNI plugins and what kubelet calls
#   2. kind's files, the node's commands, and our pod network
#   3. the control plane's container images, one static binary each, named as kubeadm names them
#   4. those images imported into the node image's containerd, so that nodes find them at hand

NODE_PACKAGES=systemd,systemd-sysv,dbus,kmod,iproute2,iptables,nftables,ethtool,socat,conntrack
NODE_PACKAGES=$NODE_PACKAGES,containerd,runc,containernetworking-plugins,procps,util-linux,mount
NODE_PACKAGES=$NODE_PACKAGES,e2fsprogs,ca-certificates,curl,jq,iputils-ping,netbase,chrony
NODE_TOOLS="kubelet kubeadm kubectl"
NODE_IMAGE_TOOLS="kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd coredns"

kind_module() {
  (cd "$CACHE" && GOFLAGS=-mod=mod go mod download -json "sigs.k8s.io/kind@v$KIND_VERSION") | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# The reference that this version of kind names in its own source.
kind_default_image() { sed -n 's/^const Image = "\(.*\)"$/\1/p' "$(kind_module)/pkg/apis/config/defaults/image.go"; }

node_image_hash() {
  local tool stamps=()
  for tool in $NODE_TOOLS $NODE_IMAGE_TOOLS; do stamps+=("$(tool_stamp "$tool")"); done
  recipe_hash "$KIND_VERSION" "$NODE_SUITE" "$NODE_PACKAGES" "${stamps[@]}" \
    "$HERE"/node/pause.c "$HERE"/node/pod-network "$HERE"/node/pod-network.service "$HERE"/lib/node-image.sh
}

# copy_with_libraries ROOT TARGET FILE...: FILEs of ROOT with the shared libraries they load.
copy_with_libraries() {
  local root=$1 target=$2 file
  shift 2
  {
    printf '%s\n' "$@"
    chroot "$root" ldd "$@" 2>/dev/null | sed -n 's|^\t[^/]*\(/[^ ]*\) (.*|\1|p'
  } | sort -u | while read -r file; do
    mkdir -p "$target$(dirname "$file")"
    cp -L "$root$file" "$target$file"
  done
}

# A container image that is one binary.
control_plane_image() {
  local ref=$1 name=$2 work=$3 root=$4 folder=$3/image-$2
  mkdir -p "$folder/usr/local/bin" "$folder/tmp" "$folder/etc"
  cp "$work/bin/$name" "$folder/usr/local/bin/$name"
  case $name in
  kube-proxy)
    # kube-proxy calls iptables, by names that are links to two programs: the one for nftables.
    # Its extensions are loaded by path, and some bring libraries of their own.
    local extensions
    mapfile -t extensions < <(cd "$root" && find usr/lib -path '*/xtables/*.so' -type f -printf '/%p\n')
    copy_with_libraries "$root" "$folder" /usr/sbin/xtables-nft-multi /usr/sbin/conntrack /usr/sbin/nft "${extensions[@]}"
    mkdir -p "$folder/usr/sbin" "$folder/run"
    local link
    for link in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
      ln -s xtables-nft-multi "$folder/usr/sbin/$link"
    done
    # The extensions which are links to another (xt_state to xt_conntrack, ...).
    (cd "$root" && find usr/lib -path '*/xtables/*.so' -type l -print0 | xargs -0 cp -P --parents -t "$folder")
    ;;
  kube-apiserver | kube-controller-manager | coredns)
    mkdir -p "$folder/etc/ssl/certs"
    cp "$root/etc/ssl/certs/ca-certificates.crt" "$folder/etc/ssl/certs/"
    ;;
  esac
  import_image "$ref" "$folder" --change "ENTRYPOINT [\"/usr/local/bin/$name\"]"
}

build_node_image() {
  local tag=$1 hash=$2 source=$3 root work kind_files ref name refs=() builder before
  before=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
  work=$(mktemp -d "$CACHE/tools/tmp-XXXXXX")
  builder=meantime-node-builder-$$
  # shellcheck disable=SC2064
  trap "docker rm -f -v '$builder' >/dev/null 2>&1 || true; docker image rm '$tag-bare' >/dev/null 2>&1 || true; rm -rf --one-file-system '$work'" EXIT
  root=$work/root
  mkdir "$work/bin"
  cp -a "$source" "$root"
  for name in $NODE_TOOLS $NODE_IMAGE_TOOLS; do cp "$TOOLS_BIN/$name" "$work/bin/"; done

  echo "kind's files, the node's commands, our pod network"
  kind_files=$(kind_module)/images/base/files
  cp -r "$kind_files/." "$root/"
  # The module cache is read-only; its modes must not become the node's.
  (cd "$kind_files" && find . -mindepth 1 -printf '%P\0') | (cd "$root" && xargs -0 chmod u+w)
  (cd "$root" && chmod 755 kind kind/bin kind/bin/* usr/local/bin/* etc/systemd etc/systemd/system)
  for name in $NODE_TOOLS; do install -m 755 "$work/bin/$name" "$root/usr/bin/$name"; done
  install -m 755 "$HERE/node/pod-network" "$root/usr/local/bin/pod-network"
  install -m 644 "$HERE/node/pod-network.service" "$root/etc/systemd/system/pod-network.service"

  echo "what kind's Dockerfile does to systemd, containerd and the CNI folder"
  rm -f "$root"/lib/systemd/system/multi-user.target.wants/* "$root"/etc/systemd/system/*.wants/* \
    "$root"/lib/systemd/system/local-fs.target.wants/* "$root"/lib/systemd/system/sockets.target.wants/*{udev,initctl}* \
    "$root"/lib/systemd/system/basic.target.wants/* "$root"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
  echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
  chroot "$root" systemctl enable kubelet.service containerd.service undo-mount-hacks.service pod-network.service
  # binfmt_misc belongs to the kernel, which is the host's; chronyd on a node must not start by itself.
  chroot "$root" systemctl mask systemd-binfmt.service chrony.service
  mkdir -p "$root/etc/kubernetes/manifests" "$root/etc/meantime" "$root/opt/cni" "$root/usr/local/sbin"
  ln -sfn /usr/lib/cni "$root/opt/cni/bin"
  # kind's unit and entrypoint call them where its own image has them.
  for name in containerd ctr containerd-shim-runc-v2; do ln -sf "/usr/bin/$name" "$root/usr/local/bin/$name"; done
  ln -sf /usr/sbin/runc "$root/usr/local/sbin/runc"
  chroot "$root" ctr oci spec |
    jq '.hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
      >"$root/etc/containerd/cri-base.json"
  echo "v$KUBERNETES_VERSION" >"$root/kind/version"

  echo "container images of the control plane"
  cc -static -Os -Wall -o "$work/bin/pause" "$HERE/node/pause.c"
  for ref in $("$work/bin/kubeadm" config images list --kubernetes-version "v$KUBERNETES_VERSION" 2>/dev/null); do
    name=${ref##*/}
    control_plane_image "$ref" "${name%%:*}" "$work" "$root"
    refs+=("$ref")
    # A runtime that asks for another pause than kubeadm's would want to pull it.
    case $name in pause:*) sed -i "s|^\( *sandbox_image = \).*|\1\"$ref\"|" "$root/etc/containerd/config.toml" ;; esac
  done
  # An OOM score below our own needs CAP_SYS_RESOURCE; where it lacks, containerd must not try.
  if host_lacks_sys_resource; then
    sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
  fi

  echo "the node image without container images"
  import_image "$tag-bare" "$root" --change 'ENV container=docker' \
    --change "LABEL meantime.dev/recipe=$hash" --change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]'

  echo "importing the container images into its containerd"
  # systemd stops on this signal; docker 20.10 cannot set it at import, a commit carries it over
  # (and would carry a label over to every node, so the builder is known by its name alone).
  docker run -d --privileged --name "$builder" --stop-signal SIGRTMIN+3 --entrypoint sleep "$tag-bare" infinity
  docker exec -d "$builder" containerd
  for name in $(seq 30); do
    docker exec "$builder" ctr version >/dev/null 2>&1 && break
    sleep 1
  done
  docker save "${refs[@]}" | docker exec -i "$builder" ctr -n k8s.io images import --all-platforms --no-unpack -
  docker exec "$builder" pkill -x containerd
  sleep 1
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' "$builder" "$tag"

  # The parts are in the node image now; the image of before goes unless a cluster still uses it.
  docker image rm "${refs[@]}" || true
  [ -z "$before" ] || docker image rm "$before" || true
}

# ensure_node_image: sets NODE_IMAGE.
ensure_node_image() {
  local hash tag
  ensure_engine
  if registry_reachable; then
    need_go
    NODE_IMAGE=$(kind_default_image)
    say "NOTE: with a registry we take kind's own node image; that path is untested where there is none: $NODE_IMAGE"
    return
  fi
  # shellcheck disable=SC2086
  ensure_tools $NODE_TOOLS $NODE_IMAGE_TOOLS
  hash=$(node_image_hash)
  tag=meantime-node:v$KUBERNETES_VERSION
  NODE_IMAGE=$tag
  if [ "$(image_recipe "$tag")" = "$hash" ]; then return; fi
  need_root "building the node image"
  lock node-image
  if [ "$(image_recipe "$tag")" != "$hash" ]; then
    apt_install jq gcc libc6-dev
    root_for "node-$NODE_SUITE" "$NODE_SUITE" "$NODE_PACKAGES"
    heartbeat "building the node image $tag (about 2 minutes)" build_node_image "$tag" "$hash" "$ROOTS/node-$NODE_SUITE"
  fi
  unlock node-image
}

verb_node_image() {
  ensure_node_image
  printf '%s\n' "$NODE_IMAGE"
}
