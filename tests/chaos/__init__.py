"""The fault suite: real jobs on a real service, real faults at random moments, and a ledger at the end.

`python -m tests.chaos --help` says how to run it; docs/chaos.md what each row proves.

rows        the table: who, which fault, at which step, and what must hold
scene       where they happen, and at which moments
faults      how each fault is done
lasting     those that last for a while, and are undone whatever ends them
interrupts  how the suite itself is ended
stages      the services that they are done to: throw-away ones, or an operator's staging system
work        the jobs that run meanwhile, and their script
watching    what is looked at while they run: slots, processes, sockets, the API
evidence    everything that is known of a row when it is over
bounds      limits of a project, caps of a team and GPUs, for rows in a project of their own
invariants  I1 to I11, checked on the evidence
ledger      the account, printed at the end
runner      one row after the other
"""
