"""The warden: the small process that stands over one attempt and outlives whoever launched it.

It is forked by its launcher's nursery and handed an order, says ``ok`` once the attempt is its own, runs the command,
and leaves ``exit.json`` behind when nothing of it runs any more; then it may be handed another (``hosted``). In a
container it is the first process instead (``contained``).

Every trial pays for it, in time there and in memory here. So this package is imported by a bare interpreter
(``-I -S``) as a package of its own and uses built-in modules only: ``os``, ``signal``, ``json`` and ``ctypes`` would
more than double what its start costs.
"""
