"""Models: each is a frozen configuration that builds a module."""
