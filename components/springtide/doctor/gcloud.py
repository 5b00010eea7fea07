"""How gcloud says why it did not do something."""

import re

from springtide.tools import ABSENT, Answer

LOGIN = "gcloud auth login"
_ERROR = re.compile(r"^ERROR: (?:\([\w.-]+\) )?(?P<said>.+)$", re.MULTILINE)


def why(answer: Answer) -> str:
    """Its first complaint. Advice follows in lines of its own, so that the last one is mostly beside the point."""
    if answer.status == ABSENT:
        return "only gcloud could say, and it is not there"
    found = _ERROR.search(answer.err)
    return answer.why if found is None else found["said"].strip()


def fix(answer: Answer, otherwise: str) -> str:
    """What mends it: a login where it asks for one."""
    return LOGIN if LOGIN in answer.err else otherwise


def mute(answer: Answer) -> bool:
    """Whether it would say nothing to anything: it is not there, or nobody is logged in."""
    return answer.status == ABSENT or (not answer.good and LOGIN in answer.err)
