#!/usr/bin/env bash
# Do two programs tell the same? Compares the reports of an older and a newer cap-audit, byte for byte: text, JSON, NDJSON and
# CSV, with 1, 2 and 7 workers, over all fixtures, one by one and in one directory, and any further captures that are named.
#
#     tests/same_reports.sh OLDER NEWER [CAPTURE...]
#
# JSON and NDJSON are compared without the member `parameters` of findings, which older programs do not write. With
# SAME_EXCEPT='s/old words/new words/' (a script for sed -z -E) reports of both are changed in the same way before they are
# compared, so that wanted changes of wording can be named. Exits 0 if all reports are equal, 1 if one differs.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for program in "$1" "$2"; do
    [ -f "$program" ] && [ -x "$program" ] || { echo "$program is no program" >&2; exit 2; }
done
older=$(realpath "$1") newer=$(realpath "$2")
shift 2
more=()
for capture in "$@"; do
    more+=("$(realpath -e "$capture")") || exit 2
done
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Takes the member out that was added, where it stands in the text, and changes the words that were changed.
plain() {
    python3 -c '
import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
decoder, kept, at = json.JSONDecoder(), [], 0
while True:
    start = text.find("\"parameters\":", at)
    if start < 0:
        break
    comma = text.rindex(",", at, start)
    value = start + len("\"parameters\":")
    value += text[value] == " "
    kept.append(text[at:comma])
    at = decoder.raw_decode(text, value)[1]
sys.stdout.write("".join(kept) + text[at:])
' "$1" | { if [ -n "${SAME_EXCEPT:-}" ]; then sed -z -E "$SAME_EXCEPT"; else cat; fi; }
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
    if [ ! -s "$one" ] && [ "$format" != csv ]; then
        echo "$older reports nothing of $capture: $(head -1 "$one.err")" >&2
        exit 2
    fi
    if [ "$code_one" = "$code_other" ] && cmp -s "$one.err" "$other.err" \
        && { cmp -s "$one" "$other" || cmp -s <(plain "$one") <(plain "$other"); }; then
        return
    fi
    different=$((different + 1))
    echo "different: $capture, $format $extra, $workers workers (exit $code_one and $code_other)"
    diff <(plain "$one") <(plain "$other") | head -8 || true
    diff "$one.err" "$other.err" | head -4 || true
}

cd "$root"
captures=(fixtures/*/capture.pcap*)
mkdir "$scratch/all"
for capture in "${captures[@]}"; do
    cp "$capture" "$scratch/all/$(basename "$(dirname "$capture")").${capture##*.}"
done
captures+=("$scratch/all")
for capture in "${captures[@]}" "${more[@]}"; do
    for workers in 1 2 7; do
        for format in text json ndjson csv; do
            compare "$capture" "$format" "$workers"
        done
        compare "$capture" text "$workers" "--flows -v"
    done
done
echo "$reports reports compared, $different different"
[ "$different" = 0 ]
