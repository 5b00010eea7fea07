"""A plan on this machine: a real control plane, simulated GPU nodes, and the plan's objects applied to it.

Only the plan crosses into this package: it imports no component and no cloud.
"""
