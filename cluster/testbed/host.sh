#!/usr/bin/env bash
# The first process of a host, in namespaces of its own: a copy-on-write root, an address, sshd.
#
#   host.sh NAME ADDRESS HOSTS-FILE PUBLIC-KEY SHARED-FOLDER READ-ONLY-FOLDER...
set -euo pipefail
name=$1 address=$2 hosts=$3 key=$4 shared=$5
shift 5

# What is written stays in memory, and goes when the host does.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount --rbind /dev $root/dev
mount --make-rslave $root/dev
for folder in /dev/shm /tmp /run /root; do
  mkdir -p $root$folder
  mount -t tmpfs -o mode=1777 tmpfs $root$folder
done
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
cp $root/etc/skel/.bashrc $root/etc/skel/.profile $root/root/
mkdir -p -m 755 $root/run/sshd

ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip address add "$address/24" dev eth0
ip link set eth0 up

rm -f $root/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f $root/etc/ssh/ssh_host_ed25519_key
exec chroot $root /usr/sbin/sshd -D -o PermitRootLogin=prohibit-password -o UsePAM=no -o MaxStartups=100
