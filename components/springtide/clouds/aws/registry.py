"""Where images lie: the account's own Elastic Container Registry."""

import json

import pulumi
import pulumi_aws as aws

from springtide.clouds.bootstrap import Login, RegistryParts
from springtide.component import after, child_of
from springtide.environment import EnvironmentRef
from springtide.registry import RegistrySpec


def registry(account: str, region: str) -> str:
    """Host of an account's registry in a region."""
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def registry_login(region: str) -> Login:
    """How to log in: with a password that the AWS CLI prints and that is good for twelve hours."""
    return Login(user="AWS", command=("aws", "ecr", "get-login-password", "--region", region))


def image_registry(name: str, spec: RegistrySpec, place: EnvironmentRef, parent: pulumi.Resource) -> RegistryParts:
    """One ECR repository for each image: a registry is there in every account and region already."""
    del name  # repositories are called as their images are
    return RegistryParts(
        host=registry(place["account"], place["region"]),
        resources=[_repository(image, spec, place, parent) for image in spec.images],
    )


def _repository(image: str, spec: RegistrySpec, place: EnvironmentRef, parent: pulumi.Resource) -> pulumi.Output[str]:
    """A repository; its ARN for whoever is made after it."""
    made = aws.ecr.Repository(
        image,
        name=image,
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration={"scan_on_push": True},
        encryption_configurations=[{"encryption_type": "AES256"}],
        opts=child_of(parent),
    )
    tidied = aws.ecr.LifecyclePolicy(
        image, repository=made.name, policy=_untagged_expire(spec.untagged_days), opts=child_of(parent)
    )
    return after(f"arn:aws:ecr:{place['region']}:{place['account']}:repository/{image}", made, tidied)


def _untagged_expire(days: int) -> str:
    """What carries a tag stays: environments name it by digest, and a digest is alive as long as its tag."""
    rule = {
        "rulePriority": 1,
        "description": f"untagged images go after {days} days",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
