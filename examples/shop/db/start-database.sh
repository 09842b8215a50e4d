#!/bin/sh
# Starts PostgreSQL, and sets up an empty data directory first.
set -eu
: "${POSTGRES_DB:=postgres}" "${POSTGRES_USER:=postgres}" "${POSTGRES_PASSWORD:?is needed}"

volume=/var/lib/postgresql/data

if [ "$(id -u)" = 0 ]; then
    mkdir -p /run/postgresql
    chown postgres:postgres "$volume" /run/postgresql
    # The server refuses to run as root.
    exec su -p postgres -c 'exec "$0" "$@"' "$0" "$@"
fi

# The cluster gets its name when it is whole; a set-up that was cut short starts over.
if [ ! -e "$volume/cluster" ]; then
    new="$volume/unfinished"
    rm -rf "$new"
    password=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
    initdb --pgdata="$new" --username="$POSTGRES_USER" --pwfile="$password" \
        --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-instructions
    rm "$password"
    echo "host all all all scram-sha-256" >> "$new/pg_hba.conf"
    if [ "$POSTGRES_DB" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$new" -j postgres > /dev/null
    fi
    mv "$new" "$volume/cluster"
fi

exec postgres -D "$volume/cluster" -c listen_addresses='*' "$@"
