"""The warden: the small process that stands over one attempt and outlives whoever launched it.

It is handed an order on stdin, detaches itself, says ``ok`` on stdout once the attempt is its own, runs the command,
and leaves ``exit.json`` behind when nothing of it runs any more.

Every trial pays for its start, so this package is imported by a bare interpreter (``-I -S``) as a package of its own
and uses built-in modules only: ``os``, ``signal``, ``json`` and ``ctypes`` would more than double its CPU time.
"""
