#!/usr/bin/env bash
# Runs a command in network, mount and process namespaces of its own. There is no way out to any network, and when the
# command ends, or is killed, so do all its processes, hosts, mounts and links: the kernel tidies up.
set -euo pipefail
# Each host has these folders to itself, empty.
for used in "$(dirname "$0")/../.." "$(type -P "$1" || echo /)"; do
  case $(realpath "$used")/ in
    /tmp/* | /run/* | /dev/shm/*)
      echo "test bed: $(realpath "$used") lies in a folder that each host has of its own (/tmp, /run, /dev/shm):" \
        "clone the repository elsewhere" >&2
      exit 1 ;;
  esac
done
missing=$(for tool in unshare ip rsync sshd faketime; do [ -n "$(PATH=$PATH:/usr/sbin type -P $tool)" ] || echo -n " $tool"; done)
if [ "$(id -u)" != 0 ]; then echo "test bed skipped: hosts in namespaces need root"; exit 0; fi
if [ -n "$missing" ]; then echo "test bed skipped: apt-get install iproute2 openssh-server rsync faketime (no$missing)"; exit 0; fi
if ! unshare --net --mount --pid --fork true; then echo "test bed skipped: no right to make namespaces"; exit 0; fi
export ADVENT_DIST_TESTBED=1
# /tmp too, where Ray's launcher notes the clusters that it knows. unshare minds no signal but KILL.
setpriv --pdeathsig KILL \
  unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
  bash -c 'mount -t tmpfs -o mode=1777 tmpfs /tmp && "$@"' bash "$@" &
trap 'kill -KILL $!' INT TERM HUP
wait $!
