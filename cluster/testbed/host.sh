#!/usr/bin/env bash
# The first process of a host, in namespaces of its own: a copy-on-write root, an address, sshd.
#
#   host.sh NAME ADDRESS DISK-FOLDER HOSTS-FILE PUBLIC-KEY SHARED-FOLDER READ-ONLY-FOLDER...
set -euo pipefail
name=$1 address=$2 disk=$3 hosts=$4 key=$5 shared=$6
shift 6

# What is written is kept on the host's disk, but for the folders in memory: it is there after a loss of power.
mount -t tmpfs tmpfs /mnt
root=/mnt/root
mkdir -p $root "$disk/upper" "$disk/work" "$disk/home"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" $root
mount -t proc proc $root/proc
mount --rbind /dev $root/dev
mount --make-rslave $root/dev
for folder in /dev/shm /tmp /run; do
  mkdir -p $root$folder
  mount -t tmpfs -o mode=1777 tmpfs $root$folder
done
mkdir -p $root/root
mount --bind "$disk/home" $root/root
for folder in "$@"; do
  mkdir -p "$root$folder"
  mount --rbind "$folder" "$root$folder"
  mount -o remount,bind,ro "$root$folder"
done
mkdir -p $root/shared
mount --bind "$shared" $root/shared

hostname "$name"
echo "$name" > $root/etc/hostname
cp "$hosts" $root/etc/hosts
: > $root/etc/resolv.conf
mkdir -p -m 700 $root/root/.ssh
chmod 700 $root/root
cp "$key" $root/root/.ssh/authorized_keys
cp --no-clobber $root/etc/skel/.bashrc $root/etc/skel/.profile $root/root/
mkdir -p -m 755 $root/run/sshd

ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip address add "$address/24" dev eth0
ip link set eth0 up

rm -f $root/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f $root/etc/ssh/ssh_host_ed25519_key
exec chroot $root /usr/sbin/sshd -D -o PermitRootLogin=prohibit-password -o UsePAM=no -o MaxStartups=100
