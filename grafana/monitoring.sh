#!/usr/bin/env bash
# Prometheus and Alertmanager on loopback, to look at a daemon that runs: `make monitoring`. Ctrl-C ends both.
#
#   monitoring.sh [CONFIGURATION [STATE]]     folders; this one and var/monitoring unless said
#   PROMETHEUS=127.0.0.1:9090  ALERTMANAGER=127.0.0.1:9093     where they listen
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
configuration=${1:-$here}
state=${2:-$here/../var/monitoring}
prometheus_at=${PROMETHEUS:-127.0.0.1:9090}
alertmanager_at=${ALERTMANAGER:-127.0.0.1:9093}

for program in prometheus prometheus-alertmanager; do
	command -v "$program" >/dev/null || {
		echo "$program is not installed. Debian: apt-get install --no-install-recommends prometheus prometheus-alertmanager" >&2
		exit 1
	}
done
mkdir -p "$state/prometheus" "$state/alertmanager"

started=()
end() {
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
}
trap end EXIT
trap 'exit 0' INT TERM

prometheus-alertmanager --config.file="$configuration/alertmanager.yml" --storage.path="$state/alertmanager" \
	--web.listen-address="$alertmanager_at" --cluster.listen-address= --log.level=warn &
started+=($!)
# It knows its Alertmanager after some seconds only; what it could not tell before, it tells again soon.
prometheus --config.file="$configuration/prometheus.yml" --storage.tsdb.path="$state/prometheus" \
	--web.listen-address="$prometheus_at" --rules.alert.resend-delay=5s --log.level=warn &
started+=($!)
echo "Prometheus: http://$prometheus_at/alerts   Alertmanager: http://$alertmanager_at/   state: $state"
# Whichever ends first takes the other one with it.
wait -n
