from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_containers")]

    operations = [
        migrations.AddField("algorithmversion", "strategies", models.JSONField(default=list)),
    ]
