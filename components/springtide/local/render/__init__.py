"""From a plan to the objects that this machine is given, with a list of all that is not as in the cloud. Pure."""
