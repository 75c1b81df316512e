"""Sweeps: many runs, chosen by Optuna, under the budgets of a device; the only package that imports Optuna.

In the order of a sweep:

    syntax       what is varied, as it is written: Hydra's sweep syntax
    space        its parameters, and the command lines that they stand for
    measures     what is aimed at and what is limited: accuracy, flash, RAM, latency
    storage      where the study lies: a journal file (journal), a database, a gRPC proxy; locks: one at a time
    identity     what makes two commands one study, and in what one differs
    study        the study: opened or gone on with, its trials claimed, told, taken over from the dead
    samplers     Optuna's samplers and pruners by name
    workers      long-lived processes, each at one trial; a dead one is replaced
    trial        a trial within a worker: budget, runs, reports; judge, outcome: what it comes to
    loop, launch the sweep itself, in the parent, on workers or a launcher of Hydra; teller: how its trials end
    remote       a trial as the job of a launcher, in the job's own process; background: signs of life
    leaderboard, pages, terminal    what it shows

The surprising fact: Optuna's trials are made before they are run. A study begins with ``n_trials`` of them waiting,
and whoever sets one to running has it, so that any number of parents on any number of machines share a study without
a trial too many.
"""
