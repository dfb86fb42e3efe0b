#!/bin/sh
# What the image of the Lambda functions and of the tasks of ECS holds, made in a folder: what SpotiFriend needs, at the
# pinned versions and without tools of development; SpotiFriend itself, and the Dagster instance of ECS.
# `deploy/Dockerfile` runs it, and so do the tests.
#
#   sh deploy/build_root.sh dependencies /function
#   sh deploy/build_root.sh project /function
set -eu
step=${1-}
root=${2-}
cd "$(dirname "$0")/.."

needed() {
    python - <<'PYTHON'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
print(*project["dependencies"], *extras["lambda"], *extras["ecs"], sep="\n")
PYTHON
}

case $step in
needed)
    needed
    exit
    ;;
dependencies)
    mkdir -p "$root"
    needed >"$root/requirements.txt"
    python -m pip install --disable-pip-version-check --no-cache-dir --no-compile \
        --constraint constraints.txt --requirement "$root/requirements.txt" --target "$root"
    ;;
project)
    mkdir -p "$root"
    cp -R spotifriend_dagster "$root"
    cp -R deploy/ecs "$root/instance"
    find "$root/spotifriend_dagster" -name __pycache__ -prune -exec rm -r {} +
    ;;
*)
    echo "There is no step $step: needed (what is needed, as pip reads it), dependencies, project." >&2
    exit 2
    ;;
esac
# Lambda's file system is read-only: what is not compiled here is compiled anew at each cold start. Some packages ship
# templates that are no Python, and stay as they are; the times of files are not kept in images, so nothing is held to them.
python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$root" >/dev/null || [ "$step" = dependencies ]
