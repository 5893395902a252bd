"""How the engine's tests draw examples."""

from hypothesis import settings

# A busy machine makes an example slow now and then; that is no fault of the code, and the test's own timeout stays.
settings.register_profile("engine", deadline=None)
settings.load_profile("engine")
