#!/bin/sh
# Four databases and four roles; no role can connect to a neighbour's database. Runs once, when the volume is empty.
set -eu
for service in member points tier campaign; do
  upper=$(echo "$service" | tr '[:lower:]' '[:upper:]')
  password=$(printenv "${upper}_PASSWORD")
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set=password="$password" <<SQL
CREATE ROLE ${service}_svc LOGIN PASSWORD :'password';
CREATE DATABASE ${service} OWNER ${service}_svc;
REVOKE ALL ON DATABASE ${service} FROM PUBLIC;
SQL
done
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" <<SQL
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
SQL
