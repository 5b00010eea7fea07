"""What works and is not as good as it could be: told, and not refused."""

from springtide import relations, room, selection
from springtide.sections import EnvironmentFile, JobSection
from springtide.spec import Finding, below, warn


def advice(file: EnvironmentFile) -> list[Finding]:
    """What to tell about an environment in which nothing is impossible."""
    elsewhere = [
        found for name, job in file.jobs.items() for found in below(f"/jobs/{name}", _data_elsewhere(file, job))
    ]
    return [*elsewhere, *room.warnings(file)]


def _data_elsewhere(file: EnvironmentFile, job: JobSection) -> list[Finding]:
    """Data on Lustre, which lies in the first zone of its environment, for a pool that has no machine there.

    Both clouds mount it from every zone of the region (AWS' and Google's guides on where Lustre lies), with more delay.
    What a byte between zones costs is in no catalog of ours, so no figure is said.
    """
    if job.data is None or file.storage[job.data].kind != "lustre":
        return []
    lies_in, pool = relations.zone_ids(file)[0], file.pools[job.pool]
    zones = selection.choose(pool, file.machines, file.region, relations.zone_ids(file)).zones
    if lies_in in zones:
        return []
    message = (
        f"Lustre file system {job.data} lies in {lies_in}, the first of zones, and pool {job.pool} in {', '.join(zones)}: "
        "what it reads crosses zones, which takes longer and is paid for by the GB."
    )
    fix = f"write the pool's zone first under zones, or a pool with machines in {lies_in}"
    return [warn("storage/other-zone", "/data", job.data, message, fix)]
