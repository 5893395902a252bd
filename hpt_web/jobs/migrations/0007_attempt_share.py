"""The part of each device that an attempt holds: of GPUs that are shared, of their memory."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_usage_samples")]

    operations = [migrations.AddField("attempt", "share", models.FloatField(default=1.0))]
