"""A checkpoint in several `.safetensors` files."""

import json
import re
from pathlib import Path

from warmstart.checkpoints.base import ByteSource, Checkpoint, JoinedCheckpoint, abbreviated
from warmstart.checkpoints.safetensors import MAX_HEADER, SafetensorsCheckpoint
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError

MAX_SHARDS = 2_000


class ShardedCheckpoint(JoinedCheckpoint):
    """Several `.safetensors` files under one `model.safetensors.index.json`."""

    layout = "safetensors"

    def __init__(self, index: Path):
        self.path = index
        self._shards: dict[str, SafetensorsCheckpoint] = {}
        self._sources: dict[str, tuple[Checkpoint, str]] = {}
        try:
            self._open(_read_index(index))
        except BaseException:
            self.close()
            raise

    def _open(self, weight_map: dict[str, str]) -> None:
        for file in dict.fromkeys(weight_map.values()):
            path = self.path.with_name(file)
            if not path.is_file():
                raise CorruptCheckpointError(
                    f"{self.path} lists the file {file}, which is missing in its folder."
                )
            self._shards[file] = SafetensorsCheckpoint(path, ByteSource.open(path))
        for file, shard in self._shards.items():
            for name in shard.names():
                if weight_map.get(name) != file:
                    raise CorruptCheckpointError(
                        f"{self.path} does not list the array {name[:200]!r}, which is in {file}."
                    )
                self._sources[name] = (shard, name)
        if missing := [name for name in weight_map if name not in self._sources]:
            raise CorruptCheckpointError(
                f"{self.path} lists arrays that its files lack: {abbreviated(missing)}."
            )

    def files(self) -> list[Path]:
        return [self.path, *(shard.path for shard in self._shards.values())]

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def _read_index(index: Path) -> dict[str, str]:
    source = ByteSource.open(index)
    try:
        if source.size > MAX_HEADER:
            raise UnsafeCheckpointError(f"{index} is refused: an index of {source.size} bytes.")
        weight_map = json.loads(source.at(0, source.size))["weight_map"]
        if not isinstance(weight_map, dict) or not weight_map:
            raise ValueError("no weight_map")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptCheckpointError(
            f"{index} is not an index of safetensors files ({error})."
        ) from error
    finally:
        source.close()
    files = set()
    for file in weight_map.values():
        if not isinstance(file, str) or not re.fullmatch(r"[\w][\w.\-]{0,250}", file):
            raise UnsafeCheckpointError(
                f"{index} is refused: it points to {str(file)[:200]!r} outside its folder."
            )
        files.add(file)
    if len(files) > MAX_SHARDS:
        raise UnsafeCheckpointError(f"{index} is refused: it lists {len(files)} files.")
    return weight_map
