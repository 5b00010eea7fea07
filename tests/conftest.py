"""What holds for every test."""

import signal

# A shell that starts a job in the background lets it ignore Ctrl-C, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
