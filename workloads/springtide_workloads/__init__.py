"""Programs that run inside Springtide's containers: training and serving. Nothing here knows Pulumi."""
