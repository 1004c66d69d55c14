"""One weights file for all engines of a set, in which every tensor is kept once.

Configurations of one base model agree in most of their weights, so a set is little larger than
its largest engine, on the disk and, because engines map this file, in memory. What the runtime
saved beside a tensor, as its packed copy of a matrix, is treated as a tensor of its own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgert.errors import BuildError
from edgert.optional import needs

# A cache line. Kernels load packed matrices with instructions that fault on anything less.
_ALIGNMENT = 64
_PACKED = "prepacked_"  # onnxruntime's key for what it saved beside a tensor


@dataclass(frozen=True)
class PackReport:
    """What packing did, over all engines.

    Bytes of all tensors that were packed, before; of the weights file, after.
    """

    engines: int
    before_bytes: int
    after_bytes: int


def pack_weights(engines: Sequence[Path], weights: Path, *, min_bytes: int = 1024) -> PackReport:
    """Move the engines' tensors into one file; the engines are rewritten in place.

    The same engines in the same order give the same bytes. Files that held weights before are
    removed. Weights are copied from file to file; in memory are only the graphs.

    Args:
        engines: ONNX files, in one folder.
        weights: The file to write, in that folder; one that is there is replaced.
        min_bytes: Smaller tensors stay in, or move into, the engine's own file. Among them have to
            be all that hold shapes (8 bytes for each dimension): runtimes read them there only.

    Raises:
        BuildError: An engine can't be read, or weights it names are missing or cut short; all
            files are then as they were.
        ValueError: An engine lies in another folder than the weights.
    """
    if any(engine.parent != weights.parent for engine in engines):
        raise ValueError("engines find their weights in their own folder only")
    staging = weights.with_name(f".{weights.name}.tmp")
    retired: set[Path] = set()
    try:
        with staging.open("wb") as file:
            shared = _SharedFile(file)
            models = [
                _packed(engine, shared, weights.name, min_bytes, retired) for engine in engines
            ]
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    staging.replace(weights)
    for engine, model in zip(engines, models, strict=True):
        engine.write_bytes(model)
    for path in retired - {weights}:
        path.unlink()
    return PackReport(len(engines), shared.before_bytes, weights.stat().st_size)


@dataclass
class _SharedFile:
    """Appends contents to a file, each only once."""

    file: BinaryIO
    before_bytes: int = 0
    _offsets: dict[bytes, int] = field(default_factory=dict)

    def offset_of(self, content: NDArray[np.uint8]) -> int:
        """Where the content lies in the file, after appending it if it is new."""
        self.before_bytes += content.size
        digest = hashlib.sha256(content.data).digest()
        if digest not in self._offsets:
            self.file.write(bytes(-self.file.tell() % _ALIGNMENT))
            self._offsets[digest] = self.file.tell()
            self.file.write(content.data)
        return self._offsets[digest]


@dataclass
class _Source:
    """The files in which one engine keeps its weights, mapped."""

    engine: Path
    files: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def read(self, location: str, offset: int, length: int, tensor: str) -> NDArray[np.uint8]:
        """A piece of one of the files; BuildError if it isn't all there."""
        if location not in self.files:
            self.files[location] = self._mapped(location, tensor)
        content = self.files[location][offset : offset + length]
        if content.size != length:
            raise BuildError(
                f"pack {self.engine.name}, tensor {tensor}",
                expected=f"{length} bytes at {offset} in {location}",
                got=f"{content.size}",
                advice="Compile the engine again",
            )
        return content

    def _mapped(self, location: str, tensor: str) -> NDArray[np.uint8]:
        path = self.engine.parent / location
        if Path(location).name != location or not path.is_file():
            raise BuildError(
                f"pack {self.engine.name}, tensor {tensor}",
                expected="its weights in a file beside the engine",
                got=f"'{location}'",
                advice="Compile the engine again",
            )
        if not path.stat().st_size:
            return np.empty(0, np.uint8)
        return np.memmap(path, np.uint8, "r")


def _packed(
    engine: Path, shared: _SharedFile, location: str, min_bytes: int, retired: set[Path]
) -> bytes:
    """The engine's own file as it will be, after its weights went into the shared file."""
    onnx = needs("onnx", "build", "to pack weights")
    decode_error = needs("google.protobuf.message", "build", "to pack weights").DecodeError
    try:
        model = onnx.load(str(engine), load_external_data=False)
    except (OSError, decode_error) as error:
        raise BuildError(
            f"pack {engine.name}",
            expected="an ONNX file",
            got=str(error) or type(error).__name__,
            advice="Compile the engine again",
        ) from error
    source = _Source(engine)
    for tensor in _initializers(model.graph):
        _move(tensor, source, shared, location, min_bytes)
    for node in model.graph.node:
        # onnxruntime numbers the nodes it makes, and not alike from one time to the next.
        node.name = next((output for output in node.output if output), node.name)
    retired |= {engine.parent / name for name in source.files}
    return bytes(model.SerializeToString(deterministic=True))


def _initializers(graph: Any) -> Iterator[Any]:
    """The graph's initializers and those of the graphs inside its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _initializers(inner)


def _move(
    tensor: Any, source: _Source, shared: _SharedFile, location: str, min_bytes: int
) -> None:
    """Put one tensor where it belongs by its size. Values in typed fields stay: they are few."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if entries:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", _byte_size(tensor)))
        content = source.read(entries["location"], offset, length, tensor.name)
    else:
        content = np.frombuffer(tensor.raw_data, np.uint8)
    if content.size < max(1, min_bytes):
        _embed(tensor, content)
        return
    moved = {"location": location, "offset": shared.offset_of(content), "length": content.size}
    for key, value in entries.items():
        if key.startswith(_PACKED):
            moved[key] = _packed_entry(value, entries["location"], tensor.name, source, shared)
    tensor.ClearField("raw_data")
    del tensor.external_data[:]
    tensor.data_location = tensor.EXTERNAL
    for key, value in moved.items():
        tensor.external_data.add(key=key, value=str(value))


def _embed(tensor: Any, content: NDArray[np.uint8]) -> None:
    if tensor.external_data:
        tensor.raw_data = content.tobytes()
        del tensor.external_data[:]
        tensor.ClearField("data_location")


def _packed_entry(
    value: str, location: str, tensor: str, source: _Source, shared: _SharedFile
) -> str:
    """Move the blobs of an entry "Gemm+<hash>|<offset>;<length>;<checksum>[|...]"."""
    name, *blobs = value.split("|")
    moved = [name]
    for blob in blobs:
        offset, length, *checksum = blob.split(";")
        content = source.read(location, int(offset), int(length), tensor)
        moved.append(";".join([str(shared.offset_of(content)), length, *checksum]))
    return "|".join(moved)


def _byte_size(tensor: Any) -> int:
    onnx = needs("onnx", "build", "to pack weights")
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return int(np.prod(tensor.dims, dtype=np.int64)) * int(dtype.itemsize)
