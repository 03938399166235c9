"""A batch on a cluster of two nodes: `python two_nodes.py PHOTOS OUTPUT MODE`.

The mode is that of Ray's authentication, "token" or "disabled". Prints the nodes of the workers and,
if the nodes ask for a token, what is said to whoever has another one.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
TOKEN, MODE = "token", sys.argv[3]
os.environ.update(
    RAY_AUTH_MODE=MODE,
    RAY_USAGE_STATS_ENABLED="0",
    RAY_BACKEND_LOG_LEVEL="fatal",
    RAY_worker_niceness="0",
)
if MODE == TOKEN:
    os.environ["RAY_AUTH_TOKEN"] = "a" * 64


STRANGER = """
import sys
import warmstart as ws
photos, output, address = sys.argv[1:]
ws.batch("efficientnet_lite0", photos, output, on="ray", address=address)
"""


def parent(process: int) -> int:
    """The parent of a process; 0 if there is none."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])


def is_own(process: int) -> bool:
    """Whether this process has started another one, directly or not."""
    while process > 1 and process != os.getpid():
        process = parent(process)
    return process == os.getpid()


def parents_of_workers() -> set[int]:
    """The processes of this cluster's nodes whose workers answer shards."""
    parents = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                parents.add(parent(int(process.name)))
        except OSError:
            continue
    return {node for node in parents if is_own(node)}


def main(photos: str, output: str) -> None:
    from ray.cluster_utils import Cluster

    import warmstart as ws

    head = {
        "num_cpus": 1,
        "object_store_memory": 100 * 2**20,
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,
    }
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        nodes.wait_for_nodes()
        stranger = None
        if MODE == TOKEN:  # while the batch runs, since Ray takes seconds to refuse it
            stranger = subprocess.Popen(
                [sys.executable, "-c", STRANGER, photos, output + "-2", nodes.address],
                env={**os.environ, "RAY_AUTH_TOKEN": "b" * 64},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        seen: set[int] = set()
        done = ws.batch(
            "efficientnet_lite0",
            photos,
            output,
            on="ray",
            address=nodes.address,
            shard_rows=2,
            progress=lambda now: seen.update(parents_of_workers()),
        )
        print(json.dumps({"rows": done.rows, "nodes": len(seen)}), flush=True)
        messages = stranger.communicate()[1] if stranger else ""
        errors = [line for line in messages.splitlines() if "BatchError: " in line]
        print(json.dumps(errors), flush=True)
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:3])
