from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_external_algorithms")]

    operations = [
        migrations.AddField("algorithm", "network", models.CharField(blank=True, default="", max_length=128)),
        migrations.AddField("algorithmversion", "runs_in", models.CharField(blank=True, default="", max_length=16)),
        migrations.AddField("algorithmversion", "base_image", models.CharField(blank=True, default="", max_length=512)),
    ]
