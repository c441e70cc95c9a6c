#!/bin/sh
# Remake requirements/*.lock from pyproject.toml and requirements/*.in. Needs uv on PATH. Arguments go to the resolver: --upgrade
# takes the newest of everything, --upgrade-package NAME of one; without them the pins that still fit stay.
#
# The locks carry hashes and platform markers and no addresses: uv.lock and pylock.toml would record the index of whoever
# made them, so they are not committed. pip reads these files anywhere.
set -eu
cd "$(dirname "$0")/.."
options="--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet"
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT

# shellcheck disable=SC2086  # the options are several words
uv pip compile $options "$@" --all-extras --output-file requirements/test.lock pyproject.toml requirements/build.in requirements/test.in
# The smaller locks take their pins from the largest, so that ./demo and ./test can share one .venv.
grep -vE '^ +--hash' requirements/test.lock | sed 's/ \\$//' >"$pins"
for lock in demo build; do
  case $lock in demo) inputs="--extra demo pyproject.toml requirements/build.in" ;; build) inputs="requirements/build.in" ;; esac
  rm -f "requirements/$lock.lock"
  # shellcheck disable=SC2086
  uv pip compile $options --constraint "$pins" --output-file "requirements/$lock.lock" $inputs
done
