"""The HTTP server: models of every task behind protocols that existing clients speak. Needs the extra `serve`.

    settings            limits and addresses
    app                 routes -> the ASGI application
    server, protocol    uvicorn around it: signals, draining, limits before a request is whole
    registry            the models that are served, with their queues
    queue               a bounded queue in front of a model; independent of HTTP, like the next four
    batching            the threads that process it in batches
    steps               the threads that process it with continuous batching
    texts               generated texts, as work of `steps`
    inference           inputs through a model, and its results as JSON values
    large               large inputs are processed one at a time
    options             the options of a request, within the server's limits
    body, forms         request bodies, read within limits
    parser              large bodies, parsed in another process (`parsing_process`)
    predict, v2, openai, openai_audio    the protocols; V2's arrays are encoded by `tensors` and
                        named by `signatures`
    preview             pictures for the page, in a format that browsers show
    state               what all endpoints share
    connections, listening, origins    limits of connections, shutdown, checks of Host and Origin
    streaming           a text that is sent while it is generated
    models, reloading   opening the models of the command line; reloading bundles that change on disk
    openapi, card       the OpenAPI document, and the description of a model
    errors, metrics, statistics, tracing, middleware, logs, access_log

TensorFlow is never imported.
"""
