import importlib
import warnings

import pytest


@pytest.fixture(scope="session", autouse=True)
def _sdk() -> None:
    """Import the SDK's modules once: generated code warns of its own deprecated types while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for module, name in (("pulumi_aws.ec2", "Vpc"), ("pulumi_aws.s3", "Bucket")):
            getattr(importlib.import_module(module), name)
