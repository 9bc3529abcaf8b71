"""What a preflight tells: an object for `--json`, lines for people."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from training.loop.budget import duration
from training.preflight.flight import Flight
from training.preflight.sweep import Tried
from training.preflight.target import GIB


def flight_json(flight: Flight) -> dict[str, object]:
    """What `--json` prints of a preflight."""
    question, compiled, work = flight.question, flight.compiled, flight.work
    return {
        "fits": flight.fits_memory and flight.fits_budget,
        "fits_memory": flight.fits_memory,
        "fits_budget": flight.fits_budget,
        "gib_per_chip": round(compiled.bytes / GIB, 3),
        "executed_flops_per_useful_token": flight.operations_a_token,
        "link_bytes_per_useful_token": flight.sent_a_token,
        "predicted_minutes": {
            str(session.share): round(session.seconds / 60, 1) for session in flight.sessions
        },
        "target": question.target.name,
        "kind": question.target.kind,
        "devices": flight.devices,
        "compiler": question.target.compiler,
        "compiled_seconds": round(compiled.seconds, 1),
        "cached": flight.cached,
        "settings": asdict(question.settings),
        "micro_batches": flight.micro_batches,
        "attention": flight.attention,
        "memory": {
            "bytes": compiled.bytes,
            "arguments": compiled.arguments,
            "temporaries": compiled.temporaries,
            "outputs": compiled.outputs,
            "available": flight.memory,
        },
        "operations": {
            "a_device_and_step": flight.operations,
            "floor_of_the_length": work.floor,
            "needed_by_the_plan": work.needed,
        },
        "link_bytes_a_device_and_step": compiled.links,
        "plan": {
            "id": question.plan.id,
            "steps": work.steps,
            "tokens": question.plan.tokens,
            "tokens_a_step": round(work.useful),
            "padding": round(1 - question.plan.fill, 4),
            "over_length": {
                left.source: {"traces": left.traces, "tokens": left.tokens}
                for left in question.plan.over_length
            },
        },
        "recompilations": 0,
        "budget": question.budget,
        "budget_share": question.share,
        "sessions": [{**asdict(session), "seconds": session.seconds} for session in flight.sessions],
        "assumptions": list(assumptions(flight)),
    }


def flight_lines(flight: Flight) -> Iterator[str]:
    """The same for people."""
    question, compiled, work = flight.question, flight.compiled, flight.work
    settings, target = question.settings, question.target
    how = "from the cache" if flight.cached else f"compiled in {compiled.seconds:.0f} s"
    yield f"target      {target.name}: {flight.devices} × {target.kind}, {target.compiler}, {how}"
    yield (
        f"step        {settings.batch} rows of {settings.length:,} tokens, {flight.micro_batches} micro-batches "
        f"a device, remat {settings.remat}, {flight.attention} attention"
    )
    yield _memory_line(flight)
    yield (
        f"operations  {flight.operations_a_token / 1e9:.2f} GFLOP a useful token: "
        f"{flight.operations_a_token / work.floor:.2f} × the floor of its length, "
        f"{flight.operations_a_token / work.needed:.2f} × what the plan's traces need"
    )
    kinds = ", ".join(f"{kind} {sent / 1e6:,.0f} MB" for kind, sent in compiled.links.items()) or "nothing"
    yield f"links       {flight.sent_a_token / 1e3:,.2f} KB a useful token; a device sends in a step: {kinds}"
    yield (
        f"plan        {work.steps:,} steps, {work.useful:,.0f} tokens a step, {1 - question.plan.fill:.1%} padding; "
        "one program for all of them, no recompilation"
    )
    for session in flight.sessions:
        yield (
            f"predicted   {duration(session.seconds)} at {session.share:.0%} of peak: "
            f"training {duration(session.training)}, links {duration(session.links)}, "
            f"evaluation {duration(session.evaluation)}"
        )
    if question.budget is not None:
        verdict = "fits" if flight.fits_budget else "does NOT fit"
        took = duration(flight.session(question.share).seconds)
        yield f"budget      {duration(question.budget)}: {verdict} ({took} at {question.share:.0%} of peak)"
    for assumption in assumptions(flight):
        yield f"assumed     {assumption}"


def _memory_line(flight: Flight) -> str:
    compiled, available = flight.compiled, flight.memory
    if compiled.over:
        return f"memory      does NOT fit: {compiled.over / GIB:.2f} GiB a chip, {available / GIB:.2f} GiB available"
    verdict = "fits" if flight.fits_memory else "does NOT fit"
    return (
        f"memory      {verdict}: {compiled.bytes / GIB:.2f} of {available / GIB:.2f} GiB a chip, "
        f"{compiled.arguments / GIB:.2f} arguments, {compiled.temporaries / GIB:.2f} temporaries, "
        f"{compiled.outputs / GIB:.2f} outputs; {(available - compiled.bytes) / GIB:.2f} free"
    )


def assumptions(flight: Flight) -> Iterator[str]:
    """What the prediction takes for granted, in sentences."""
    target = flight.question.target
    yield "this is a prediction: the program is the one that would run, its time was never measured on this target"
    yield f"a share of {target.peak / 1e12:,.0f} TFLOP/s of matrix products in bfloat16 is what the chips reach"
    yield f"links of {target.chip.link_rate / 1e9:,.0f} GB/s a chip, and nothing computed while they carry gradients"
    yield "an evaluation costs a third of a step for each batch of held-out rows"
    yield "not counted: compilation, loading the weights, checkpoints, samples, and waiting for the host"


def refusal(flight: Flight, nearest: Flight | None) -> str:
    """One line: why a step can't run on its target, and the nearest settings that can."""
    question, settings = flight.question, flight.question.settings
    what = (
        f"{settings.batch} rows of {settings.length:,} tokens with remat {settings.remat} need "
        f"{flight.compiled.bytes / GIB:.2f} GiB a chip, {question.target.name} has {flight.memory / GIB:.2f}"
    )
    if nearest is None:
        return f"{what}; nothing near it fits either: take a smaller model, or more memory"
    other = nearest.question.settings
    changed = [
        f"{name} = {value!r}" if isinstance(value, str) else f"{name} = {value}"
        for name, value in asdict(other).items()
        if value != getattr(settings, name)
    ]
    return f"{what}; the nearest that fits has {', '.join(changed)} ({nearest.compiled.bytes / GIB:.2f} GiB)"


def sweep_json(tried: Sequence[Tried]) -> dict[str, object]:
    """What `--json` prints of a sweep, the best first."""
    return {"tried": [flight_json(each.flight) for each in tried]}


def sweep_lines(tried: Sequence[Tried]) -> Iterator[str]:
    """The same for people."""
    yield (
        "  length  rows  at once  remat         base        GiB a chip  GFLOP a token  KB a token  left out  "
        "predicted at the budget's share"
    )
    for each in tried:
        flight, settings = each.flight, each.settings
        left = sum(source.traces for source in flight.question.plan.over_length)
        session = (
            duration(flight.session(flight.question.share).seconds) if flight.fits_memory else "does not fit"
        )
        yield (
            f"{settings.length:>8,}  {settings.batch:>4}  {settings.rows_per_device:>7}  {settings.remat:<12}  "
            f"{settings.placement:<10}  {flight.compiled.bytes / GIB:>10.2f}  "
            f"{flight.operations_a_token / 1e9:>13.2f}  {flight.sent_a_token / 1e3:>10,.1f}  {left:>8,}  {session}"
        )
