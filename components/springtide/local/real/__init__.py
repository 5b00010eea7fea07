"""Pods that really run here: one real node beside the simulated ones, for a machine with root, containerd and runc.

Karpenter's simulated machines come and go as they would in a cloud, and a simulated machine runs nothing. So each pod
that was bound to one has a *twin* on the machine's own kubelet: the same container with the same variables, probes and
grace, whose status becomes the pod's. Schedulers, autoscalers and controllers see nothing but pods on nodes.
"""
