"""What finished trials tell: one file per question, each a pure function of a job's history.

importance      which hyperparameters matter, and how sure that is
replay          what an early-stopping policy would have saved and lost on recorded curves
narrowing       the smaller ranges in which a child job should search
marginal_gain   what the next per cent of improvement would cost

An answer that cannot be given yet is an ``Unavailable`` with a sentence why, never a guess.
"""
