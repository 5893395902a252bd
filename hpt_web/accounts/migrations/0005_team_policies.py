"""What the jobs of a team have in common: allowed images and fixed settings."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_terms_of_pools")]

    operations = [
        migrations.AddField(
            "team",
            "images",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField("team", "fixed", models.JSONField(blank=True, default=dict)),
    ]
