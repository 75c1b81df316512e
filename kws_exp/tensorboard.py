"""TensorBoard event files of a run (``tracking.tensorboard=true``): ``tensorboard --logdir mlruns/runs``.

Written with ``tf.summary.write``: ``tf.summary.scalar`` needs the tensorboard package, which TensorFlow no longer
brings along, and which is only needed to look at the files.
"""

from __future__ import annotations

import shutil
from typing import Any

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder


class EventFiles:
    """Writes the curve points that have come since the last call into ``RUN/tensorboard``.

    A resumed run writes them all anew: its curves were cut back to the checkpoint, event files cannot be.
    """

    def __init__(self, folder: RunFolder) -> None:
        import tensorflow as tf

        shutil.rmtree(folder.path / "tensorboard", ignore_errors=True)
        self._folder = folder
        self._written = 0
        self._writer = tf.summary.create_file_writer(str(folder.path / "tensorboard"))

    def update(self) -> None:
        """Append the new points."""
        import tensorflow as tf

        rows = run_folder.read_lines(self._folder.curves)
        with self._writer.as_default():
            for row in rows[self._written :]:
                for name in row.keys() - {"step", "time"}:
                    tf.summary.write(name, tf.constant(row[name], tf.float32), row["step"], _scalar())
        self._writer.flush()
        self._written = len(rows)


def _scalar() -> Any:
    """Return the metadata by which TensorBoard takes a tensor for a point of a curve."""
    from tensorflow.compat.v1 import SummaryMetadata

    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
