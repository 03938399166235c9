"""Compiling in tests: a process that imports TensorFlow once, and forks itself for every job.

`python warm_compiler.py SOCKET` stands in for `python -m warmstart.core.compile_job`: it hands its
standard streams, environment and folder over to a fork of the server (`python warm_compiler.py
SOCKET RESULTS`), and ends as the fork does. If it is killed, so is the fork.

The same model compiled again is a copy of what came out the first time, in any test of the run, and
the same network with other weights fills the graph that was converted then; both lie in the folder
RESULTS. Whether compiling works was seen then, and what is made of its files is the same.
"""

import contextlib
import fcntl
import gc
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

ADDRESS = "WARMSTART_TEST_COMPILER"
"""The variable with the address of the server of this run."""
PRELOADED = (
    "keras",
    "ai_edge_litert.interpreter",
    "tensorflow.lite.python.lite",
    "warmstart.checkpoints.formats",
    "warmstart.core.compile_job",
    "warmstart.engines.compile",
    "warmstart.image.classification",
    "warmstart.text.classification",
)
"""What a job would import otherwise, each anew."""


def use():
    """Compile with the server of this run, if there is one. A process that a test starts may call it,
    too.
    """
    from warmstart.core import compiling

    if path := os.environ.get(ADDRESS):
        compiling.COMPILER = (sys.executable, "-S", __file__, path)


def client(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        told = json.dumps([dict(os.environ), os.getcwd()]).encode("utf-8", "surrogateescape")
        socket.send_fds(connection, [told], [0, 1, 2])
        code = connection.recv(1)  # nothing: the fork was killed
    return code[0] if code else 1


def serve(path, results):
    """Until the parent process is gone."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        listener.settimeout(1.0)
        while os.getppid() == parent:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            finally:
                while _reaped():
                    pass
            if "keras" not in sys.modules:  # only now: many sessions compile nothing
                for module in PRELOADED:
                    import_module(module)
                gc.freeze()  # what is shared with the forks is neither scanned nor copied

            with connection:
                if os.fork() == 0:
                    listener.close()
                    os._exit(_watch(connection, Path(results)))


def _reaped():
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0


def _watch(connection, results):
    """Fork once more for the job, and wait for its end, or for that of the client."""
    told, streams, _, _ = socket.recv_fds(connection, 2**20, 3)
    if len(streams) != 3:
        return 1
    worker = os.fork()
    if worker == 0:
        connection.close()
        _work(*json.loads(told.decode("utf-8", "surrogateescape")), streams, results)
    for stream in streams:
        os.close(stream)
    end = os.pidfd_open(worker)
    ready, _, _ = select.select([end, connection], [], [])
    if end not in ready:
        os.kill(worker, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if end in ready and code >= 0:
        with contextlib.suppress(OSError):  # the client has been killed in the meantime
            connection.send(bytes([code]))
    return 0


def remembering(make, results):
    """`compile_job._compile`, which copies what another test has made of the very same entry and
    weights, and reuses the graph of the same network with other weights.
    """

    def make_or_copy(job, entry, weights, build, report):
        from warmstart.core.compiling import graph_key
        from warmstart.core.weights import checkpoint_digest
        from warmstart.engines.store import write_record

        of = json.dumps([job["entry"], job["digest"], job["precision"]], sort_keys=True)
        result, folder = results / hashlib.sha256(of.encode()).hexdigest(), Path(job["folder"])
        if weights.path is not None and checkpoint_digest(weights.path) != weights.digest:
            return make(job, entry, weights, build, report)
        with open(f"{result}.lock", "w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # the other processes of the run wait for the first one's result
            if result.is_dir():
                made = json.loads((result / "made.json").read_text())
                for stage in made["stages"]:
                    report(stage)
                shutil.copytree(result / "files", folder, dirs_exist_ok=True)
                return made["record"]
            graph = results / f"graph-{graph_key(entry, job['precision'])}"
            if graph.is_dir():
                job = {"template": str(graph), **job}
            stages = []
            record = make(
                job, entry, weights, build, lambda stage: (stages.append(stage), report(stage))
            )
            new = result.with_name(f"{result.name}.{os.getpid()}")
            shutil.copytree(folder, new / "files")
            (new / "made.json").write_text(json.dumps({"stages": stages, "record": record}))
            new.rename(result)
            if "constants" in record and not graph.is_dir():
                new = graph.with_name(f"{graph.name}.{os.getpid()}")
                shutil.copytree(folder, new)
                write_record(new, job["precision"], record)
                with contextlib.suppress(OSError):  # another process was first
                    new.rename(graph)
            return record

    return make_or_copy


def _work(environment, folder, streams, results):
    from warmstart.core import compile_job
    from warmstart.engines import choose

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    compile_job._compile = remembering(compile_job._compile, results)
    choose.measure = partial(choose.measure, seconds=0.0)  # as in conftest.py
    sys.stdin = os.fdopen(0, encoding="utf-8")
    code = 1
    try:
        code = compile_job.main()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(serve(*sys.argv[1:]) if sys.argv[2:] else client(sys.argv[1]))
