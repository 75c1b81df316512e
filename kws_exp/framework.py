"""Starting TensorFlow: quietly, and so that the same run gives the same bytes.

The surprising fact: its first lines ("oneDNN custom operations are on") come from C++ before any log level is
read, once at the import and once at the first operation; only closing standard error keeps them away.
"""

from __future__ import annotations

import contextlib
import gc
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
        keras.backend.clear_session(free_memory=False)  # else 0.04 s of collecting garbage a trial
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        _divide_cores()
        tf.zeros(1)


def has_gpu() -> bool:
    """Whether TensorFlow can use a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def load() -> None:
    """Import TensorFlow, and no more: for those who need it at once when they come to it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules:
        return
    with no_stderr(), _light():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _light() -> Iterator[None]:
    """Import without what Keras takes along where it finds it, and without collecting garbage that is not there.

    That halves the processor time of the import (4.2 s to 2.1 s); and the interpreter ends at once, where it would
    look through all of it again (1.0 s).
    """
    hidden = [name for name in ("matplotlib", "sklearn") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: as if it were not installed
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        gc.enable()


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
