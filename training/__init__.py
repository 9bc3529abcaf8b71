"""From a manifest id to an adapter.

run         the flow: resolve → verify → encode → plan → network → train → export → record
request     what a run is asked for; settings, models: what it can be told, and of what
batches/    from a manifest to the exact batches: tokenizer, templates, tokens, packing, the plan
network/    Tunix's Gemma with LoRA, its tensors by name, four bits; weights/ reads real ones
loop/       loss, update, trainer; devices and hosts; the learning rate, and when to stop
runs/       the folder of a run: its record, checkpoints, metrics; handed over, continued from
replies/    what a network answers; score: what it makes of each trace
watch/      what looks on while it trains; report/ the page of a run; export/ for other tools
commands/   the command line
"""
