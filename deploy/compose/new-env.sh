#!/bin/sh
# Prints env.example with every password and key filled in at random.
set -eu
while IFS= read -r line; do
    case $line in
        POSTGRES_PASSWORD= | *_DATABASE_PASSWORD=) printf '%s%s\n' "$line" "$(openssl rand -hex 24)" ;;
        *_SECRET_KEYS=) printf "%s'{\"k1\":\"%s\"}'\n" "$line" "$(openssl rand -base64 32)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done < "$(dirname "$0")/env.example"
