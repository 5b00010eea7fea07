"""Replays a request trace on the autoscaler objects of a plan: what a service would cost, and how long requests would wait.

Only the plan crosses into this package: it imports no component and no cloud.
"""
