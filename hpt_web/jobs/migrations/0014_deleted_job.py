"""Which job a row of the ledger was of, when the job is no more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_seconds_run")]

    operations = [migrations.AddField("usageentry", "deleted_job", models.BigIntegerField(null=True))]
