#!/bin/sh
# Four databases, each with its owner and the login of its service, which owns nothing and is given its rights when the tables are made; nobody
# can connect to a neighbour's database. Runs once, when the volume is empty.
set -eu
for service in member points tier campaign; do
  upper=$(echo "$service" | tr '[:lower:]' '[:upper:]')
  password=$(printenv "${upper}_PASSWORD")
  app_password=$(printenv "${upper}_APP_PASSWORD")
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set=password="$password" --set=app_password="$app_password" <<SQL
CREATE ROLE ${service}_svc LOGIN PASSWORD :'password';
CREATE ROLE ${service}_app LOGIN PASSWORD :'app_password';
CREATE DATABASE ${service} OWNER ${service}_svc;
REVOKE ALL ON DATABASE ${service} FROM PUBLIC;
SQL
done
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" <<SQL
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
SQL
