"""A program that exports what it was told: its configuration as it got it, and who it is."""

from pathlib import Path

import pulumi
from pulumi.runtime import config

for key, text in config.CONFIG.get().items():
    pulumi.export(key, text)
pulumi.export("project", pulumi.get_project())
pulumi.export("stack", pulumi.get_stack())
pulumi.export("organization", pulumi.get_organization())
pulumi.export("works_in_its_own_folder", Path.cwd().samefile(Path(__file__).parent))
pulumi.export("name", __name__)
