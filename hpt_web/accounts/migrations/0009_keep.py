"""Of which trials a project's jobs keep the files if they do not say so themselves."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_bounds_of_jobs")]

    operations = [
        migrations.AddField("project", "keep", models.JSONField(blank=True, null=True)),
        migrations.AddField("project", "keep_due", models.BooleanField(db_default=False)),
    ]
