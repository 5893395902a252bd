"""A job's rows as the engine takes them: history, parents, what is suggested next and when it is over."""
