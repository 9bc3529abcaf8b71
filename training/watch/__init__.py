"""Watching a training: how fast it is, what it answers, and curves that grow while it runs.

peak              what a token costs, and what a device can do
pace              progress for people; `RUN/pace.jsonl`
samples           replies to held-out prompts; `RUN/samples.jsonl`
sampler           makes them
board             event files for TensorBoard; `RUN/tensorboard/`
watcher ── start  all of it, told of each step

Nothing here changes a bit of what is trained, and nothing that must come out the same twice knows a clock: speeds stand
apart from the metrics.
"""
