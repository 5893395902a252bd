"""The live edge: a WebSocket per open job page that carries the job's events since a cursor."""
