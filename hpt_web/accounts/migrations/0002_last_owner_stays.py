"""A project keeps at least one owner, whatever door the change comes through.

Checked at the end of the transaction, so that owners can be exchanged in one. The project's row is locked first: of two
transactions that each take away a different one of the last two owners, the second one to end sees what the first did.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION accounts_last_owner_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounts_project WHERE id = OLD.project_id FOR UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT 1 FROM accounts_membership WHERE project_id = OLD.project_id AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'project % would be left without an owner', OLD.project_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'membership_last_owner_stays';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER membership_last_owner_stays
    AFTER UPDATE OR DELETE ON accounts_membership
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'owner')
    EXECUTE FUNCTION accounts_last_owner_stays();
"""
BACKWARD = """
DROP TRIGGER membership_last_owner_stays ON accounts_membership;
DROP FUNCTION accounts_last_owner_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
