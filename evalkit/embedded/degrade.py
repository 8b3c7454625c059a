"""Makes a copy of GGUF weights that lost precision and nothing else.

Each block of 32 weights of the transformer's matrices is rounded to a few levels between the block's
smallest and largest weight, and stored as Q8_0, so that only precision is lost: same template, same
tokenizer. Embeddings, norms and the output matrix stay as they are. With 10 levels (3.3 bits a weight) this
model stays fluent and is wrong more often; with 8 it falls apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_BLOCK = 32


def degrade(source: Path, target: Path, levels: int) -> None:
    """Write a copy of `source` whose block matrices hold `levels` distinct values a block.

    Args:
        source: A GGUF file.
        target: Written at once when complete; its folder is made.
        levels: How many are kept, 2 or more.
    """
    import gguf

    reader = gguf.GGUFReader(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    writer = gguf.GGUFWriter(draft, reader.fields["general.architecture"].contents())
    _copy_metadata(reader, writer)
    for tensor in reader.tensors:
        if _is_block_matrix(tensor):
            rounded = round_blocks(gguf.quants.dequantize(tensor.data, tensor.tensor_type), levels)
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, gguf.quants.quantize(rounded, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(target)


def round_blocks(weights: NDArray[np.float32], levels: int) -> NDArray[np.float32]:
    """Round every 32 neighbours to `levels` values between their smallest and largest.

    Args:
        weights: Any shape whose last axis is a multiple of 32.
        levels: 2 or more.
    """
    blocks = weights.reshape(-1, _BLOCK)
    low = blocks.min(axis=1, keepdims=True)
    step = (blocks.max(axis=1, keepdims=True) - low) / (levels - 1)
    safe = np.where(step > 0, step, 1)
    rounded: NDArray[np.float32] = (low + np.round((blocks - low) / safe) * step).astype(np.float32)
    return rounded.reshape(weights.shape)


def _is_block_matrix(tensor: Any) -> bool:
    return tensor.name.startswith("blk.") and tensor.tensor_type.name not in {"F32", "F16", "BF16"}


def _copy_metadata(reader: Any, writer: Any) -> None:
    import gguf

    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inner)
