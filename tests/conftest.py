"""What holds for every test."""

import signal

from hypothesis import settings

# A shell that starts a job in the background lets it ignore Ctrl-C, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines are shared: how long an example takes says nothing of the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
