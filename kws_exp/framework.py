"""Starting TensorFlow: quietly, and so that the same run gives the same bytes.

The surprising fact: its first lines ("oneDNN custom operations are on") come from C++ before any log level is
read, once at the import and once at the first operation; only closing standard error keeps them away.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from kws_exp.cpu import cores


def start(seed: int) -> None:
    """Import TensorFlow, clear what an earlier run of this process left, and make all operations deterministic."""
    load()
    import keras
    import tensorflow as tf

    with no_stderr():
        tf.get_logger().setLevel("ERROR")  # it warns of retracing when one process trains several models
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        _divide_cores()
        tf.zeros(1)


def load() -> None:
    """Import TensorFlow, and no more: for those who need its schema of model files, or its interpreter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with no_stderr():
        import tensorflow  # noqa: F401


def _divide_cores() -> None:
    """Keep TensorFlow to its share of the cores; it can be told so before its first operation alone."""
    import tensorflow as tf

    if cores() != os.cpu_count() and not tf.config.threading.get_intra_op_parallelism_threads():
        tf.config.threading.set_intra_op_parallelism_threads(cores())
        tf.config.threading.set_inter_op_parallelism_threads(1)


@contextlib.contextmanager
def no_stderr() -> Iterator[None]:
    """Send what C++ writes to standard error nowhere; Python's exceptions are not affected."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
