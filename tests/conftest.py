"""For all tests: no generated case fails because the machine was busy."""

from hypothesis import settings

settings.register_profile("mtfleet", deadline=None)
settings.load_profile("mtfleet")
