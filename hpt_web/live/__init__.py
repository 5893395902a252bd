"""The live edge: a WebSocket per open job page that carries the job's events since a cursor.

    routing -> consumer -> feed -> store
                        -> access
            -> origin

`store` reads events, `feed` reads each job's new events once for all sockets of this process, `consumer` sends them to
one client at its own pace, `access` decides who may listen, `origin` which web pages may connect at all.

The protocol, at /ws/v1/projects/{project}/jobs/{job}?since=<cursor> (without `since`: only what is yet to come). The
server sends JSON texts:

    {"type": "events", "events": [{"seq", "at", "kind", "data"}, ...], "cursor": n}   in order, without a gap
    {"type": "resync", "cursor": n}    too much was missed: reload the snapshot; events after n follow
    {"type": "pong"}                   to a {"type": "ping"}

and closes with 4400 (`since` is no cursor), 4401 (not signed in), 4404 (no such job for you), 4408 (access ended).
"""
