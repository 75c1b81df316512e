"""TensorFlow Lite's schema of model files, without TensorFlow.

The surprising fact: the schema is one generated file that needs no more than ``flatbuffers`` and NumPy, but importing
it by its name imports all of TensorFlow first: 3 s where this takes 0.3 s.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

_NAME = "tensorflow.lite.python.schema_py_generated"


@functools.cache
def load() -> Any:
    """Return the module ``tensorflow.lite.python.schema_py_generated``."""
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    tensorflow = importlib.util.find_spec("tensorflow")  # finds, and does not import, what has no dot in its name
    if tensorflow is None or tensorflow.origin is None:
        raise ModuleNotFoundError("tensorflow is not installed", name="tensorflow")
    path = Path(tensorflow.origin).parent / "lite" / "python" / "schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("kws_exp.export._schema_py_generated", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
