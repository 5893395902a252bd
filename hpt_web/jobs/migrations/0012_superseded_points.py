"""Points that were reported after the checkpoint from which their trial went on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_images")]

    operations = [migrations.AddField("metricpoint", "superseded", models.BooleanField(db_default=False))]
