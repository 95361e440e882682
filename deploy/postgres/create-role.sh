#!/usr/bin/env bash
# Run once by the database image, as its superuser: the role and the database of Homeward, which is no superuser.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --set password="$HOMEWARD_DATABASE_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE homeward LOGIN CREATEDB PASSWORD :'password';
CREATE DATABASE homeward OWNER homeward;
SQL
