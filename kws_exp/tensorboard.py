"""TensorBoard event files of a run (``tracking.tensorboard=true``): ``tensorboard --logdir mlruns/runs``."""

from __future__ import annotations

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder


class EventFiles:
    """Writes the curve points that have come since the last call into ``RUN/tensorboard``.

    What is there already when a resumed run begins was written by the process before it.
    """

    def __init__(self, folder: RunFolder) -> None:
        import tensorflow as tf

        self._folder = folder
        self._written = len(run_folder.read_lines(folder.curves))
        self._writer = tf.summary.create_file_writer(str(folder.path / "tensorboard"))

    def update(self) -> None:
        """Append the new points."""
        import tensorflow as tf

        rows = run_folder.read_lines(self._folder.curves)
        with self._writer.as_default():
            for row in rows[self._written :]:
                for name in row.keys() - {"step", "time"}:
                    tf.summary.scalar(name, row[name], step=row["step"])
        self._writer.flush()
        self._written = len(rows)
