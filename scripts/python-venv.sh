#!/bin/sh
# Makes .venv with the Python readers that the interop tests compare against. Needs Python ≥ 3.11 and a package index;
# fails loudly, and leaves no half-made .venv, where either is missing. Safe to repeat: a finished one is kept.
set -eu
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
# polystore 0.6 loads pandas for files beside arrays, and does not ask for it.
packages="zarr==3.1.6 numcodecs==0.16.6 tensorstore==0.1.86 numpy==2.4.6 roifile==2026.2.10 ome-zarr==0.18.0 ome-zarr-models==1.7 tifffile==2026.3.3 polystore==0.6.3 pandas==3.1.1 event-model==1.24.0 jsonschema==4.26.0 pyarrow==26.0.1 blissdata==2.4.5 h5py==3.16.0"

if [ -f .venv/.sluice ] && [ "$(cat .venv/.sluice)" = "$packages" ]; then
  echo "python-venv: .venv is up to date"
  exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "python-venv: zarr 3 needs Python 3.11 or newer; set PYTHON to one" >&2
  exit 1
}
rm -rf .venv
trap 'rm -rf .venv; echo "python-venv: could not install $packages; is a package index reachable?" >&2' EXIT
"$python" -m venv .venv
# shellcheck disable=SC2086 # one argument for each package
.venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: $packages
.venv/bin/python -c 'import numcodecs, tensorstore, zarr; print("python-venv: zarr", zarr.__version__)'
echo "$packages" > .venv/.sluice
trap - EXIT
