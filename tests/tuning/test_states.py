"""The tables of states and moves."""

import pytest

from tuning.states import JOB_MOVES, TRIAL_MOVES, Goal, JobState, TrialState


def test_every_state_has_its_row():
    assert set(JOB_MOVES) == set(JobState)
    assert set(TRIAL_MOVES) == set(TrialState)


def test_terminal_states_are_those_without_moves():
    assert {state for state in JobState if state.terminal} == {JobState.COMPLETED, JobState.STOPPED, JobState.FAILED}
    assert {state for state in TrialState if state.terminal} == {
        TrialState.COMPLETED,
        TrialState.EARLY_STOPPED,
        TrialState.STOPPED,
        TrialState.FAILED,
        TrialState.LOST,
    }


@pytest.mark.parametrize("moves", [JOB_MOVES, TRIAL_MOVES], ids=["job", "trial"])
def test_every_state_can_reach_an_end(moves):
    for state in moves:
        reached, frontier = {state}, [state]
        while frontier:
            for following in moves[frontier.pop()] - reached:
                reached.add(following)
                frontier.append(following)
        assert any(one.terminal for one in reached)
        assert state not in moves[state]


@pytest.mark.parametrize("state", [TrialState.STARTING, TrialState.RUNNING, TrialState.STOPPING])
def test_a_trial_whose_attempt_vanished_is_queued_again_or_lost(state):
    assert {TrialState.QUEUED, TrialState.LOST} <= TRIAL_MOVES[state]


def test_goals_compare_in_their_direction():
    assert Goal.MAXIMIZE.better(2, 1) and not Goal.MAXIMIZE.better(1, 1)
    assert Goal.MINIMIZE.better(1, 2) and not Goal.MINIMIZE.better(2, 1)
    assert (Goal.MAXIMIZE.sign, Goal.MINIMIZE.sign) == (1, -1)
    assert Goal("minimize") is Goal.MINIMIZE
