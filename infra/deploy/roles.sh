#!/bin/sh
# Run once by the image of PostgreSQL, on an empty volume: the role that the application logs in as. The migrations
# give it its rights; it owns nothing and row-level security holds it.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv password APP_PASSWORD
CREATE ROLE storekeeper_app LOGIN NOINHERIT PASSWORD :'password';
SQL
