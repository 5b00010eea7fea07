"""Kubernetes objects as data: pure functions that return what the API server would read. No Pulumi here.

Keys are Kubernetes' own. A value may also be a Pulumi output: these functions only put it in its place. Each function
returns the parts of an object that a typed resource class takes: `metadata`, `spec`, and so on.
"""

from typing import Any

Manifest = dict[str, Any]
