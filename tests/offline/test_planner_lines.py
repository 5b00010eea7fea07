"""Where a component's refusal stands: a component knows no file, and the plan does."""

from pathlib import Path

from springtide.offline.planner import plan_environment

from .sample_project import write_project

PROGRAM = """\
from springtide.component import refused
from springtide.spec import refuse

refused(
    [
        refuse("own/max", "/max", 9, "max is too large.", "use 3 at most"),
        refuse("own/gpu", "/gpu", "L4", "there is none.", "use another"),
    ],
    "Part p",
)
"""


def test_what_a_component_refuses_has_its_line_and_an_argument_that_is_in_no_file_has_none(tmp_path: Path) -> None:
    plan = plan_environment(write_project(tmp_path, PROGRAM, dev=9), "dev")
    assert [(found.path, found.where) for found in plan.findings] == [
        ("/max", "stacks/Pulumi.dev.yaml:2"),
        ("/gpu", ""),
    ]
