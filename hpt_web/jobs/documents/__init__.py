"""A job's document held against its project: what it names must exist, fit together and be allowed."""
