"""Serving: `python -m springtide_workloads.serve` is the container's first process.

`__main__` reads the contract, `server` owns the sockets and the way out, `app` speaks HTTP, `bodies` says what may be
asked, `keys` who may ask, `engine` holds the bounded queue and the one thread that computes, `model` loads an export and
continues text.
Requests are computed one after another on the CPU or one GPU (the GPU path has not been run on a GPU yet).
"""
