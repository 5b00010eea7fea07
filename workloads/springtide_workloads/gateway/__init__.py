"""A gateway that holds requests while their service has no replica: `python -m springtide_workloads.gateway`.

A service that sleeps at zero has nobody to answer its next request. The gateway takes the request, counts it, and hands it
on once there is a replica; the count is what wakes the service, and it is there while no replica is. Requests leave in the
order they came, each to the replica with the fewest in flight. One is sent twice only where no replica took it, or where it
says that it may be computed twice. Of a service with arms (an A/B test), one asker's requests all go to one arm.

`__main__` reads the contract, `server` owns the sockets and the way out, `proxy` hands one request on, `arms` says to which
arm, `line` is the order in which requests get a replica, `budget` bounds what is held, `backends` says where replicas are, and
`slices` and `access` ask Kubernetes. Requests and answers are HTTP/1.1; an `Upgrade` is not passed on, so there are no
WebSockets.
"""
