"""Batch prediction: any number of inputs into a folder of result files, on this machine or on a Ray
cluster.

    inputs -> listing of rows -> shards of N rows -> one result file per shard

`plan` makes the shards, `shards` predicts one, `cluster` distributes them on Ray, `batch` is the entry
point. The content of a shard's files depends only on the plan, the model and the options, not on the
machine, the number of workers, or interruptions.
"""
