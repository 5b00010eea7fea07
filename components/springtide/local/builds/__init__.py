"""The programs of the local control plane: found on the PATH, or built once from pinned modules."""
