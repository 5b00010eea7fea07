"""What cannot be simulated, told to whoever asked."""


class UsageError(Exception):
    """What was asked for cannot be simulated; the message says what can."""
