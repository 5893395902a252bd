"""One peer's side of `orchestration_peers.py`, run by the Python of an environment that has the peer and not HPT.

    python orchestration_peers_runner.py SYSTEM FOLDER [DATABASE]

SYSTEM is optuna-sqlite, optuna-journal, optuna-postgresql, syne-SECONDS (between two looks) or ray; all files are kept
below FOLDER. It takes orders on stdin, one JSON object a line (the child's `command`, its `work`, the `parameters` to
draw, `slots`, `warm_up`, `trials`), and says on stdout when it is ready, when the warm-up is over and when the measured
trials are. After each of these it waits for a line, so that its processes can be looked at.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Bench:
    """The bench at the other end of the pipes. What a peer prints goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, **what: Any) -> None:
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()

    def ask(self, **what: Any) -> dict[str, Any]:
        self.say(**what)
        line = sys.stdin.readline()
        return json.loads(line) if line.strip() else {}


class Turn:
    """The trials of one order: how old their values are when the peer has them, and how many have ended."""

    def __init__(self, bench: Bench, order: dict[str, Any]) -> None:
        self._bench = bench
        self.command: list[str] = order["command"]
        self.work: dict[str, float] = order["work"]
        self.parameters: list[str] = order["parameters"]
        self.slots: int = order["slots"]
        self.warm_up: int = order["warm_up"]
        self.trials: int = order["trials"]
        self._delays: list[float] = []
        self._ended = 0

    def known(self, stamp: float) -> None:
        self._delays.append(time.time() - stamp)

    def warm(self) -> None:
        self._bench.ask(event="warm")
        self._delays.clear()

    def over(self) -> None:
        self._bench.ask(event="over", delays=self._delays)

    def ended(self) -> None:
        """For peers that have one call for all trials: the next one ended."""
        self._ended += 1
        if self._ended == self.warm_up:
            self.warm()
        elif self._ended == self.warm_up + self.trials:
            self.over()


class NotSaved:
    """A callback with pipes: tuners save themselves now and then with all their callbacks."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return object, ()


def read_child(command: list[str], values: dict[str, float], told: Callable[[float], object]) -> float:
    """Start the child, hand over each of its values, and return the last."""
    arguments = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    stamp = 0.0
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            stamp = json.loads(line)["stamp"]
            told(stamp)
    return stamp


# --- Optuna: a thread per slot, a child per trial ---------------------------------------------------------------------


def optuna_storage(kind: str, folder: Path, database: str) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if kind == "journal":
        return optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    if kind == "postgresql":
        return optuna.storages.RDBStorage(database.replace("postgresql://", "postgresql+psycopg://"))
    patience = {"connect_args": {"timeout": 60}}
    return optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db", engine_kwargs=patience)


def run_optuna(bench: Bench, kind: str, folder: Path, database: str) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna_storage(kind, folder, database)
    while order := bench.ask(event="ready", version=importlib.metadata.version("optuna")):
        turn = Turn(bench, order)
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(), direction="maximize")

        def objective(trial: Any, turn: Turn = turn) -> float:
            values = turn.work | {name: trial.suggest_float(name, 0, 1) for name in turn.parameters}
            steps = iter(range(10_000))

            def told(stamp: float) -> None:
                trial.report(stamp, next(steps))
                turn.known(stamp)

            return read_child(turn.command, values, told)

        study.optimize(objective, n_trials=turn.warm_up, n_jobs=turn.slots)
        turn.warm()
        study.optimize(objective, n_trials=turn.trials, n_jobs=turn.slots)
        turn.over()


# --- Syne Tune: its local backend starts the child and reads its output -----------------------------------------------


def syne_script(pulse: Path, folder: Path) -> Path:
    """The child, whose lines look as Syne Tune wants them."""
    theirs = '[tune-metric]: {{"st_worker_timestamp": {time.time():.6f}, "st_worker_iter": {number}, "stamp"'
    text = pulse.read_text()
    assert text.count('{{"stamp"') == 1, f"{pulse} prints another line than this bench knows"
    script = folder / pulse.name
    script.write_text(text.replace('{{"stamp"', theirs))
    return script


def run_syne(bench: Bench, sleep: str, folder: Path, database: str) -> None:
    os.environ["SYNETUNE_FOLDER"] = str(folder)
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.baselines import RandomSearch
    from syne_tune.results_callback import StoreResultsCallback
    from syne_tune.tuner_callback import TunerCallback

    logging.disable(logging.CRITICAL)

    class Watch(NotSaved, TunerCallback):  # type: ignore[misc]
        def __init__(self, turn: Turn) -> None:
            self._turn = turn

        def on_trial_result(self, trial: Any, status: str, result: dict[str, Any], decision: str) -> None:
            self._turn.known(result["stamp"])

        def on_trial_complete(self, trial: Any, result: dict[str, Any]) -> None:
            self._turn.ended()

    while order := bench.ask(event="ready", version=importlib.metadata.version("syne-tune")):
        turn = Turn(bench, order)
        python, pulse = turn.command[0], Path(turn.command[-1])
        space = {name: uniform(0, 1) for name in turn.parameters} | turn.work
        Tuner(
            trial_backend=LocalBackend(entry_point=str(syne_script(pulse, folder)), binary=python),
            scheduler=RandomSearch(space, metrics=["stamp"], do_minimize=False),
            stop_criterion=StoppingCriterion(max_num_trials_finished=turn.warm_up + turn.trials),
            n_workers=turn.slots,
            sleep_time=float(sleep),
            callbacks=[StoreResultsCallback(), Watch(turn)],
        ).run()


# --- Ray Tune: actors that are used again, each of which starts children ----------------------------------------------


def meet(folder: Path, slots: int) -> None:
    """Wait in the first trials until there is an actor for each slot: without it one actor does all the short ones."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while sum(1 for _ in folder.iterdir()) < slots and time.monotonic() < deadline:
        time.sleep(0.05)


def run_ray(bench: Bench, kind: str, folder: Path, database: str) -> None:
    quiet = ("RAY_AIR_NEW_OUTPUT", "RAY_USAGE_STATS_ENABLED", "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS")
    os.environ.update(dict.fromkeys(quiet, "0"), PYTHONPATH=str(Path(__file__).parent))
    import ray
    from ray import tune

    class Watch(NotSaved, tune.Callback):  # type: ignore[misc]
        def __init__(self, turn: Turn) -> None:
            self._turn = turn

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
            self._turn.known(result["stamp"])

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self._turn.ended()

    started = False
    while order := bench.ask(event="ready", version=importlib.metadata.version("ray")):
        turn = Turn(bench, order)
        if not started:
            least = 75 * 2**20
            ray.init(
                num_cpus=turn.slots,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
                object_store_memory=least,
                _temp_dir=str(folder / "r"),
            )
            started = True
        meeting = Path(tempfile.mkdtemp(dir=folder))

        def trainable(
            config: dict[str, Any], slots: int = turn.slots, command: list[str] = turn.command, meeting: Path = meeting
        ) -> None:
            # By the module's name: what belongs to __main__ is sent along with the function.
            from orchestration_peers_runner import meet, read_child

            meet(meeting, slots)
            read_child(command, config, lambda stamp: tune.report({"stamp": stamp}))

        space = {name: tune.uniform(0, 1) for name in turn.parameters} | turn.work
        config = tune.TuneConfig(
            num_samples=turn.warm_up + turn.trials, max_concurrent_trials=turn.slots, reuse_actors=True
        )
        kept = tune.RunConfig(storage_path=str(folder / "results"), verbose=0, callbacks=[Watch(turn)])
        resources = tune.with_resources(trainable, {"cpu": 1})
        tune.Tuner(resources, param_space=space, tune_config=config, run_config=kept).fit()
    ray.shutdown()


RUNNERS = {"optuna": run_optuna, "syne": run_syne, "ray": run_ray}


def main() -> None:
    peer, _, kind = sys.argv[1].partition("-")
    RUNNERS[peer](Bench(), kind, Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")


if __name__ == "__main__":
    main()
