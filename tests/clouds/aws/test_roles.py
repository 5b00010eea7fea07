"""Roles of the account, and not of an environment."""

from pathlib import Path

from springtide.offline.record import record

PROGRAM = """\
import pulumi
from springtide.clouds.aws.roles import spot_role

spot_role(pulumi.ComponentResource("test:index:Account", "account"))
"""


def test_the_role_of_spot_machines_outlives_whoever_made_it(tmp_path: Path) -> None:
    """It is the whole account's, and EC2 refuses to delete it while a spot machine runs in any environment."""
    (tmp_path / "Pulumi.yaml").write_text("{name: account, runtime: python}\n", encoding="utf-8")
    (tmp_path / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    [role] = [item for item in record(tmp_path, "dev").resources if item.name == "spot"]
    assert role.type == "aws:iam/serviceLinkedRole:ServiceLinkedRole"
    assert role.inputs == {"awsServiceName": "spot.amazonaws.com"}
    assert role.options["retain_on_delete"] is True
