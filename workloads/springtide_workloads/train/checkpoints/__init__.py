"""Checkpoints that are whole or do not exist, in any number of files, for any number of ranks.

Each rank copies its share of the state to host memory and goes on training; a thread digests that copy, writes it to a
file whose name no other attempt uses, and when all ranks' files are on disk the main rank publishes one manifest, created
once and never rewritten. A reader believes manifests only, checks every digest, reads only the bytes that its own shards
need, and falls back to the checkpoint before when a byte is wrong. The same holds on disk and on object stores, since
neither a rename of folders nor a lock is needed.

| file | what it knows |
|---|---|
| `boxes` | blocks of tensors: where a rank's shard lies in the whole, and who writes which part of it |
| `staging` | the host buffer that is the rank's file, and copying into it |
| `manifest` | the table of contents, and its own digest |
| `reading` | verifying parts and putting them where they belong |
| `catalog` | which checkpoints there are, which is the newest, which may go |
| `retiring` | what may go, and that the last good one never does |
| `saving` | `Checkpoints`: all of it in order |
"""

from springtide_workloads.train.checkpoints.catalog import newest_published, steps
from springtide_workloads.train.checkpoints.recipe import same_recipe
from springtide_workloads.train.checkpoints.saving import Checkpoints, Pending
from springtide_workloads.train.checkpoints.staging import host_bytes

__all__ = ["Checkpoints", "Pending", "host_bytes", "newest_published", "same_recipe", "steps"]
