"""What people and scripts do to jobs: permission, validation and audit, each change in one place."""
