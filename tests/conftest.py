"""What all tests share."""

from hypothesis import settings

# the machine's speed is no property; the same examples every time
settings.register_profile("kws_exp", deadline=None, derandomize=True)
settings.load_profile("kws_exp")
