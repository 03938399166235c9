"""`warmstart compile`: compile models ahead of time."""

from __future__ import annotations

from typing import Annotated

import typer


def compile_models(
    names: Annotated[list[str], typer.Argument(help="Names from `warmstart list`, or bundle folders.")],
    precision: Annotated[str, typer.Option(help="float32; int8: 8-bit weights, a quarter of the size; bfloat16: runs "
                                                "on OpenVINO.")] = "float32",
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights; "
                                              "`random` for speed tests.")] = "pretrained",
    check: Annotated[str | None, typer.Option(help="Photos (a folder or glob) to compare with float32 on.")] = None,
) -> None:
    """Compile models, so that predicting starts at once and without TensorFlow.

    For a precision other than float32 it also says what that costs in agreement and brings in speed.
    """
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.errors import WarmstartError
    from warmstart.image.precision import compare_precisions

    failed = 0
    for name in names:
        try:
            options = {"weights": None if weights == "random" else weights}
            model, _ = open_model(name, precision=precision, **options)
            with compiling(model):
                artifact = model.artifact
                engine = model.engine.name
            size = artifact.path.stat().st_size / 1e6
            worst = max(artifact.record["differences"].values())
            print(f"{model.name}: {precision}, {size:.1f} MB, fastest engine here: {engine}")
            if precision == "float32":
                print(f"  largest difference from Keras on the probe: {worst:.1g}")
                continue
            exact, _ = open_model(name, **options)
            with compiling(exact):
                exact.engine  # noqa: B018 (compiles)
            told = compare_precisions(model, exact, check)  # type: ignore[arg-type]
            kind = "photos" if told.photos else "made-up pictures (name some photos with --check)"
            print(f"  same best class as float32 on {told.agreement:.1%} of {told.count} {kind}; "
                  f"probabilities differ by up to {told.difference:.2g}")
            print(f"  {told.milliseconds:.1f} ms a photo, float32 {told.float32_milliseconds:.1f} ms: "
                  f"{told.ratio:.2f} of its time")
            if told.ratio > 1:
                print(f"  {precision} is slower than float32 here; use float32.")
        except WarmstartError as error:
            say(f"{name}: {error}")
            failed += 1
    if failed:
        raise typer.Exit(1)
