#!/usr/bin/env bash
# Runs `ray start ...`, at most three times: a raylet gives up when its agents need more than 15 s to start, as they may
# on a busy host or from a shared disk at first, and Ray's launcher leaves a host alone whose commands have failed.
#
#   bash cluster/start.sh ray start --address=HEAD:6379
set -uo pipefail

for attempt in 1 2 3; do
  "$@" && exit
  echo "attempt $attempt failed: $*" >&2
  ray stop >&2
done
exit 1
