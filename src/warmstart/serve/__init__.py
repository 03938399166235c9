"""The HTTP server: models of every task behind protocols that existing clients speak. Needs the extra `serve`.

    settings     limits and addresses
    app          routes -> the ASGI application
    running      uvicorn around it: signals, draining, protocol errors
    registry     the models that are served; loading them again when their bundles change
    queue        a bounded queue in front of a model; independent of HTTP, like the next two
    batching     the threads that answer it in batches
    steps        the threads that answer it step by step, with continuous batching
    texts        generated texts, as work of `steps`
    answering    from what a request asks to a model's answers
    kinds        what a task takes: from bytes or JSON to an input of the model
    options      what may be asked of each task, as JSON schemas
    predict, v2, openai    the protocols; V2's arrays are coded by `tensors` and named by `signatures`
    state        what all endpoints share; putting questions to a model
    streaming    a text that is sent while it is written
    opening, reloading    from the command line to models; bundles that change on disk
    body, forms            request bodies, read within limits
    openapi, results    the document of all this
    errors, metrics, middleware, logs, protocol

TensorFlow is never imported.
"""
