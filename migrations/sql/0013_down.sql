DROP TRIGGER tenants_have_schedules ON tenants;
DROP SCHEMA queue CASCADE;
DROP TABLE jobs;
