"""Compiling in tests: a process that imports TensorFlow once, and forks itself for every job.

`python warm_compiler.py SOCKET` stands in for `python -m warmstart.core.compile_job`: it hands its
standard streams, environment and folder over to a fork of the server (`python warm_compiler.py
SOCKET KEPT`), and ends as the fork does. If it is killed, so is the fork.

The same model compiled again is a copy of what came out the first time, in any test of the run;
these results lie in the folder KEPT. Whether compiling works was seen then, and what is made of its
files is the same.
"""

import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path


def client(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        told = json.dumps([dict(os.environ), os.getcwd()]).encode("utf-8", "surrogateescape")
        socket.send_fds(connection, [told], [0, 1, 2])
        code = connection.recv(1)  # nothing: the fork was killed
    return code[0] if code else 1


def serve(path, kept):
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
            import keras  # noqa: F401 (only now: many sessions compile nothing)

            from warmstart.core import compile_job  # noqa: F401

            with connection:
                if os.fork() == 0:
                    listener.close()
                    os._exit(_watch(connection, Path(kept)))


def _reaped():
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0


def _watch(connection, kept):
    """Fork once more for the job, and wait for its end, or for that of the client."""
    told, streams, _, _ = socket.recv_fds(connection, 2**20, 3)
    if len(streams) != 3:
        return 1
    worker = os.fork()
    if worker == 0:
        connection.close()
        _work(*json.loads(told.decode("utf-8", "surrogateescape")), streams, kept)
    for stream in streams:
        os.close(stream)
    end = os.pidfd_open(worker)
    ready, _, _ = select.select([end, connection], [], [])
    if end not in ready:
        os.kill(worker, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    if end in ready and code >= 0:
        connection.send(bytes([code]))
    return 0


def remembering(make, results):
    """`compile_job._compile`, which copies what another test has made of the very same entry and
    weights.
    """

    def make_or_copy(job, entry, weights, build, report):
        from warmstart.core.weights import checkpoint_digest
        from warmstart.engines.store import sha256_file

        of = json.dumps([job["entry"], job["digest"], job["precision"]], sort_keys=True)
        kept, folder = results / hashlib.sha256(of.encode()).hexdigest(), Path(job["folder"])
        if (
            weights.path is not None
            and checkpoint_digest(weights.path, sha256_file) != weights.digest
        ):
            return make(job, entry, weights, build, report)
        with open(f"{kept}.lock", "w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # the other processes of the run wait for the first one's result
            if kept.is_dir():
                told = json.loads((kept / "told.json").read_text())
                for stage in told["stages"]:
                    report(stage)
                shutil.copytree(kept / "files", folder, dirs_exist_ok=True)
                return told["record"]
            stages = []
            record = make(
                job, entry, weights, build, lambda stage: (stages.append(stage), report(stage))
            )
            new = kept.with_name(f"{kept.name}.{os.getpid()}")
            shutil.copytree(folder, new / "files")
            (new / "told.json").write_text(json.dumps({"stages": stages, "record": record}))
            new.rename(kept)
            return record

    return make_or_copy


def _work(environment, folder, streams, kept):
    from warmstart.core import compile_job

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    compile_job._compile = remembering(compile_job._compile, kept)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    code = 1
    try:
        code = compile_job.main()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(serve(*sys.argv[1:]) if sys.argv[2:] else client(sys.argv[1]))
