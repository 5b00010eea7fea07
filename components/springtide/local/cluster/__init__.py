"""Objects on an API server: tried, applied in order, compared, waited for, taken away. Any server, ours or the user's."""
