"""The embedded parts: PostgreSQL and Valkey from wheels, and the supervisor that runs them with the service's own parts."""
