"""A gateway that holds requests while their service has no replica: `python -m springtide_workloads.gateway`.

A service that sleeps at zero has nobody to answer its next request. The gateway takes the request, counts it, and hands it
on once there is a replica; the count is what wakes the service, and it is there while no replica is. Requests leave in the
order they came, each to the replica with the fewest in flight. One is sent twice only where no replica took it.

`__main__` reads the contract, `server` owns the sockets and the way out, `proxy` hands one request on, `line` is the order
in which requests get a replica, `budget` bounds what is held, `backends` says where replicas are, and `slices` and `access`
ask Kubernetes. Requests and answers are HTTP/1.1; an `Upgrade` is not passed on, so there are no WebSockets.
"""
