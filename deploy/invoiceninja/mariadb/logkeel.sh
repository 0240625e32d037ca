# The user that logkeel samples the database as. The image reads this file once, when
# it makes the database; where there is one already type the statements yourself.
docker_process_sql <<EOSQL
CREATE USER 'logkeel'@'%' IDENTIFIED BY '${LOGKEEL_DB_PASSWORD}' WITH MAX_USER_CONNECTIONS 3;
GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO 'logkeel'@'%';
EOSQL
