#!/bin/sh
# Makes this machine a host of a Lariat server. Running it again changes nothing but the agent's program and token.
set -eu

server=@BASE@
token=@TOKEN@
authority=@AUTHORITY@
version=@VERSION@
seen_address=@CLIENT@
folder=/var/lib/lariat
program=/usr/local/bin/lariat
unit=/etc/systemd/system/lariat-agent.service

say() { printf 'lariat: %s\n' "$*"; }
fail() { printf 'lariat: error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'lariat: hint: %s\n' "$2" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "this script must run as root" "put sudo before sh, as the command on the server shows"
[ "$(uname -s)" = Linux ] || fail "this machine does not run Linux"
case "$(uname -m)" in
    x86_64 | amd64) architecture=x86_64 ;;
    aarch64 | arm64) architecture=aarch64 ;;
    *) fail "there is no agent for the architecture $(uname -m)" ;;
esac

command -v docker >/dev/null 2>&1 || [ -S /var/run/docker.sock ] ||
    fail "the Docker engine is not installed" "on Debian and Ubuntu: apt-get install docker.io"
[ -S "${DOCKER_SOCKET:-/var/run/docker.sock}" ] ||
    fail "the Docker engine does not listen on ${DOCKER_SOCKET:-/var/run/docker.sock}" "start it: systemctl start docker"

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --connect-timeout 15 --retry 3 @CURL@ -o "$2" "$1"
    elif [ @WGET@ = yes ] && command -v wget >/dev/null 2>&1; then
        wget -q -T 15 -O "$2" "$1"
    else
        fail "curl is needed to fetch the agent" "on Debian and Ubuntu: apt-get install curl"
    fi
}

mkdir -p "$folder" "$(dirname "$program")"
chmod 700 "$folder"
say "fetching the agent $version from $server"
fetch "$server/v1/scripts/agent/$architecture" "$program.new" ||
    fail "the agent could not be fetched from $server" "check that this machine reaches the server at that address"
chmod 755 "$program.new"
"$program.new" --version >/dev/null 2>&1 || fail "the fetched agent does not run on this machine"
changed=yes
if [ -x "$program" ] && cmp -s "$program.new" "$program"; then
    rm -f "$program.new"
    changed=no
else
    mv -f "$program.new" "$program"
fi

umask 077
printf '%s\n' "$token" >"$folder/registration-token.new"
if ! cmp -s "$folder/registration-token.new" "$folder/registration-token" 2>/dev/null; then changed=yes; fi
mv -f "$folder/registration-token.new" "$folder/registration-token"
umask 022

set -- agent --server "$server" --token-file "$folder/registration-token" --data-dir "$folder" @PIN@
if [ -n "$authority" ]; then
    printf '%s\n' "$authority" >"$folder/authority.pem.new"
    if ! cmp -s "$folder/authority.pem.new" "$folder/authority.pem" 2>/dev/null; then changed=yes; fi
    mv -f "$folder/authority.pem.new" "$folder/authority.pem"
    set -- "$@" --ca-file "$folder/authority.pem"
fi
[ -z "${LARIAT_LABELS:-}" ] || set -- "$@" --labels "$LARIAT_LABELS"
[ -z "${LARIAT_ADDRESS:-}" ] || set -- "$@" --address "$LARIAT_ADDRESS"
[ -z "${DOCKER_SOCKET:-}" ] || set -- "$@" --docker "unix://$DOCKER_SOCKET"

if [ -d /run/systemd/system ]; then
    line="$program"
    for word in "$@"; do line="$line \"$word\""; done
    cat >"$unit.new" <<UNIT
[Unit]
Description=Lariat agent
Wants=network-online.target
After=network-online.target docker.service

[Service]
ExecStart=$line
Restart=always
RestartSec=2
KillMode=process

[Install]
WantedBy=multi-user.target
UNIT
    if ! cmp -s "$unit.new" "$unit" 2>/dev/null; then changed=yes; fi
    mv -f "$unit.new" "$unit"
    systemctl daemon-reload
    systemctl enable lariat-agent.service >/dev/null 2>&1
    if [ "$changed" = yes ]; then
        systemctl restart lariat-agent.service
    else
        systemctl start lariat-agent.service
    fi
    say "the agent runs as lariat-agent.service; its log: journalctl -u lariat-agent"
else
    if [ -f "$folder/agent.pid" ] && kill -0 "$(cat "$folder/agent.pid")" 2>/dev/null; then
        if [ "$changed" = no ]; then
            say "the agent runs already"
            exit 0
        fi
        kill "$(cat "$folder/agent.pid")"
        tries=0
        while kill -0 "$(cat "$folder/agent.pid")" 2>/dev/null; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || fail "the running agent does not stop"
            sleep 0.1
        done
    fi
    nohup "$program" "$@" >>"$folder/agent.log" 2>&1 </dev/null &
    echo $! >"$folder/agent.pid"
    say "there is no systemd here: the agent runs in the background until the next boot; its log: $folder/agent.log"
fi
say "this machine (seen as $seen_address) joins $server; it appears there within seconds"
