"""Where images lie: the account's own Elastic Container Registry."""


def registry(account: str, region: str) -> str:
    """Host of an account's registry in a region."""
    return f"{account}.dkr.ecr.{region}.amazonaws.com"
