"""GCP: the data files of its catalog and the module that remakes them."""
