"""The schema without TensorFlow: the same as its own, and nothing of it imported."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from kws_exp.export import tflite_schema
found = tflite_schema.load()
assert not [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
assert tflite_schema.load() is found
from tensorflow.lite.python import schema_py_generated as right
assert vars(found.BuiltinOperator).keys() == vars(right.BuiltinOperator).keys()
assert found.BuiltinOperator.SOFTMAX == right.BuiltinOperator.SOFTMAX
tflite_schema.load.cache_clear()
assert tflite_schema.load() is right
"""


def test_it_is_tensorflows_own_and_tensorflow_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
