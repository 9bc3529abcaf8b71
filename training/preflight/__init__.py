"""What a training costs on a TPU that is not there: its step is compiled for it, by libtpu, on a plain CPU.

target      the TPU, as devices to compile for, and what its chips can do
programs    the step that `training run` would execute, lowered for those devices, without a weight in memory
compiling   compiles it, or finds in a cache what an earlier compilation told
operations  the operations that it executes, from the jaxpr
links       the bytes that cross between chips, from the compiled program
prediction  what a session of it takes, at stated shares of the chips' peak
flight      the flow: plan, program, compilation, prediction
sweep       the same for lengths, batches and remats, ranked
"""
