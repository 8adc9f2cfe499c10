#!/usr/bin/env bash
# Installs the repository around this script on one node, with the versions of constraints.txt, and puts it on the path
# of every login shell. Run it again after a change: it does only what is missing.
#
#   ~/.advent_dist         variables of the cluster, written by the cluster file; read by every login shell
#   ADVENT_DIST_VENV       virtual environment with the packages, on a disk that the nodes share; none makes one on each node
#   ADVENT_DIST_WHEELS     s3:// prefix from which nodes take wheels (optional); with --keep-wheels they are put there, which
#                          is for the head: its list of their sha256 is what others go by, so workers must not write there
#   ADVENT_DIST_PACKAGES   further packages, such as a driver of another object storage (optional)
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
wheels=$HOME/advent_dist_wheels
# The one that bash reads: of these the first that is there.
profile=~/.profile
for file in ~/.bash_login ~/.bash_profile; do [ ! -f "$file" ] || profile=$file; done
touch ~/.advent_dist "$profile"
. ~/.advent_dist
if grep --line-number CHANGE-ME ~/.advent_dist >&2; then
  echo 'the cluster file still has these to fill in; ray down CLUSTER-FILE removes what is up' >&2
  exit 1
fi
environment=${ADVENT_DIST_VENV:-$HOME/advent_dist_venv}

cat > ~/.advent_dist_profile <<END
. ~/.advent_dist
export PATH=$environment/bin:\$PATH PYTHONPATH=$repository RAY_ADDRESS=auto RAY_USAGE_STATS_ENABLED=0
END
# First in the file: distributions let theirs end early in shells that nobody types into.
line='. ~/.advent_dist_profile'
grep -qxF "$line" "$profile" || printf '%s\n%s\n' "$line" "$(cat "$profile")" > "$profile.new"
[ ! -f "$profile.new" ] || mv "$profile.new" "$profile"

[ -z "${ADVENT_DIST_VENV:-}" ] || exit 0

if [ ! -x "$environment/bin/pip" ] && ! python3 -m venv "$environment"; then
  sudo apt-get update --quiet
  sudo apt-get install --yes --quiet python3-venv python3-dev g++
  python3 -m venv "$environment"
fi
pip="$environment/bin/pip --disable-pip-version-check --quiet"

# One folder of wheels for each set of versions and each Python.
versions=$(cat "$repository/pyproject.toml" "$repository/constraints.txt" | sha256sum | cut -c1-12)
kept=${ADVENT_DIST_WHEELS:+$ADVENT_DIST_WHEELS/$("$environment/bin/python" -c 'import sys; print(sys.implementation.cache_tag)')-$versions}
mkdir -p "$wheels"
has_aws() { [ -n "$kept" ] && command -v aws > /dev/null; }
if has_aws; then
  fetched=$(mktemp -d)
  aws s3 sync --quiet "$kept" "$fetched" || echo "no wheels from $kept yet" >&2
  for wheel in "$fetched"/*.whl; do
    [ -f "$wheel" ] || continue
    name=$(basename "$wheel")
    if grep -qxF "$(sha256sum < "$wheel" | cut -d' ' -f1)  $name" "$fetched/SHA256SUMS"; then
      cp "$wheel" "$wheels"
    else
      echo "left alone, since SHA256SUMS does not list it so: $kept/$name" >&2
    fi
  done
  rm -r "$fetched"
fi

$pip wheel --wheel-dir "$wheels" --find-links "$wheels" --constraint "$repository/constraints.txt" \
  'setuptools>=77' "$repository[imagenet]" ${ADVENT_DIST_PACKAGES:-}
rm -f "$wheels"/advent_dist-*.whl # the repository itself is installed from its folder
if [ "${1:-}" = --keep-wheels ] && has_aws; then
  (cd "$wheels" && sha256sum -- *.whl > SHA256SUMS)
  aws s3 sync --quiet --delete "$wheels" "$kept" || echo "wheels could not be kept at $kept" >&2
fi

$pip install --no-index --find-links "$wheels" --constraint "$repository/constraints.txt" \
  --editable "$repository[imagenet]" ${ADVENT_DIST_PACKAGES:-}
