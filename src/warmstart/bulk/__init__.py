"""Batch prediction: any number of inputs into a folder of result files, on this machine or on a Ray
cluster.

    inputs -> listing (which rows there are) -> shards of N rows -> one result file a shard

`plan` makes the shards, `shards` runs one, `cluster` distributes them, `batch` ties it all together.
The content of a shard's files depends only on the plan, the model and the options: not on
the machine, the number of workers, or how often the run was killed.
"""
