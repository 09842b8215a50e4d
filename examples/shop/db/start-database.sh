#!/bin/sh
# Starts PostgreSQL, and sets up an empty data directory first.
set -eu
: "${POSTGRES_DB:=postgres}" "${POSTGRES_USER:=postgres}" "${POSTGRES_PASSWORD:?is needed}"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown -R postgres:postgres "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    # The server refuses to run as root.
    exec busybox setuidgid postgres "$0" "$@"
fi

# A set-up that was cut short leaves no marker, and starts over.
if [ ! -e "$PGDATA/complete" ]; then
    find "$PGDATA" -mindepth 1 -delete
    password=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
    initdb --username="$POSTGRES_USER" --pwfile="$password" --auth=scram-sha-256 --encoding=UTF8 --no-locale
    rm "$password"
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    if [ "$POSTGRES_DB" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -j postgres
    fi
    touch "$PGDATA/complete"
fi

exec postgres -c listen_addresses='*' "$@"
