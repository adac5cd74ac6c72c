#!/bin/sh
# Makes a login role and a database of its own for each service, and lets no role into another's. May be repeated:
# what is there stays, passwords are set anew. Connects as PG* say; passwords come as <SERVICE>_DATABASE_PASSWORD.
set -eu

for service in vendor training bazaar notify; do
    variable=$(printf '%s_DATABASE_PASSWORD' "$service" | tr '[:lower:]' '[:upper:]')
    eval "PASSWORD=\${$variable:-}"
    case $PASSWORD in
        '' | *[!A-Za-z0-9]*)
            echo "$variable must be letters and digits, such as openssl rand -hex 24 gives" >&2
            exit 2
            ;;
    esac
    export PASSWORD
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set service="$service" --dbname postgres <<'SQL'
\getenv password PASSWORD
SELECT format('CREATE ROLE %I', :'service')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
    echo "database $service: ready"
done
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname postgres \
    --command 'REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC'
