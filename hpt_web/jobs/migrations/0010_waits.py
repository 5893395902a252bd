"""How long attempts waited for their places."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_cost")]

    operations = [
        migrations.AddField("tuningjob", "asks_since", models.DateTimeField(null=True)),
        migrations.AddField("attempt", "asked_at", models.DateTimeField(null=True)),
        migrations.AddField("attempt", "free_places", models.PositiveIntegerField(db_default=0)),
        migrations.AddField("usageentry", "waited", models.FloatField(null=True)),
    ]
