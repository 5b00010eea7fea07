"""Any environment's pools and workloads on a control plane of this machine, watched, and told."""
