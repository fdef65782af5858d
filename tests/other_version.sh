#!/usr/bin/env bash
# Run tests with another version of a library, which is installed in a temporary folder in front of the environment:
#   tests/other_version.sh PYTHON LIBRARY==VERSION TESTS...
set -euo pipefail
python=$1 wanted=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Its own requirements are installed too, but for those that the environment has in any version that it accepts.
sed "/^\(ray\|transformers\|tokenizers\|huggingface[-_]hub\|hf[-_]xet\)==/d" constraints.txt > "$folder/constraints.txt"
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder/packages" --no-deps "$wanted"
if [[ $wanted == transformers* ]]; then
  "$python" -m pip install --quiet --disable-pip-version-check --target "$folder/packages" --upgrade \
    -c "$folder/constraints.txt" "$wanted"
fi
export PYTHONPATH="$folder/packages:$PWD/platform${PYTHONPATH:+:$PYTHONPATH}"
"$python" -c "import importlib.metadata as m; print('$wanted'.split('==')[0], m.version('$wanted'.split('==')[0]))"
"$python" -m pytest -p no:cacheprovider --durations=10 "$@"
