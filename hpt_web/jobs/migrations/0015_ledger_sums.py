"""The sums of the ledger as of a while ago, so that nobody need read all of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_deleted_job")]

    operations = [
        migrations.CreateModel(
            "LedgerSums",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("last_entry", models.BigIntegerField(default=0)),
                ("sums", models.JSONField(default=list)),
            ],
        )
    ]
