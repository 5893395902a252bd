"""Trials as containers of a Docker Engine on this host, or of Podman's compatible socket."""

from tuning.backends.docker.backend import DockerBackend

__all__ = ["DockerBackend"]
