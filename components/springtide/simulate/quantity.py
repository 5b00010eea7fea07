"""Numbers as Kubernetes writes them: 8, "0.05", "100m", "2k"."""

_FACTORS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def number(value: object) -> float:
    """The number that a quantity stands for.

    Raises:
        ValueError: it is no quantity.
    """
    text = str(value)
    head = text.rstrip("".join(sorted({sign for factor in _FACTORS for sign in factor})))
    suffix = text[len(head) :]
    if suffix and suffix not in _FACTORS:
        raise ValueError(f"{text!r} is no quantity of Kubernetes")
    return float(head) * _FACTORS.get(suffix, 1.0)


def milli(value: object) -> int:
    """The number in thousandths, in which the autoscaler computes."""
    return round(number(value) * 1000)


def seconds(duration: str) -> float | None:
    """The seconds of a Go duration of one unit, such as 10m; None for `Never` and what is no duration."""
    unit = _UNITS.get(duration[-1:])
    digits = duration[:-1]
    return float(digits) * unit if unit is not None and digits.replace(".", "", 1).isdigit() else None
