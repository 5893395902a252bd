"""What an attempt cost, at its pool's price."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_kept_container")]

    operations = [migrations.AddField("usageentry", "cost", models.FloatField(db_default=0.0))]
