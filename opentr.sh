#!/bin/sh
# The one way in: finds a Python, hands everything to opentr_pipeline.
# What messages call it; see opentr_pipeline/commands.py.
case $0 in */*) OPENTR_COMMAND=$0 ;; *) OPENTR_COMMAND=./$0 ;; esac
export OPENTR_COMMAND
# A link leads here, where readlink can follow it to its end.
file=$(readlink -f -- "$0" 2>/dev/null) || file=$0
root=$(CDPATH='' cd -- "$(dirname -- "$file")" && pwd -P)
for python in python3.11 python3.12 python3.13 python3; do
    if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        exec "$python" -I "$root/opentr_pipeline/bootstrap.py" "$@"
    fi
done
echo "opentr: Python 3.11, 3.12 or 3.13 is needed and none was found; install one and try again." >&2
exit 1
