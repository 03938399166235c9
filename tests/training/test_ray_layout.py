"""Workers of a fine-tuning on Ray fit on the machines of the cluster, or there is an error."""

import pytest

from warmstart.errors import UsageError
from warmstart.training.ray_layout import Layout, Machine, layout

EIGHT, TWO, HEAD = Machine(8), Machine(2), Machine(0)
GPUS = Machine(8, 2)


@pytest.mark.parametrize(
    ("machines", "options", "expected"),
    [
        ([EIGHT], {}, Layout(1, 8)),
        ([EIGHT, TWO, HEAD], {}, Layout(2, 4)),  # both on the larger one
        ([EIGHT, TWO], {"workers": 3}, Layout(3, 2)),
        ([TWO, TWO], {}, Layout(2, 2)),
        ([EIGHT, TWO], {"cpus": 2}, Layout(5, 2)),
        ([EIGHT, TWO], {"cpus": 3}, Layout(2, 3)),
        ([EIGHT], {"workers": 2, "cpus": 1}, Layout(2, 1)),
        ([GPUS, EIGHT], {}, Layout(2, 4, 1)),
        ([GPUS, EIGHT], {"workers": 1}, Layout(1, 8, 1)),
        ([GPUS, EIGHT], {"workers": 4}, Layout(4, 4)),  # too few GPUs for all: none
        ([GPUS, EIGHT], {"device": "cpu"}, Layout(2, 8)),
        ([GPUS, GPUS], {"cpus": 8}, Layout(2, 8, 1)),
    ],
)
def test_what_fits(machines, options, expected):
    assert layout(machines, **{"workers": None, "cpus": None, **options}) == expected


@pytest.mark.parametrize(
    ("machines", "options", "message"),
    [
        ([TWO], {"workers": 2, "cpus": 4}, "has 2 processors, too few for 2 workers of 4"),
        (
            [TWO, TWO],
            {"workers": 1, "cpus": 4},
            r"has 2 \+ 2 processors, too few for 1 worker of 4",
        ),
        ([TWO], {"workers": 3}, "too few for 3 workers of 1"),
        ([HEAD], {}, "has 0 processors"),
        ([], {}, "has no processors"),
        ([GPUS], {"workers": 3, "device": "gpu"}, "has 2 GPUs, too few for 3 workers"),
        ([TWO], {"device": "gpu"}, "has 0 GPUs"),
    ],
)
def test_too_small(machines, options, message):
    with pytest.raises(UsageError, match=message):
        layout(machines, **{"workers": None, "cpus": None, **options})
