"""A model as C++ source, under the names that TensorFlow Lite Micro's examples use.

``alignas(16)`` is not decoration: the interpreter reads the tensors where they lie.
"""

from __future__ import annotations

from pathlib import Path

_HEADER = """\
#ifndef KWS_EXP_MODEL_DATA_H_
#define KWS_EXP_MODEL_DATA_H_

extern const unsigned char g_model[];
extern const unsigned int g_model_len;

#endif  // KWS_EXP_MODEL_DATA_H_
"""

_SOURCE = """\
#include "model_data.h"

alignas(16) const unsigned char g_model[] = {{
{rows}
}};
const unsigned int g_model_len = {length};
"""


def write(model: bytes, folder: Path) -> None:
    """Write ``model_data.h`` and ``model_data.cc`` (C++11) with the bytes of ``model`` into ``folder``."""
    rows = "\n".join(
        "    " + " ".join(f"0x{byte:02x}," for byte in model[start : start + 12]) for start in range(0, len(model), 12)
    )
    (folder / "model_data.h").write_text(_HEADER, encoding="utf-8", newline="\n")
    source = _SOURCE.format(rows=rows, length=len(model))
    (folder / "model_data.cc").write_text(source, encoding="utf-8", newline="\n")
