#!/usr/bin/env bash
# Run tests with another version of Ray or transformers, installed in a temporary folder in front of the environment:
#   tests/other_version.sh PYTHON LIBRARY==VERSION TESTS...
set -euo pipefail
python=$1 wanted=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
options=(--no-deps)  # Ray's requirements are those of the environment
if [[ $wanted == transformers* ]]; then  # which limits the versions of its own
  sed "/^\(transformers\|tokenizers\|huggingface[-_]hub\|hf[-_]xet\)==/d" constraints.txt > "$folder/constraints.txt"
  options=(-c "$folder/constraints.txt")
fi
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder/packages" "${options[@]}" "$wanted"
export PYTHONPATH="$folder/packages:$PWD/platform${PYTHONPATH:+:$PYTHONPATH}"
"$python" -m pytest -p no:cacheprovider --durations=10 "$@"
