"""The way of a trial: one step of its job, launched, followed, ended, and compared with what really runs."""
