"""Whose team a row of the ledger was, and of which priority, as of its writing; of those so far as of now."""

from django.db import migrations, models

FROM_NOW = """
    UPDATE jobs_usageentry SET team = m.name, priority = m.priority
    FROM accounts_project p JOIN accounts_team m ON m.id = p.team_id
    WHERE p.id = jobs_usageentry.project_id
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0015_ledger_sums"), ("accounts", "0009_keep")]

    operations = [
        migrations.AddField("usageentry", "team", models.CharField(max_length=63, blank=True, db_default="")),
        migrations.AddField("usageentry", "priority", models.SmallIntegerField(db_default=0)),
        migrations.RunSQL(FROM_NOW, migrations.RunSQL.noop),
    ]
