#!/bin/bash
# Makes what a micro-VM boots from: a Debian cloud kernel and an initramfs with busybox, one Debian suite's chronyd and
# its libraries. Prints the folder (vmlinuz, initrd.gz) on stdout; everything for people goes to stderr.
#
#   tests/vm/image.sh [SUITE]     SUITE: bookworm (chronyd 4.3), trixie (4.6.1; default), … as `tests/cluster/provider root`
#
# Cached by a hash of what goes in. Installs qemu and cpio when they are missing (root on Debian), saying so first.
# Nothing of the kernel's package is installed on this machine: the packages are only unpacked into the cache.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../cluster/lib/common.sh
. "$here/../cluster/lib/common.sh"
suite=${1:-trixie}

# Modules in the order they must be loaded: virtio over PCI, the network card, and its optional helpers.
MODULES="failover net_failover virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_net rng-core virtio-rng"

# unpack_package NAME FOLDER: a Debian package unpacked, not installed; downloaded once.
unpack_package() {
  local kept=$CACHE/debs/vm
  mkdir -p "$kept"
  if ! compgen -G "$kept/$1_*.deb" >/dev/null; then (cd "$kept" && apt-get -qq download "$1"); fi
  dpkg-deb -x "$(compgen -G "$kept/$1_*.deb" | sort -V | tail -n 1)" "$2"
}

# with_libraries ROOT TREE BINARY...: copies binaries of ROOT and the libraries they load into TREE.
with_libraries() {
  local root=$1 tree=$2 binary library
  shift 2
  for binary in "$@"; do
    cp -L "$root$binary" "$tree/bin/"
    chroot "$root" ldd "$binary" | grep -oE '/[^ ]+\.so[^ ]*'
  done | sort -u | while read -r library; do
    mkdir -p "$tree$(dirname "$library")"
    cp -L "$root$library" "$tree$library"
  done
}

make_image() {
  local out=$1 root=$2 kernel=$3 tree=$1/tree packages=$1/packages module file
  mkdir -p "$tree"/{bin,sbin,proc,sys,dev,tmp,etc,run,root,mod,var/lib/chrony} "$packages"
  unpack_package "$kernel" "$packages"
  unpack_package busybox-static "$packages"
  cp "$packages"/boot/vmlinuz-* "$out/vmlinuz"
  cp "$packages/bin/busybox" "$tree/bin/busybox"
  with_libraries "$root" "$tree" /usr/sbin/chronyd /usr/bin/chronyc
  # The agent and the lab binary are built on this machine and brought by each boot; these are what a Rust program loads.
  for file in libgcc_s.so.1 libm.so.6 libc.so.6 ld-linux-x86-64.so.2 libdl.so.2 libpthread.so.0; do
    file=$(find "$root/usr/lib" -name "$file" | head -n 1)
    [ -z "$file" ] || cp -L "$file" "$tree/lib/x86_64-linux-gnu/" 2>/dev/null ||
      { mkdir -p "$tree/lib/x86_64-linux-gnu" && cp -L "$file" "$tree/lib/x86_64-linux-gnu/"; }
  done
  for module in $MODULES; do
    file=$(find "$packages/lib/modules" -name "$module.ko" | head -n 1)
    [ -z "$file" ] || { cp "$file" "$tree/mod/" && echo "$module" >>"$tree/mod/order"; }
  done
  printf 'root:x:0:0:root:/root:/bin/sh\n_chrony:x:101:101::/var/lib/chrony:/bin/false\n' >"$tree/etc/passwd"
  printf 'root:x:0:\n_chrony:x:101:\n' >"$tree/etc/group"
  echo '127.0.0.1 localhost' >"$tree/etc/hosts"
  install -m 755 "$here/init" "$tree/init"
  (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1 >"$out/initrd.gz")
  chroot "$root" chronyd -v >"$out/chronyd-version"
  rm -rf "$tree" "$packages"
}

[ "$(uname -m)" = x86_64 ] || die "the micro-VM is made for x86_64 only; this machine is $(uname -m)"
init_cache
mkdir -p "$CACHE/vm"
apt_install qemu-system-x86 cpio >&2
apt_lists
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
[ -n "$kernel" ] || die "apt on this machine knows no linux-image-cloud-amd64" "the micro-VM needs Debian's cloud kernel"
root=$("$here/../cluster/provider" root "$suite")
hash=$(recipe_hash "${BASH_SOURCE[0]}" "$here/init" "$kernel" "$suite" "$(cat "$CACHE/stamps/root-$suite")")
out=$CACHE/vm/$suite-$hash
if [ ! -f "$out/initrd.gz" ]; then
  lock "vm-$suite"
  if [ ! -f "$out/initrd.gz" ]; then
    half=$(mktemp -d "$CACHE/vm/.half-XXXXXX")
    chmod 755 "$half"
    heartbeat "micro-VM image: $kernel, chronyd of $suite (some seconds)" make_image "$half" "$root" "$kernel"
    rm -rf "$out"
    mv "$half" "$out"
  fi
  unlock "vm-$suite"
fi
printf '%s\n' "$out"
