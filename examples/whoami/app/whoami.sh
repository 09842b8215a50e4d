#!/bin/sh
# Answers each request with the name and the addresses of its container.
printf 'Content-Type: text/plain\r\n\r\n'
printf 'container: %s\n' "$(hostname)"
printf 'addresses: %s\n' "$(hostname -i 2>/dev/null)"
printf 'you are:   %s\n' "$REMOTE_ADDR"
