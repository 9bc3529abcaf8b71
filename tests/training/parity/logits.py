"""Loads exports with transformers and peft on torch, and writes the logits and token ids that they give.

    python logits.py REQUEST ANSWER

REQUEST is a JSON file: `models` (by name: the folder `model`, and the folder `adapter` or null), `tokens` (rows of
ids), `positions` (the places of a row whose logits are wanted), `tokenizer` (a folder), `texts` and `prompts`. ANSWER
is a new folder: `<name>.npy` for each model, float32 [rows, positions, vocabulary], and `answer.json`.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# Not where the project's types are checked.
torch: Any = import_module("torch")
peft: Any = import_module("peft")
transformers: Any = import_module("transformers")


def load(model: str, adapter: str | None) -> Any:
    """A model in float32, with its adapter; every tensor of both must have found its place."""
    # Not every kind of attention knows Gemma-2's softcap; this one does.
    loaded, told = transformers.AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    if problems := {kind: names for kind, names in told.items() if names}:
        sys.exit(f"{model}: {problems}")
    return loaded if adapter is None else peft.PeftModel.from_pretrained(loaded, adapter)


def main(request_file: str, answer_folder: str) -> None:
    """Answer the request."""
    request = json.loads(Path(request_file).read_text())
    answer = Path(answer_folder)
    answer.mkdir()
    rows = torch.tensor(request["tokens"])
    states = {}
    for name, folders in request["models"].items():
        model = load(folders["model"], folders["adapter"])
        with torch.no_grad():
            logits = model(rows, logits_to_keep=torch.tensor(request["positions"])).logits
        np.save(answer / f"{name}.npy", logits.float().numpy())
        if folders["adapter"] is not None:
            model = model.merge_and_unload()
        states[name] = model.state_dict()
    apart = [float((states["adapter"][key] - values).abs().max()) for key, values in states["merged"].items()]
    tokenizer = transformers.AutoTokenizer.from_pretrained(request["tokenizer"])
    told = {
        "apart": max(apart),
        "texts": [tokenizer.encode(text, add_special_tokens=False) for text in request["texts"]],
        "prompts": [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=False
            )
            for prompt in request["prompts"]
        ],
        "decoded": [tokenizer.decode(tokenizer.encode(text)) for text in request["texts"]],
    }
    (answer / "answer.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
