#!/bin/bash
# The units under a real systemd that is PID 1 of a container. Needs root, systemd-nspawn (Debian: systemd-container) and
# some 2 minutes.
#
#   tests/e2e/systemd.sh                this machine's own systemd and Python, over an overlay: nothing of it is changed
#   SUITE=trixie tests/e2e/systemd.sh   those of a Debian release: debootstrap makes the tree, pip what requirements.lock
#                                       pins for its Python; a minute more, and the network
#   TREE=FOLDER SUITE=trixie ...        keeps that tree there, and takes it from there the next time
#
# Each line that it prints is a promise, kept or not, with the seconds it took. Exits 0 when all are kept.
set -u
HERE=$(cd "$(dirname "$0")/../.." && pwd)
KALSHID=$HERE/.venv/bin/kalshid
[ "$(id -u)" = 0 ] && command -v systemd-nspawn >/dev/null || { echo "SKIPPED: needs root and systemd-nspawn"; exit 77; }
[ -x "$KALSHID" ] || { echo "SKIPPED: no $KALSHID (make test sets it up)"; exit 77; }
SUITE=${SUITE:-}
[ -z "$SUITE" ] || command -v debootstrap >/dev/null || { echo "SKIPPED: SUITE=$SUITE needs debootstrap"; exit 77; }

BOX=$(mktemp -d); TREE=${TREE:-$BOX/tree}; ROOT=$BOX/root; NSPAWN=; LEADER=; FAILED=0
finish() {
    [ -n "$LEADER" ] && kill -RTMIN+4 "$LEADER" 2>/dev/null  # PID 1 powers off
    [ -n "$NSPAWN" ] && for _ in $(seq 100); do kill -0 "$NSPAWN" 2>/dev/null || break; sleep 0.1; done
    [ -n "$NSPAWN" ] && kill -9 "$NSPAWN" 2>/dev/null
    umount "$ROOT" "$BOX/layer" 2>/dev/null; rm -rf "$BOX"
}
trap finish EXIT

inside() { nsenter -t "$LEADER" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb SYSTEMD_PAGER= SYSTEMD_COLORS=0 "$@"; }
property() { inside systemctl show -P "$1" kalshid.service; }
seconds() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(seconds)" 'BEGIN { printf "%.1f s", b - a }'; }
# until SECONDS COMMAND...: whether it came true in that time
until_true() { local end=$(($(date +%s) + $1)); shift; while ! "$@" >/dev/null 2>&1; do [ "$(date +%s)" -lt "$end" ] || return 1; sleep 0.1; done; }
RUN="/opt/my 100% own/kalshid"
is() { [ "$(property "$1")" = "$2" ]; }
# trades OLD: a process that is not OLD says so over its own loopback
ready() { inside env LD_LIBRARY_PATH=/opt/python/lib "$PY" -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:9464/readyz", timeout=2)'; }
trades() { local pid; pid=$(property MainPID); [ "$pid" != 0 ] && [ "$pid" != "$1" ] && is ActiveState active && ready; }
kept() { if [ "$1" = 0 ]; then echo "ok    $2"; else echo "BROKEN $2"; FAILED=1; inside journalctl -u kalshid.service -n 15 --no-pager; fi; }

as() { local user=$1; shift; inside setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }
reloads() { inside journalctl KALSHID_EVENT=config.reloaded "$@" -o cat --no-pager | wc -l; }
heard() { [ "$(reloads)" -gt "$1" ]; }
said() { inside sh -c "journalctl --no-pager -o json $1 | grep -q '$2'"; }

# --- a Debian release ------------------------------------------------------------------------------------------------
build() {
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,libnss-systemd,python3,libgomp1 "$SUITE" "$TREE" > "$BOX/built" 2>&1 &&
        chroot "$TREE" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' > "$TREE/opt/version" &&
        "$HERE/.venv/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary=:all: \
            -r "$HERE/requirements.lock" --python-version "$(cat "$TREE/opt/version")" --target "$TREE/opt/site.new" >> "$BOX/built" 2>&1 &&
        mv "$TREE/opt/site.new" "$TREE/opt/site"
}
LOWER=/ PY=/opt/python/bin/python3
if [ -n "$SUITE" ]; then
    LOWER=$TREE PY=/usr/bin/python3
    [ -d "$TREE/opt/site" ] || { at=$(seconds); build || { echo "SKIPPED: no $SUITE: $(tail -3 "$BOX/built")"; exit 77; }; echo "      $SUITE built in $(since "$at")"; }
fi

# --- a machine -------------------------------------------------------------------------------------------------------
mkdir -p "$BOX/layer" "$ROOT" && mount -t tmpfs tmpfs "$BOX/layer" && mkdir "$BOX/layer/up" "$BOX/layer/work" || exit 1
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$BOX/layer/up,workdir=$BOX/layer/work" "$ROOT" || exit 1
rm -f "$ROOT"/etc/systemd/system/*.wants/* "$ROOT/etc/machine-id"; touch "$ROOT/etc/machine-id"
mkdir -p "$ROOT/etc/kalshid/creds" "$ROOT/etc/kalshid/strategies" "$ROOT/etc/systemd/system/kalshid.service.d"
echo "a key" > "$ROOT/etc/kalshid/creds/kalshi-key.pem"; chmod 600 "$ROOT/etc/kalshid/creds/kalshi-key.pem"
sed -e "s|^state_dir = [^#]*|state_dir = \"/var/lib/kalshid\" |" -e "s|^path = [^#]*|path = \"/opt/kalshid/strategies/models/btc15m-demo/1\" |" \
    -e 's|^strategy_path = [^#]*|strategy_path = "/etc/kalshid/strategies" |' "$HERE/config.toml" > "$ROOT/etc/kalshid/config.toml"
printf '\n[strategies.blocker]\nenabled = true\nseries = ["KXBTC15M"]\n' >> "$ROOT/etc/kalshid/config.toml"
cat > "$ROOT/etc/kalshid/strategies/blocker.py" <<'PYTHON'
"""Never comes back from a decision, once the file says so: for the test of the watchdog."""
import time
from pathlib import Path
import msgspec
from daemon.core.strategy import MarketView, Wanted

class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No knobs."""

class Blocker:
    """See the module's head."""
    name = "blocker"
    features: tuple[str, ...] = ()
    book_changed_max = 500_000_000
    def __init__(self, params: Params) -> None:
        pass
    def wants(self, view: MarketView) -> Wanted:
        """Want nothing, or hang."""
        if Path("/var/lib/kalshid/block").exists():
            Path("/var/lib/kalshid/block").unlink()
            time.sleep(120)
        return Wanted((), "blocks on demand")
PYTHON
# What the unit may not do, tried from inside it, and what it may.
cat > "$ROOT/etc/systemd/system/kalshid.service.d/probe.conf" <<'UNIT'
[Service]
ExecStartPre=/bin/sh -c 'for d in "" /etc /etc/kalshid ~ /root /home /usr /var /var/lib /run $CREDENTIALS_DIRECTORY; do for f in x config.toml kalshi-key.pem; do ( : >> $d/$f ) 2>/dev/null && echo "wrote $d/$f" >> /var/lib/kalshid/wrote; done; done; for d in /var/lib/kalshid /run/kalshid /tmp; do echo yes > $d/may || exit 1; done; cat $CREDENTIALS_DIRECTORY/kalshi-key.pem > /var/lib/kalshid/credential; stat -c %%a $CREDENTIALS_DIRECTORY/kalshi-key.pem > /var/lib/kalshid/mode'
UNIT
mkdir -p "$ROOT/opt/kalshid" "$ROOT/opt/site" "$ROOT/opt/my 100% own"
BINDS=(--bind-ro="$HERE:/opt/kalshid")
if [ -z "$SUITE" ]; then
    # The interpreter may live in somebody's home, which the unit does not see: all is mounted below /opt in there.
    mkdir -p "$ROOT/opt/python"
    BINDS+=(--bind-ro="$("$HERE/.venv/bin/python" -c 'import sys; print(sys.base_prefix)'):/opt/python"
        --bind-ro="$("$HERE/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'):/opt/site")
fi
# A launcher in a folder of a hard name: the units have to bear it.
cat > "$ROOT$RUN" <<SH
#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/kalshid:/opt/site
exec $PY -c 'import sys; sys.argv.pop(0); from daemon.cli import main; main()' "\$0" "\$@"
SH
chmod 755 "$ROOT$RUN"

at=$(seconds)
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid systemd-nspawn -q -D "$ROOT" --boot --register=no --keep-unit --private-network \
    "${BINDS[@]}" --resolv-conf=off --machine=kalshid-test --link-journal=no --console=pipe < /dev/null > "$BOX/log" 2>&1 &
NSPAWN=$!
# The first child only makes the second, which is PID 1 in there.
is_up() { LEADER=$(pgrep -P "$NSPAWN" | tail -1); [ -n "$LEADER" ] && inside systemctl list-units; }
until_true 60 is_up || { echo "BROKEN no systemd: $(tail -5 "$BOX/log")"; exit 1; }
until_true 60 inside systemctl is-system-running --wait
echo "      $(inside systemctl --version | head -1), $(inside env LD_LIBRARY_PATH=/opt/python/lib "$PY" -V), booted in $(since "$at")"

# --- installed as a person does it -----------------------------------------------------------------------------------
inside "$RUN" install --systemd > "$BOX/installed"; kept $? "installed: $(grep -c ^/ "$BOX/installed") units"
inside sh -c "$(sed -n 's/^now: \(.*daemon-reload\).*/\1/p' "$BOX/installed")" 2>/dev/null; kept $? "what it says to type: a group, daemon-reload"
inside useradd -G kalshid-ops member; inside useradd stranger
inside sh -c 'systemd-analyze verify --man=no /etc/systemd/system/kalshid*.service && systemd-analyze security --offline=true --threshold=12 --no-pager /etc/systemd/system/kalshid.service > /dev/null'
kept $? "verified, $(inside systemd-analyze security --no-pager kalshid.service | grep -o 'exposure level.*[0-9]')"

# --- what is promised ------------------------------------------------------------------------------------------------
at=$(seconds); inside systemctl start kalshid.service; kept $? "start to READY: $(since "$at")"
is ActiveState active || exit 1
until_true 60 trades 0; kept $? "and trading: $(since "$at"): $(property StatusText)"
[ "$(inside cat /var/lib/kalshid/credential)" = "a key" ]; kept $? "the credential is readable inside, mode $(inside cat /var/lib/kalshid/mode)"
inside test -e /var/lib/kalshid/may -a ! -e /var/lib/kalshid/wrote; kept $? "nothing is writable but its own folders: /etc, /usr, /run, homes, its configuration and its credential refused"
until_true 10 inside sh -c 'journalctl KALSHID_EVENT=run.started -o json --no-pager | grep -q KALSHID_MODE'; kept $? "its log has fields: journalctl KALSHID_EVENT=run.started"

at=$(seconds); inside systemctl reload kalshid.service; kept $? "reload, good, as $(property Type): $(since "$at")"
inside cp /etc/kalshid/config.toml /etc/kalshid/good.toml; inside sed -i 's/^edge_min = 0.02/edge_min = 0.03/' /etc/kalshid/config.toml
inside systemctl reload kalshid.service && [ "$(reloads KALSHID_OUTCOME=applied)" = 1 ]; kept $? "reload, another edge: applied once, asked for $(reloads) times in these two"
inside sed -i 's/^edge_min = 0.03/edge_min = "much"/' /etc/kalshid/config.toml
at=$(seconds); inside systemctl reload kalshid.service 2>/dev/null; code=$?
[ $code != 0 ] && is ActiveState active; kept $? "reload, bad: exit $code in $(since "$at"), still $(property ActiveState)/$(property SubState)"
inside cp /etc/kalshid/good.toml /etc/kalshid/config.toml; inside sed -i 's/^id_prefix = "kd"/id_prefix = "ke"/' /etc/kalshid/config.toml
inside systemctl reload kalshid.service 2>/dev/null; code=$?
[ $code != 0 ] && is ActiveState active; kept $? "reload, what needs a restart: exit $code"
inside cp /etc/kalshid/good.toml /etc/kalshid/config.toml
inside systemctl reload kalshid.service; kept $? "reload, good again"
pid=$(property MainPID); before=$(reloads); inside systemctl kill -s HUP --kill-whom=main kalshid.service
until_true 10 heard "$before" && trades 0 && is MainPID "$pid"; kept $? "a bare SIGHUP: heard, and still $(property SubState)"

told=$(as member "$RUN" status --config /etc/kalshid/config.toml 2>&1); kept $? "a member of kalshid-ops asks: $(head -1 <<< "$told")"
grep -q 'process [0-9]' <<< "$told"; kept $? "and the daemon tells him"
as member "$RUN" halt --config /etc/kalshid/config.toml "a member's" > /dev/null && as member "$RUN" resume --config /etc/kalshid/config.toml --reason mended > /dev/null
kept $? "he may halt and resume"; until_true 30 trades 0
said KALSHID_EVENT=control.called "\"KALSHID_UID\":\"$(inside id -u member)\""; kept $? "and the log names him, user $(inside id -u member)"
told=$(as stranger "$RUN" status --config /etc/kalshid/config.toml 2>&1); code=$?
[ $code = 69 ] && grep -q "you may not connect to /run/kalshid/control.sock" <<< "$told"; kept $? "a stranger may not, exit $code: $(grep 'may not' <<< "$told" | head -1)"

old=$(property MainPID); at=$(seconds); inside systemctl kill -s KILL --kill-whom=main kalshid.service
until_true 90 trades "$old"; kept $? "kill -9 to trading again: $(since "$at")"

old=$(property MainPID); at=$(seconds); inside touch /var/lib/kalshid/block; inside chmod 666 /var/lib/kalshid/block
until_true 90 trades "$old"; kept $? "a loop that hangs, to trading again: $(since "$at")"
inside journalctl -u kalshid.service --no-pager | grep -q "in wants"; kept $? "and the journal says where it hung"

old=$(property MainPID); at=$(seconds); inside systemctl kill -s STOP --kill-whom=main kalshid.service
until_true 90 trades "$old"; kept $? "SIGSTOP to trading again: $(since "$at")"

at=$(seconds); inside systemctl stop kalshid.service; is Result success; kept $? "stop, all canceled and confirmed: $(since "$at")"
told=$(as member "$RUN" status --config /etc/kalshid/config.toml 2>&1); code=$?
[ $code = 69 ] && grep -q "no daemon listens on /run/kalshid/control.sock" <<< "$told"; kept $? "then a member is told that no daemon listens, exit $code"
inside systemctl start kalshid-backup.service; kept $? "a backup: $(inside sh -c 'ls /var/lib/kalshid-backup')"

inside sed -i 's/^edge_min = 0.02/edge_min = "much"/' /etc/kalshid/config.toml
at=$(seconds); inside systemctl start kalshid.service 2>/dev/null; sleep 3; is ActiveState failed && is NRestarts 0
kept $? "a bad configuration at the start: failed, $(property NRestarts) restarts"
until_true 10 inside sh -c 'journalctl -t kalshid-alert --no-pager | grep -q "kalshid.service failed"'; kept $? "and somebody is alerted"
[ "$FAILED" = 0 ] && echo "all kept"
exit "$FAILED"
