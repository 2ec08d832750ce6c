#!/usr/bin/env bash
# Do two programs tell the same? Compares the reports of an older and a newer cap-audit, byte for byte: text, JSON, NDJSON and
# CSV, with 1, 2 and 7 workers, over all fixtures and any further captures that are named.
#
#     tests/same_reports.sh OLDER NEWER [CAPTURE...]
#
# JSON and NDJSON are compared without the member `parameters` of findings, which older programs do not write. With
# SAME_EXCEPT='s/old words/new words/' (a script for sed -z -E) reports of both are changed in the same way before they are
# compared, so that wanted changes of wording can be named. Exits 0 if all reports are equal, 1 if one differs.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
older=$(realpath "$1") newer=$(realpath "$2")
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Takes the member out that was added, and the words that were changed.
plain() {
    python3 -c '
import json, sys
format, path = sys.argv[1:]
text = open(path, encoding="utf-8").read()
def strip(value):
    if isinstance(value, dict):
        value.pop("parameters", None)
        for inner in value.values(): strip(inner)
    elif isinstance(value, list):
        for inner in value: strip(inner)
    return value
if format == "json":
    text = json.dumps(strip(json.loads(text)), ensure_ascii=False, indent=2) + "\n"
elif format == "ndjson":
    text = "".join(json.dumps(strip(json.loads(line)), ensure_ascii=False) + "\n" for line in text.splitlines())
sys.stdout.write(text)
' "$1" "$2" | { if [ -n "${SAME_EXCEPT:-}" ]; then sed -z -E "$SAME_EXCEPT"; else cat; fi; }
}

reports=0 different=0
compare() {
    local capture=$1 format=$2 workers=$3 extra=${4:-}
    local one="$scratch/older" other="$scratch/newer" code_one=0 code_other=0
    # shellcheck disable=SC2086
    "$older" file --format "$format" --workers "$workers" $extra "$capture" >"$one" 2>"$one.err" || code_one=$?
    # shellcheck disable=SC2086
    "$newer" file --format "$format" --workers "$workers" $extra "$capture" >"$other" 2>"$other.err" || code_other=$?
    reports=$((reports + 1))
    if [ "$code_one" = "$code_other" ] && cmp -s "$one.err" "$other.err" \
        && { cmp -s "$one" "$other" || cmp -s <(plain "$format" "$one") <(plain "$format" "$other"); }; then
        return
    fi
    different=$((different + 1))
    echo "different: $capture, $format $extra, $workers workers (exit $code_one and $code_other)"
    diff <(plain "$format" "$one") <(plain "$format" "$other") | head -8 || true
    diff "$one.err" "$other.err" | head -4 || true
}

cd "$root"
captures=(fixtures/*/capture.pcap* fixtures)
for capture in "${captures[@]}" "$@"; do
    for workers in 1 2 7; do
        for format in text json ndjson csv; do
            compare "$capture" "$format" "$workers"
        done
        compare "$capture" text "$workers" "--flows -v"
    done
done
echo "$reports reports compared, $different different"
[ "$different" = 0 ]
