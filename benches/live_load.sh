#!/usr/bin/env bash
# How many packets are lost live under load, compared with `tcpdump -w /dev/null`?
#
#   sudo benches/live_load.sh [PACKETS A SECOND ...]
#
# Two network namespaces and a veth pair between them; tcpreplay sends the mix of `cap-audit bench --write` (1 million packets)
# from memory at each rate in turn, 0 being as fast as it can; the receivers take turns for ROUNDS (3) rounds. tcpdump runs as it
# comes, with its small buffer, and once more with a buffer of the same size as that of cap-audit. Everything is removed afterwards.
# CAP_AUDIT names another program file.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-3}
rates=("$@")
[ ${#rates[@]} -gt 0 ] || rates=(200000 400000 800000 0)
for program in tcpreplay tcpdump jq; do
    command -v "$program" > /dev/null || { echo "$program is needed and not installed" >&2; exit 1; }
done

cap_audit=${CAP_AUDIT:-}
if [ -z "$cap_audit" ]; then
    cargo build --release --locked --quiet
    cap_audit=${CARGO_TARGET_DIR:-target}/release/cap-audit
fi

work=$(mktemp -d)
from=cap-load-a-$$
to=cap-load-b-$$
cleanup() {
    ip netns pids "$to" 2> /dev/null | xargs -r kill 2> /dev/null || true
    ip netns del "$from" 2> /dev/null || true
    ip netns del "$to" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

ip netns add "$from"
ip netns add "$to"
ip -n "$from" link add load0 type veth peer name load1 netns "$to"
for side in "$from load0" "$to load1"; do
    read -r space link <<< "$side"
    # Nothing but the mix shall be seen.
    ip netns exec "$space" sysctl -qw "net.ipv6.conf.$link.disable_ipv6=1"
    ip -n "$space" link set "$link" arp off up
done
"$cap_audit" bench --write "$work/mix.pcap" --packets 1000000 > /dev/null 2>&1

send() {
    local speed=(--topspeed)
    [ "$1" = 0 ] || speed=(--pps "$1" --pps-multi 64)
    ip netns exec "$from" tcpreplay --quiet --preload-pcap "${speed[@]}" --intf1 load0 "$work/mix.pcap" > "$work/sent" 2> /dev/null
}

# Each prints how many packets it saw and how many the kernel dropped.
receive_tcpdump() { receive_tcpdump_with; }
receive_tcpdump_with() {
    ip netns exec "$to" tcpdump "$@" -i load1 -w /dev/null 2> "$work/told" &
    local receiver=$!
    until grep -q listening "$work/told"; do sleep 0.1; done
    send "$rate"
    sleep 1
    kill -INT "$(pgrep -P "$receiver" || echo "$receiver")"
    wait "$receiver" || true
    awk '/packets captured/ { seen = $1 } /dropped by kernel/ { lost = $1 } END { print seen, lost }' "$work/told"
}
receive_tcpdump_large() { receive_tcpdump_with -B "$buffer_kib"; }
receive_cap_audit() {
    ip netns exec "$to" "$cap_audit" live load1 -v --format json -o "$work/report" --fail-on never 2> "$work/told" &
    local receiver=$!
    until grep -q watching "$work/told"; do sleep 0.1; done
    send "$rate"
    sleep 1
    kill -INT "$(pgrep -P "$receiver" || echo "$receiver")"
    wait "$receiver" || true
    jq -r '.captures[0] | "\(.packets) \(.dropped.kernel)"' "$work/report"
}

buffer_kib=$((${BUFFER_MIB:-64} * 1024))
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1)
echo "$(nproc) cores, ${model:-processor unknown}, $(uname -sr); 1,000,000 packets each time"
printf '%-10s %-15s %12s %12s %10s %12s\n' 'wanted/s' receiver 'sent/s' seen 'lost, %' 'told lost'
for rate in "${rates[@]}"; do
    for ((round = 1; round <= rounds; round++)); do
        for receiver in tcpdump tcpdump_large cap_audit; do
            read -r seen lost <<< "$(receive_$receiver)"
            sent=$(sed -n 's/^Actual: \([0-9]*\) packets.*/\1/p' "$work/sent")
            speed=$(sed -n 's/.* \([0-9.]*\) pps.*/\1/p' "$work/sent")
            awk -v rate="$rate" -v name="$receiver" -v speed="$speed" -v seen="$seen" -v sent="$sent" -v lost="$lost" 'BEGIN {
                printf "%-10s %-15s %12.0f %12d %10.2f %12d\n", rate ? rate : "most", name, speed, seen, 100 * (sent - seen) / sent, lost
            }'
        done
    done
done
