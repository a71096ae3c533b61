-- Run once, as the administrator of a PostgreSQL server of version 15 or later:
--   DAGSTER_PASSWORD=... ARTIFACT_PASSWORD=... psql -v ON_ERROR_STOP=1 -f databases.sql postgresql://postgres@host/postgres
-- Two databases, because Dagster and the catalog each number their migrations in a table of the same name. Two roles, so
-- that neither password opens the other database. Both programs create their tables themselves.
\getenv dagster_password DAGSTER_PASSWORD
\getenv artifact_password ARTIFACT_PASSWORD
CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE ROLE artifact LOGIN PASSWORD :'artifact_password';
CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE artifact_catalog OWNER artifact;
REVOKE CONNECT ON DATABASE dagster FROM PUBLIC;
REVOKE CONNECT ON DATABASE artifact_catalog FROM PUBLIC;
