"""What nobody can do better than without letting anybody wait."""

from springtide.simulate.trace import Trace


def served_at_once(trace: Trace, slots: int) -> float:
    """Replica seconds of a scaler that knows the future, has replicas in no time, and lets no request wait.

    At each moment it has the fewest replicas whose slots hold the requests in flight. One that lets requests wait may need
    less.
    """
    ends = sorted(map(float.__add__, trace.arrivals, trace.services))
    total, last, flying, done = 0.0, 0.0, 0, 0
    for come, arrival in enumerate(trace.arrivals):
        while done < come and ends[done] <= arrival:
            total += -(-flying // slots) * (ends[done] - last)
            last, flying, done = ends[done], flying - 1, done + 1
        total += -(-flying // slots) * (arrival - last)
        last, flying = arrival, flying + 1
    for end in ends[done:]:
        total += -(-flying // slots) * (end - last)
        last, flying = end, flying - 1
    return total
