"""What all tests share."""

import signal

from hypothesis import settings

# the machine's speed is no property; the same examples every time
settings.register_profile("kws_exp", deadline=None, derandomize=True)
settings.load_profile("kws_exp")

# a job that a script's shell runs in the background ignores Ctrl-C, and would hand that on to what the tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
