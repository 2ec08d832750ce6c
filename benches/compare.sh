#!/usr/bin/env bash
# How long does a whole program take on one capture, compared with what one would use instead?
#
#   benches/compare.sh [CAPTURE]
#
# Without a capture the mix of `cap-audit bench --write` is made (4 million packets, 2.1 GB, removed afterwards). The programs
# that are installed run in turn, several rounds, the capture in the page cache; what is told are medians and their ratios,
# because these depend less on the machine. ROUNDS (5) sets the rounds of the fast programs; slow ones run fewer times.
# LIMIT (300) is the most seconds that one run may take. CAP_AUDIT names another program file.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-5}
limit=${LIMIT:-300}
ports='port 1494 or port 2598 or port 443 or port 80 or port 27000 or portrange 16500-16509 or portrange 6910-6930'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cap_audit=${CAP_AUDIT:-}
if [ -z "$cap_audit" ]; then
    cargo build --release --locked --quiet
    cap_audit=${CARGO_TARGET_DIR:-target}/release/cap-audit
fi

capture=${1:-}
if [ -z "$capture" ]; then
    capture=$work/mix.pcap
    "$cap_audit" bench --write "$capture"
fi

# Name of a program, how many rounds, and the words of its command; F stands for the capture.
run_cat() { cat "$capture" > /dev/null; }
run_cap_audit() { "$cap_audit" file --fail-on never --quiet -o "$work/report" "$capture"; }
run_tcpdump() { tcpdump -r "$capture" -w /dev/null "$ports"; }
run_argus() { argus -r "$capture" -w /dev/null; }
run_ndpiReader() { ndpiReader -q -i "$capture" > /dev/null; }
run_tshark() { tshark -n -q -z conv,tcp -r "$capture" > /dev/null; }

programs=(cat cap_audit)
for program in tcpdump argus ndpiReader tshark; do
    if command -v "$program" > /dev/null; then
        programs+=("$program")
    else
        echo "$program is not installed and left out"
    fi
done

rounds_of() {
    case $1 in
        cat | cap_audit | tcpdump) echo "$rounds" ;;
        argus) echo $(((rounds + 1) / 2)) ;;
        ndpiReader) echo $(((rounds + 2) / 3)) ;;
        tshark) echo 1 ;;
    esac
}

# A program that takes too long is stopped and counts as the limit. The capture is read once before each run, because a system may
# have put a part of it out of the page cache meanwhile.
export -f run_cat run_cap_audit run_tcpdump run_argus run_ndpiReader run_tshark
export capture cap_audit work ports
measure() {
    run_cat
    local begun=$EPOCHREALTIME
    timeout "$limit" bash -c "run_$1" 2> "$work/$1.log" || echo "$1 ended with $?: $(tail -n 1 "$work/$1.log")" >&2
    local ended=$EPOCHREALTIME
    echo $((${ended/[.,]/} - ${begun/[.,]/})) >> "$work/$1.micros"
}

median() { sort -n "$1" | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'; }

for ((round = 1; round <= rounds; round++)); do
    for program in "${programs[@]}"; do
        if ((round <= $(rounds_of "$program"))); then
            measure "$program"
        fi
    done
done

model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1)
echo
echo "$(nproc 2> /dev/null || echo '?') cores, ${model:-processor unknown}, $(uname -sr); $(wc -c < "$capture") bytes in the page cache"
echo
base=$(median "$work/cat.micros")
ours=$(median "$work/cap_audit.micros")
printf '%-12s %7s %10s %14s %20s\n' program rounds seconds 'times cat' 'times cap-audit'
for program in "${programs[@]}"; do
    awk -v name="${program/_/-}" -v rounds="$(rounds_of "$program")" -v micros="$(median "$work/$program.micros")" \
        -v base="$base" -v ours="$ours" 'BEGIN {
            printf "%-12s %7d %10.3f %14.2f %20.2f\n", name, rounds, micros / 1e6, micros / base, micros / ours
        }'
done
