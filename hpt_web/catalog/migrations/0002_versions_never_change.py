"""The rows of dataset and algorithm versions can be added and deleted, never changed."""

from django.db import migrations

TABLES = ("catalog_datasetversion", "catalog_algorithmversion")
FUNCTION = """
CREATE FUNCTION catalog_version_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version never changes: make a new one instead of changing % %', TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'version_never_changes';
END $$;
"""
TRIGGER = """
CREATE TRIGGER version_never_changes BEFORE UPDATE ON {table}
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION catalog_version_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION catalog_version_never_changes();"),
        *(
            migrations.RunSQL(TRIGGER.format(table=table), f"DROP TRIGGER version_never_changes ON {table};")
            for table in TABLES
        ),
    ]
