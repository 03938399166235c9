"""Memory that training retains is returned when it ends, also by an error."""

import subprocess
import sys

import pytest

CODE = """
import os
from warmstart.training.memory import retained_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

for ends_by_error in (False, True):
    before = resident()
    try:
        with retained_memory() as callback:
            callback.on_train_batch_end(0)
            blocks = [bytearray(64 * 1024) for _ in range(4000)]
            del blocks
            retained = resident() - before
            if ends_by_error:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    print(retained > 200, resident() - before < 50)
"""


@pytest.mark.tensorflow
@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_retained_memory_is_returned_at_the_end():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"] * 4, done.stderr
