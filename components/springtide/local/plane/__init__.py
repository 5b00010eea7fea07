"""A control plane as processes of this machine: everything on loopback, logs in files, one state file."""
