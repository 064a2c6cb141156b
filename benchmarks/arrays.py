"""Arrays in a safetensors file (github.com/huggingface/safetensors, "Format"), written without a
copy of them and mapped: of a long log a cell holds what its method reads.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {"F64": "<f8", "I64": "<i8", "F32": "<f4", "I32": "<i4", "BOOL": "|b1"}
NAMES = {np.dtype(kind): name for name, kind in KINDS.items()}
ALIGNED = 8  # bytes, of the first array; wider kinds come first, so that the others are too


def save(arrays: dict[str, NDArray[Any]], path: Path, words: str) -> None:
    """words: what stands beside the arrays."""
    ordered = sorted(arrays.items(), key=lambda pair: (-pair[1].itemsize, pair[0]))
    header: dict[str, Any] = {"__metadata__": {"rest": words}}
    end = 0
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]
        }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            np.ascontiguousarray(array).tofile(file)


def load(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """The arrays, of which a change stays in memory, and the words beside them."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    words = header.pop("__metadata__")["rest"]
    begin, size = 8 + length, path.stat().st_size
    data = np.asarray(np.memmap(path, np.uint8, "c", begin)) if size > begin else np.empty(0, "u1")
    arrays = {}
    for name, about in header.items():
        first, after = about["data_offsets"]
        flat = data[first:after].view(KINDS[about["dtype"]])
        arrays[name] = flat.reshape(about["shape"])
    return arrays, words
