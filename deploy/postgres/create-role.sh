#!/usr/bin/env bash
# Run once by the database image, as its superuser: the role and the database of Homeward, which is no superuser, and the roles of
# its users (docs/access.md), as `homeward migrate --roles-sql` prints them.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --set password="$HOMEWARD_DATABASE_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE homeward LOGIN CREATEDB PASSWORD :'password';
CREATE ROLE homeward_duty_officer NOLOGIN;
CREATE ROLE homeward_social_worker NOLOGIN;
CREATE ROLE homeward_service_provider NOLOGIN;
CREATE ROLE homeward_analyst NOLOGIN;
CREATE ROLE homeward_supervisor NOLOGIN;
CREATE ROLE homeward_auditor NOLOGIN;
CREATE ROLE homeward_administrator NOLOGIN;
GRANT homeward_duty_officer, homeward_social_worker, homeward_service_provider, homeward_analyst, homeward_supervisor,
    homeward_auditor, homeward_administrator TO homeward;
CREATE DATABASE homeward OWNER homeward;
SQL
