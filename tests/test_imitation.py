"""What a local environment says of itself, held against what is built for it."""

import pytest

from springtide import imitation
from springtide.local.builds.programs import PROGRAMS


@pytest.mark.parametrize("name", ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"])
def test_the_version_of_its_cluster_is_the_one_that_is_built(name: str) -> None:
    major, minor, *_ = PROGRAMS[name].version
    assert f"{major}.{minor}" == imitation.KUBERNETES
