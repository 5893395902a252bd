"""The table of faults: who, what, at which step, and the invariants that must hold. One entry for each row."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hpt_web.crash import Step
from tests.chaos import disks, faults, giving_way, kept, lasting, stages, wardens
from tests.chaos.bounds import Bounds
from tests.chaos.evidence import Evidence
from tests.chaos.faults import kill_at, signal_to
from tests.chaos.lasting import Lasting, lasts
from tests.chaos.scene import Fault
from tests.chaos.stages import Opening, Stage
from tests.chaos.work import Work

USUAL = "I1 I2 I3 I4 I5 I6 I7 I8"
BOUNDED = f"{USUAL} I11"
COMPLETED = frozenset({"Completed"})
SOME_FAIL = frozenset({"Completed", "Failed"})


def as_said(_: Evidence) -> Iterator[str]:
    """Nothing beyond the invariants."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `ends` are the states in which trials may end; `says` stands in the reason of one of them at least;
    `proves` tells what else is broken."""

    name: str
    who: str
    what: str
    step: str
    invariants: str
    fault: Fault
    stage: Opening = stages.standing
    work: Work = field(default_factory=Work)
    ends: frozenset[str] = COMPLETED
    says: str = ""
    bounds: Bounds = field(default_factory=Bounds)  # of a project of its own
    rival: Work | None = None  # another job of that project
    kills: int = 0  # of trials, that its fault does not count by itself
    pages: int = 3
    beside: Callable[[Stage], str] | None = None  # starts another web process first; its address
    own: bool = False  # only on a service of our own
    proves: Callable[[Evidence], Iterator[str]] = as_said

    @property
    def checks(self) -> list[str]:
        return self.invariants.split()


KILL, TERM = signal.SIGKILL, signal.SIGTERM
LONG = Work(lines=40, pause=0.2)
FOUR = Work(parallel=4)
SHARES = Work(parallel=4, gpus=1, share=0.3)
WHOLE = Work(trials=6, parallel=3, gpus=1)
SAVES = Work(trials=6, parallel=3, lines=12, pause=0.5, mode="saves")
MANY = Work(trials=18, parallel=3, lines=8)
SOAK = Work(trials=50, parallel=4, lines=12, pause=0.5, mode="saves", gpus=1, share=0.4)
DOCKED = Work(trials=3, parallel=2, lines=30, pause=0.3, contained=True)
CRASHES: dict[str, tuple[Step, str]] = {
    "R4": ("message.received", "worker"),
    "R5": ("child.spawned", "worker"),
    "R6": ("child.exited", "follower"),
    "R7": ("result.committed", "follower"),
    "R11": ("trial.suggested", "worker"),
    "R12": ("trial.row_committed", "worker"),
    "R13": ("message.enqueued", "follower"),
    "R31": ("trial.row_written", "worker"),
    "R32": ("result.written", "follower"),
    "R33": ("lease.taken", "follower"),
    "R34": ("message.processed", "worker"),
}
STEPS = {name: kill_at(step, part) for name, (step, part) in CRASHES.items()}
RANDOM = [
    *(faults.arm(step, part) for step, part in CRASHES.values()),
    *(faults.strike(part, KILL) for part in ("worker", "follower", "web", "postgres", "valkey")),
    *(faults.strike(part, TERM) for part in ("worker", "follower", "web")),
    faults.forget_queue,
    faults.cut_connections,
    *(wardens.strike_warden for _ in range(4)),  # trials die more often than what stands over them
    wardens.strike_nursery,
    *(2 * [faults.strike_trial, faults.stop_some_trial]),
]
LASTING: dict[str, Lasting] = {
    **{f"{part} stands still": lasting.still(part) for part in ("worker", "follower", "web")},
    "the queue is paused": lasting.of_own("Valkey", lasting.paused_queue),
    "the queue is full": lasting.of_own("Valkey", lasting.full_queue),
}

ROWS = [
    Row("R0", "nobody", "nothing: the time without a fault", "-", f"{USUAL} I9 I10", faults.nothing),
    Row(
        *("R1", "a trial's script", "SIGKILL", "metric.line", "I1 I2 I3 I5 I6 I8 I10", faults.kill_trial),
        ends=SOME_FAIL,
        says="killed by signal SIGKILL",
    ),
    Row(
        *("R2", "two trials", "more memory than they may have", "metric.line", "I1 I3 I4 I5 I6 I8 I10"),
        *(faults.nothing,),
        work=Work(mode="hog", memory_mb=128),
        ends=SOME_FAIL,
        says="more memory than its resources allow",
    ),
    Row(
        *("R3", "what a trial forked (setsid)", "a person stops the trial", "metric.line", "I1 I2 I3 I4 I5 I6 I10"),
        *(faults.stop_trials,),
        work=Work(mode="daemons"),
        ends=COMPLETED | {"Stopped"},
    ),
    Row(
        *("R4", "worker process", "SIGKILL", "message.received", BOUNDED, STEPS["R4"]),
        work=FOUR,
        bounds=Bounds(running=3),
    ),
    Row(
        *("R5", "worker process", "SIGKILL", "child.spawned", BOUNDED, STEPS["R5"]),
        work=FOUR,
        bounds=Bounds(slots=3),
    ),
    Row("R6", "follower", "SIGKILL", "child.exited, not written", USUAL, STEPS["R6"]),
    Row("R7", "follower", "SIGKILL", "result.committed, nobody nudged", USUAL, STEPS["R7"]),
    Row("R8", "worker's master", "SIGKILL", "metric.line", USUAL, signal_to("worker", KILL)),
    Row(
        *("R9", "follower", "SIGSTOP for 40 s; another one takes over; SIGCONT", "metric.line", USUAL),
        *(lasting.sleeping_follower(40),),
        work=Work(trials=12, parallel=3, lines=60, pause=0.2),
    ),
    Row(
        *("R47", "worker", "SIGSTOP for 40 s; another one takes over; SIGCONT", "trial.row_written", USUAL),
        *(lasting.sleeping_worker(40),),
        work=Work(trials=12, parallel=3, lines=60, pause=0.2),
    ),
    Row("R10", "worker, follower", "SIGTERM (deploy)", "metric.line", USUAL, signal_to("worker", TERM, "follower")),
    Row("R11", "worker process", "SIGKILL", "trial.suggested, not written", USUAL, STEPS["R11"]),
    Row(
        *("R12", "worker process", "SIGKILL", "trial.row_committed, not launched", BOUNDED, STEPS["R12"]),
        work=SHARES,
        bounds=Bounds(limit=1),
    ),
    Row("R13", "whoever nudges", "SIGKILL", "message.enqueued", USUAL, STEPS["R13"]),
    Row(
        *("R14", "two workers, two followers", "SIGKILL of one", "suggest.next", BOUNDED, faults.second_scheduler),
        work=WHOLE,
        bounds=Bounds(cap=2, running=2),
        rival=WHOLE,
    ),
    Row(
        *("R15", "one of two web processes", "SIGKILL with 50 sockets", "metric.line", f"{USUAL} I9", faults.web(KILL)),
        work=LONG,
        pages=50,
        beside=faults.second_web,
    ),
    Row(
        *("R16", "both web processes in turn", "SIGTERM with 50 sockets", "rolling deploy", f"{USUAL} I9"),
        *(faults.web(TERM),),
        work=LONG,
        pages=50,
        beside=faults.second_web,
    ),
    Row("R17", "Valkey", "SHUTDOWN NOSAVE, its data lost", "metric.line", f"{USUAL} I9", faults.lose_queue),
    Row("R18", "Valkey", "CLIENT PAUSE 20 s", "any", USUAL, lasts(lasting.paused_queue, 20), work=LONG),
    Row(
        "R19",
        "Valkey",
        "its memory is full",
        "message.enqueued",
        f"{USUAL} I9",
        lasts(lasting.full_queue, 8),
        work=LONG,
    ),
    Row("R20", "PostgreSQL", "SIGKILL", "result.written, result.committed", f"{USUAL} I9", faults.kill_database),
    Row(
        *("R21", "PostgreSQL", "pg_terminate_backend of all", "metric.line", f"{USUAL} I9"),
        *(faults.later(faults.cut_connections),),
    ),
    Row(
        *("R22", "the trials' disk", "ENOSPC (tmpfs, 8 MB), then room", "metric.line", "I1 I2 I3 I4 I5 I10"),
        *(disks.fill("trials", 10),),
        stage=disks.small_trials,
        work=Work(trials=6, parallel=2, lines=30, mode="fills"),
        ends=SOME_FAIL | {"Lost"},
        says="output is missing",
        own=True,
    ),
    Row(
        *("R23", "dockerd", "SIGKILL and start, with live-restore", "metric.line", USUAL, lasting.kill_engine),
        stage=stages.containers,
        work=DOCKED,
        own=True,
    ),
    Row(
        *("R24", "two containers", "docker pause for 40 s, docker kill", "metric.line", "I1 I2 I3 I4 I5 I6 I10"),
        *(lasting.freeze_and_kill_containers(40),),
        stage=stages.containers,
        work=dataclasses.replace(DOCKED, mode="saves"),
        ends=SOME_FAIL,
        own=True,
    ),
    Row(
        *("R25", "network to the database", "everything is dropped for 30 s", "metric.line", USUAL),
        *(lasts(lasting.no_network, 30),),
        stage=stages.far_database,
        work=LONG,
        own=True,
    ),
    Row(
        *("R26", "the service's clock", "jumps by -120 s, +120 s and back", "any", USUAL),
        *(lasting.jump_clock(-120, 120, 0),),
        stage=stages.odd_clock,
        work=Work(trials=15, lines=30),
        own=True,
    ),
    Row(
        *("R27", "everything", "SIGKILL of all, power-cut style", "random", BOUNDED, faults.cut_power),
        work=dataclasses.replace(SAVES, parallel=4, gpus=1, share=0.3),
        bounds=Bounds(cap=1, slots=3),
        own=True,
    ),
    Row(
        *("R28", "random", "one of many faults every 5 s, some last", "random", BOUNDED),
        *(lasting.soak(5, RANDOM, LASTING),),
        work=SOAK,
        bounds=Bounds(running=3),
        ends=SOME_FAIL | {"Stopped"},
    ),
    Row(
        *("R29", "two trials that ignore SIGTERM", "a person stops them", "metric.line", "I1 I2 I3 I4 I5 I6 I10"),
        *(faults.stop_trials,),
        work=Work(mode="deaf", lines=60, pause=0.05),
        ends=COMPLETED | {"Stopped"},
    ),
    Row(
        *("R30", "two containers that ignore SIGTERM", "a person stops them", "metric.line", "I1 I2 I3 I4 I5 I6 I10"),
        *(faults.stop_trials,),
        stage=stages.containers,
        work=Work(trials=3, parallel=2, lines=60, pause=0.1, mode="deaf", contained=True),
        ends=COMPLETED | {"Stopped"},
        own=True,
    ),
    Row("R31", "worker process", "SIGKILL in the middle of a commit", "trial.row_written", USUAL, STEPS["R31"]),
    Row("R32", "follower", "SIGKILL in the middle of a commit", "result.written", USUAL, STEPS["R32"]),
    Row("R33", "follower", "SIGKILL", "lease.taken", USUAL, STEPS["R33"]),
    Row("R34", "worker process", "SIGKILL", "message.processed, not acknowledged", USUAL, STEPS["R34"]),
    Row(
        *(
            "R35",
            "two trials",
            "a log of 10 million lines each",
            "metric.line",
            "I1 I2 I3 I4 I5 I6 I7 I10",
            faults.nothing,
        ),
        work=Work(mode="flood"),
    ),
    Row(
        *("R36", "two trials", "200 processes forked by each", "metric.line", USUAL, faults.nothing),
        work=Work(mode="forks"),
    ),
    Row(
        *("R37", "clock, then worker process", "off by -120 s, then SIGKILL", "trial.row_committed", USUAL),
        *(faults.in_turn(lasting.jump_clock(-120), kill_at("trial.row_committed", "worker")),),
        stage=stages.odd_clock,
        work=Work(trials=15, lines=30),
        own=True,
    ),
    Row(
        *("R38", "a spot job's trials, then who stops them", "a guarantee takes two places, SIGKILL in the middle"),
        *("stop.committed, result.written, ...", f"{USUAL} I10", giving_way.give_way),
        work=Work(trials=4, parallel=4, lines=60, pause=0.2, mode="spot"),
        own=True,
        proves=giving_way.gave_way,
    ),
    Row(
        *("R39", "who knows of kept containers", "SIGKILL to worker and follower, to a warden, to dockerd"),
        *("while containers are kept", USUAL, kept.kill_around_kept),
        stage=stages.containers,
        work=Work(trials=12, parallel=2, lines=10, pause=0.2, contained=True, keep_alive=600),
        own=True,
        proves=kept.served_more,
    ),
    Row(
        *(
            "R40",
            "wardens of three running trials",
            "SIGKILL, one after the other",
            "a checkpoint lags",
            f"{USUAL} I10",
        ),
        *(wardens.kill_wardens,),
        work=SAVES,
        proves=wardens.went_on_from_checkpoints,
    ),
    Row(
        *("R41", "wardens of all running trials", "SIGKILL at once", "a checkpoint lags", f"{USUAL} I10"),
        *(wardens.kill_all_wardens,),
        work=dataclasses.replace(SAVES, mode="names"),
        proves=wardens.went_on_from_checkpoints,
    ),
    Row("R42", "the nursery of wardens", "SIGKILL, three times", "metric.line", USUAL, wardens.kill_nursery, work=MANY),
    Row(
        *("R43", "three wardens whose trials have ended", "SIGKILL", "they may get the next attempt", USUAL),
        *(wardens.kill_handed_on,),
        work=MANY,
    ),
    Row(
        *("R44", "the checkpoints' disk", "ENOSPC (tmpfs, 8 MB), then room", "metric.line", f"{USUAL} I10"),
        *(disks.fill("checkpoints", 3),),
        stage=disks.small_checkpoints,
        work=Work(mode="hoards"),
        ends=SOME_FAIL,
        says="No space left on device",
        own=True,
    ),
    Row(
        *("R46", "two containers", "more memory than they may have", "metric.line", "I1 I3 I4 I5 I6 I8 I10"),
        *(faults.nothing,),
        stage=stages.containers,
        work=Work(trials=3, parallel=2, lines=30, pause=0.2, mode="hog", contained=True),
        ends=SOME_FAIL,
        says="more memory than its resources allow",
        own=True,
    ),
    Row(
        *("R45", "PostgreSQL's disk", "ENOSPC (tmpfs), then room", "any", f"{USUAL} I9", disks.fill_database(10)),
        stage=disks.small_database,
        work=LONG,
        own=True,
    ),
]
BY_NAME = {row.name: row for row in ROWS}
SHORT = ["R4", "R5", "R6", "R7", "R12", "R15", "R17", "R20", "R38", "R40", "R27"]


def chosen(names: str) -> list[Row]:
    """The rows with these names, comma-separated; `all`, or `short` for those that run with the tests.

    Raises:
        ValueError: a name is that of no row; lists those that are.
    """
    asked = {"all": list(BY_NAME), "short": SHORT}.get(names, [name.strip() for name in names.split(",")])
    if strangers := [name for name in asked if name not in BY_NAME]:
        raise ValueError(f"ROWS={names}: {', '.join(strangers)} is no row; there are all, short, {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in asked]
