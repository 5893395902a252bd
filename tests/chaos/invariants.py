"""What must hold whatever broke, each checked after the fact on the evidence of a row.

A check answers with what it found broken, in sentences with their numbers; nothing if the invariant holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tests.chaos.evidence import Evidence, as_document
from tests.chaos.watching import Reserved, Script
from tuning.states import TrialState

POLL_SECONDS = 5.0
SLACK_SECONDS = 5.0  # of a machine that is busy
ROUNDED = 0.01  # of a device: memory is counted in whole MB, and parts of 1024
READ_BYTES = 2e6  # of the logs in a second, at the least
TERMINAL = {str(state) for state in TrialState if state.terminal}

Check = Callable[[Evidence], Iterator[str]]


def one_end(e: Evidence) -> Iterator[str]:
    """I1: every trial ends in one terminal state, and none holds its place for long after its script is dead: for a
    lease, a sweep, a start of whoever was killed, and the time to read what it has printed."""
    if e.job["ended_at"] is None:
        yield f"the job is {e.job['state']}: {e.job['reason']}"
    for trial in e.trials:
        if trial["state"] not in e.expected:
            yield f"trial {trial['number']} is {trial['state']} ({trial['reason']}), not one of {sorted(e.expected)}"
    alive, reserved = {}, {}
    patience = e.lease + POLL_SECONDS + e.slower * (SLACK_SECONDS + e.start + e.log_bytes / READ_BYTES)
    for sample in e.samples:
        alive |= dict.fromkeys(sample.alive, sample.at)
        reserved |= {place.token: sample.at for place in sample.reserved or []}
    for attempt in e.attempts:
        token = attempt["token"]
        held = reserved.get(token, 0.0) - max(alive.get(token, 0.0), e.faulted)
        if token in alive and held > patience:
            yield f"attempt {token} held its place for {held:.1f} s after its script had ended"


def one_result(e: Evidence) -> Iterator[str]:
    """I2: each trial's result is recorded once, and is that of its own last attempt."""
    told = Counter(
        as_document(event["data"])["number"]
        for event in e.events
        if event["kind"] == "trial" and as_document(event["data"])["state"] in TERMINAL
    )
    used = Counter(row["attempt_id"] for row in e.usage)
    for trial in e.trials:
        if told[trial["number"]] != 1:
            yield f"the end of trial {trial['number']} was told {told[trial['number']]} times"
        values = [value for _, value in e.curve(trial["number"])]
        if values and (trial["objective"], trial["best_objective"]) != (values[-1], max(values)):
            yield f"trial {trial['number']} has the objective {trial['objective']}, its last point is {values[-1]}"
    for attempt in e.attempts:
        if used[attempt["id"]] != 1:
            yield f"attempt {attempt['token']} stands {used[attempt['id']]} times in the usage ledger"


def none_lost(e: Evidence) -> Iterator[str]:
    """I3: as many trials as were asked for, each another point."""
    numbers = [trial["number"] for trial in e.trials]
    if numbers != list(range(1, e.work.trials + 1)):
        yield f"{e.work.trials} trials were asked for, these were committed: {numbers}"
    points = Counter(str(as_document(trial["hyperparameters"])) for trial in e.trials)
    yield from (f"the point {point} was suggested {n} times" for point, n in points.items() if n > 1)
    ran = {note.trial for note in e.notes if note.word == "begins"}
    if e.notes and (strangers := ran - set(numbers)):
        yield f"trials ran that no row knows of: {sorted(strangers)}"


def no_orphan(e: Evidence) -> Iterator[str]:
    """I4: nothing runs for an attempt that is over; what outlived its watchers was attached to again."""
    yield from (f"left behind: {what}" for what in e.leftovers)


def places(e: Evidence) -> Iterator[str]:
    """I5: never more than may run, by the rows and by what really ran; no two attempts of a trial; none at rest."""
    most = e.most_reserved()
    if most > e.slots:
        yield f"{most} places were reserved at one moment, of {e.slots}"
    for pool, units in e.most_in_pools().items():
        if units > (size := e.pools[pool].devices if pool in e.pools else 0):
            yield f"{units:g} devices of the pool {pool} were reserved at one moment, of {size}"
    number = e.job["id"]
    own = max((sum(place.job == number for place in sample.reserved or []) for sample in e.samples), default=0)
    if own > e.work.parallel:
        yield f"{own} places were reserved by the job at one moment, of {e.work.parallel}"
    if e.most_alive() > e.work.parallel:
        yield f"{e.most_alive()} scripts ran at one moment, of {e.work.parallel}"
    yield from (f"two attempts ran at once: {overlap}" for overlap in e.overlaps())
    yield from (f"attempt {token} ran while no row held a place for it" for token in e.unreserved())
    runs = Counter((note.trial, note.attempt) for note in e.notes if note.word == "begins")
    yield from (f"attempt {attempt} of trial {trial} ran {n} times" for (trial, attempt), n in runs.items() if n > 1)
    yield from (f"attempt {a['token']} holds its place for ever" for a in e.attempts if a["ended_at"] is None)


class Bound(NamedTuple):
    what: str
    most: float


def within_bounds(e: Evidence) -> Iterator[str]:
    """I11: never more than the project's limits and its team's caps, by the rows and by what really ran; no GPU is
    given to more trials than its memory has room for, and each trial is shown those that its row holds."""
    reserved, really = most_held(e)
    for how, held in (("reserved", reserved), ("really taken", really)):
        for bound, amount in held.items():
            if amount > bound.most + ROUNDED:
                yield f"{amount:g} {bound.what} were {how} at one moment, of {bound.most:g}"
    row_of = _row_of(e)
    for script in {script for sample in e.samples for script in sample.scripts if script.token in row_of}:
        if (holds := row_of[script.token].devices) and set(script.devices) != set(holds):
            yield f"attempt {script.token} holds the GPUs {holds}, and was shown {script.devices}"


def most_held(e: Evidence) -> tuple[Counter[Bound], Counter[Bound]]:
    """The most of each bound that was reserved at any sampled moment, and that really ran."""
    row_of = _row_of(e)
    reserved: Counter[Bound] = Counter()
    really: Counter[Bound] = Counter()
    for sample in e.samples:
        running = [(row_of[script.token], script) for script in sample.scripts if script.token in row_of]
        reserved |= _held(e, sample.reserved or [])  # the larger one of each
        really |= _held(e, [_as_shown(e, place, script) for place, script in running])
    return reserved, really


def _row_of(e: Evidence) -> dict[str, Reserved]:
    return {place.token: place for sample in e.samples for place in sample.reserved or []}


def _held(e: Evidence, places: Iterable[Reserved]) -> Counter[Bound]:
    """What is held of each bound at one moment."""
    held: Counter[Bound] = Counter()
    for place in places:
        for device in place.devices:
            held[Bound(f"parts of the GPU {device}", 1)] += place.share  # type: ignore[assignment]
        if place.project != e.bounds.project:
            continue
        bounds = [("trials of the project", 1.0, e.bounds.running), ("slots of the team", 1.0, e.bounds.slots)]
        if place.pool == e.bounds.gpus:
            bounds += [(f"devices of {place.pool} by the project", place.units, e.bounds.limit)]
            bounds += [(f"devices of {place.pool} by the team", place.units, e.bounds.cap)]
        for what, amount, most in bounds:
            if most is not None:
                held[Bound(what, most)] += amount  # type: ignore[assignment]
    return held


def _as_shown(e: Evidence, place: Reserved, script: Script) -> Reserved:
    """What a script really has of GPUs: those that it sees, all of their memory if it was told of no part."""
    if not place.devices:
        return place
    part = script.memory_mb / e.pools[place.pool].memory_mb if script.memory_mb else 1.0
    return place._replace(devices=script.devices, count=len(script.devices), share=part)


def whole_curves(e: Evidence) -> Iterator[str]:
    """I6: the points stored are those in the log, numbered without gap, none twice; and the curve of whoever completed
    is that of a trial which was never killed."""
    for attempt in e.attempts:
        stored, printed = e.stored.get(attempt["id"], []), e.printed.get(attempt["id"], [])
        steps = [step for step, _ in stored]
        first = e.first_step(attempt)
        if steps != list(range(first, first + len(steps))):
            yield f"attempt {attempt['token']} has the steps {steps}"
        if [value for _, value in stored] != printed:
            yield f"attempt {attempt['token']} printed {len(printed)} points, {len(stored)} are stored"
    ended = {(note.trial, note.attempt) for note in e.notes if note.word == "ends"}
    for attempt in e.attempts:
        count = e.first_step(attempt) - 1 + len(e.stored.get(attempt["id"], []))
        if (attempt["trial"], attempt["number"]) in ended and count != e.work.lines:
            yield f"attempt {attempt['token']} came to its end with {count} of {e.work.lines} points"
    for trial in e.trials:
        x = as_document(trial["hyperparameters"])["x"]
        curve = e.curve(trial["number"])
        if trial["state"] == "Completed" and curve != [(step, x + step) for step in range(1, e.work.lines + 1)]:
            yield f"trial {trial['number']} has the curve {[(step, round(value - x, 3)) for step, value in curve]}"


def whole_feed(e: Evidence) -> Iterator[str]:
    """I7: events are numbered without gap, and every page got each of them once, in order."""
    numbers = [event["seq"] for event in e.events]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the feed has gaps: {len(numbers)} events up to {numbers[-1]}"
    for n, page in enumerate(e.pages, 1):
        yield from (f"page {n}: {gap}" for gap in page.gaps)
        if page.cursor != len(numbers):
            yield f"page {n} got {page.cursor} of {len(numbers)} events, after {page.connects} connections"
        if page.resyncs:
            yield f"page {n} was told to load everything again {page.resyncs} times"


def no_storm(e: Evidence) -> Iterator[str]:
    """I8: no more runs than trials and kills of trials, and the job is soon over after the last fault.

    Soon: in twice its time without a fault, a lease, and the time in which this machine starts the service; all of it
    by how much busier the machine is than it was in R0.
    """
    extra = e.executions() - e.work.trials
    if extra > e.kills:
        yield f"{extra} executions more than trials, after {e.kills} kills of trials"
    took, allowed = e.ended - e.faulted, e.slower * (2 * e.fault_free + e.start) + e.lease
    if e.fault_free and took > allowed:
        free = f"{e.slower:.1f} x (2 x {e.fault_free:.1f} s and a start of the service), and a lease"
        yield f"the job took {took:.1f} s after the last fault; {allowed:.1f} s are {free}"


def answers(e: Evidence) -> Iterator[str]:
    """I9: every question is answered within its tries; no server error; what was acknowledged is there.

    "Try later" (503) is an answer where it is the database that is down.
    """
    failed = [answer for answer in e.answers if not answer.answered and not (e.refuses and answer.codes[-1] == 503)]
    if failed:
        shown = [(answer.what, answer.codes, round(answer.seconds, 1)) for answer in failed[:5]]
        yield f"{len(failed)} of {len(e.answers)} questions were not answered in three tries: {shown}"
    errors = Counter(code for answer in e.answers for code in answer.codes if code >= 500 and code != 503)
    if errors:
        yield f"answers that are no answers: {dict(errors)}"
    if missing := set(e.made) - set(e.found):
        yield f"acknowledged, and not there: {sorted(missing)}"


def told(e: Evidence) -> Iterator[str]:
    """I10: every state has its event, and whoever did not complete says why."""
    last = {}
    for event in e.events:
        if event["kind"] == "trial":
            last[as_document(event["data"])["number"]] = as_document(event["data"])["state"]
    retried = defaultdict(list)
    for decision in e.decisions:
        if decision["kind"] in ("retry", "pause", "preempt"):  # lost, held with its job, or pre-empted
            retried[decision["trial_id"]].append(decision["reason"])
    for trial in e.trials:
        if last.get(trial["number"]) != trial["state"]:
            yield f"trial {trial['number']} is {trial['state']}, its last event says {last.get(trial['number'])}"
        if trial["state"] != "Completed" and not trial["reason"]:
            yield f"trial {trial['number']} is {trial['state']} for no reason"
        own = [a for a in e.attempts if a["trial"] == trial["number"]]
        if len(own) - 1 > len(retried[trial["id"]]):
            yield f"trial {trial['number']} has {len(own)} attempts, and reasons for {retried[trial['id']]}"
    if e.says and not any(e.says in f"{trial['reason']} {trial['failure']}" for trial in e.trials):
        yield f"no trial says {e.says!r}: {sorted({trial['reason'] for trial in e.trials})}"


INVARIANTS: dict[str, Check] = {
    "I1": one_end,
    "I2": one_result,
    "I3": none_lost,
    "I4": no_orphan,
    "I5": places,
    "I6": whole_curves,
    "I7": whole_feed,
    "I8": no_storm,
    "I9": answers,
    "I10": told,
    "I11": within_bounds,
}
