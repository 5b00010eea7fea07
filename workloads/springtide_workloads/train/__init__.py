"""Training: `python -m springtide_workloads.train` is the container's first process.

`__main__` reads the contract, `agent` keeps the processes of this node going and `rendezvous` lets nodes find each
other, `worker` is one process, `loop` is the training loop. The GPU path (nccl, bfloat16) is written and has not been
run on a GPU yet; the CPU path (gloo) has.
"""
