#!/bin/sh
# Prints ../base/secrets.example.yaml with every password and key made at random.
set -eu
text=$(cat "$(dirname "$0")/../base/secrets.example.yaml")
for name in postgres vendor training bazaar notify; do
    text=$(printf '%s\n' "$text" | sed \
        -e "s|<password of $name>|$(openssl rand -hex 24)|g" \
        -e "s|<key of $name>|$(openssl rand -base64 32)|g")
done
printf '%s\n' "$text"
