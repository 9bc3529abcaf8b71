"""TRL's SFTTrainer with PEFT's LoRA on torch. Run by the contest `training`, under a Python that has them.

    python rivals/trl_training.py MODEL TRACES ROWS STEPS RANK RATE [PACKED_LENGTH]

MODEL is a folder as transformers loads it. TRACES has a JSON line for each trace, ROWS × STEPS of them: `input_ids`,
and `completion_mask` with 1 where a token is trained on. Set up as TRL's documentation does: batches padded to their
longest trace or, with PACKED_LENGTH, packed into rows of that length. Prints one JSON object: seconds between the end
of the first step and the end of the last, the steps between, the losses, versions.
"""

import importlib
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    """Train and print."""
    model_folder, traces_file, *numbers = sys.argv[1:]
    rows, steps, rank = map(int, numbers[:3])
    rate, packed = float(numbers[3]), list(map(int, numbers[4:]))
    torch, datasets, peft, tokenizers, transformers, trl = map(
        importlib.import_module, ("torch", "datasets", "peft", "tokenizers", "transformers", "trl")
    )
    torch.manual_seed(42)
    traces = [json.loads(line) for line in Path(traces_file).read_text(encoding="ascii").splitlines()]
    model = transformers.AutoModelForCausalLM.from_pretrained(
        model_folder, dtype=torch.float32, attn_implementation="eager"
    )
    ends: list[float] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        """Notes when each step ended."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.SFTTrainer(
            model=model,
            args=trl.SFTConfig(
                output_dir=folder,
                max_length=packed[0] if packed else max(len(trace["input_ids"]) for trace in traces),
                packing=bool(packed),
                per_device_train_batch_size=rows,
                max_steps=steps,
                learning_rate=rate,
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                completion_only_loss=True,
            ),
            train_dataset=datasets.Dataset.from_list(traces),
            processing_class=_padding_alone(tokenizers, transformers),
            peft_config=peft.LoraConfig(
                r=rank, lora_alpha=rank, target_modules=LINEAR, task_type="CAUSAL_LM"
            ),
            callbacks=[Clock()],
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    result = {
        "seconds": ends[-1] - ends[0],
        "steps": len(ends) - 1,
        "losses": losses,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
    }
    print(json.dumps(result))


def _padding_alone(tokenizers: Any, transformers: Any) -> Any:
    """The traces are ids already: of a tokenizer the trainer needs its padding alone."""
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))  # noqa: S106
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",  # noqa: S106 - a token of text
        eos_token="<eos>",  # noqa: S106
    )


if __name__ == "__main__":
    main()
