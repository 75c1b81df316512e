"""Tracking with MLflow: the only package that imports it, and only in a process of its own.

:mod:`~kws_exp.track.process` is what a run uses: it starts the process, tells it when a checkpoint is written, and
waits for it at the end. :mod:`~kws_exp.track.store` opens the store, :mod:`~kws_exp.track.sync` copies a run's
folder to it, :mod:`~kws_exp.track.results` and :mod:`~kws_exp.track.model` add what exists at the end,
:mod:`~kws_exp.track.follow` is the process of a sweep, :mod:`~kws_exp.track.parent` compares the runs of a
``--multirun``. ``python -m kws_exp.track FOLDER`` sends a run or a sweep again.

Importing MLflow takes 2-3 s and a new SQLite store 3-7 s; in a process of their own both pass while TensorFlow
is imported and the clips are read.
"""
