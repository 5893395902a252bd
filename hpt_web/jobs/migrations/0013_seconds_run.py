"""For how long trials ran, without the time between their attempts."""

from django.db import migrations, models

FROM_ATTEMPTS = """
    UPDATE jobs_trial SET ran_seconds = ran.seconds
    FROM (
        SELECT trial_id, sum(GREATEST(0, EXTRACT(EPOCH FROM ended_at - started_at))) AS seconds
        FROM jobs_attempt WHERE ended_at IS NOT NULL AND started_at IS NOT NULL GROUP BY trial_id
    ) ran
    WHERE ran.trial_id = jobs_trial.id
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_superseded_points")]

    operations = [
        migrations.AddField("trial", "ran_seconds", models.FloatField(default=0.0, db_default=0.0)),
        migrations.RunSQL(FROM_ATTEMPTS, migrations.RunSQL.noop),
    ]
