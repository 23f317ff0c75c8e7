"""How do a model folder and a recipe become a model that can be trained?"""

import warnings
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from grpoctl.engines.trl.rollout import Model
from grpoctl.engines.trl.translate import lora_arguments, model_arguments, quantization_arguments
from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import find_model
from grpoctl.paths import is_file, is_folder
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer import end_ids as tokenizer_ends
from grpoctl.tokenizer import quieten_transformers, said_in_one_line


def end_ids(tokenizer: Any, model: Model, template_name: str | None = None) -> tuple[int, ...]:
    """Every token that ends an answer, those that the model declares among them."""
    return tokenizer_ends(tokenizer, model.generation_config.eos_token_id, template_name)


def load_model(recipe: Recipe, folder: Path) -> Model:
    """The model, with the adapters that the recipe starts from."""
    arguments = model_arguments(recipe)
    quantization = quantization_arguments(recipe)
    if quantization is not None:
        arguments["quantization_config"] = BitsAndBytesConfig(**quantization)
    with said_in_one_line(folder, "model"):
        model: Model = AutoModelForCausalLM.from_pretrained(folder, **arguments)
    for number, adapter in enumerate(recipe.adapter_name_or_path, 1):
        last = number == len(recipe.adapter_name_or_path)
        place = find_model(adapter, cache_dir=recipe.cache_dir) or adapter
        refuse_pickled(Path(place))
        with said_in_one_line(Path(place), "adapter"):
            adapted = PeftModel.from_pretrained(model, place, is_trainable=last)
            model = adapted if last else adapted.merge_and_unload()
    return model


def refuse_pickled(adapter: Path) -> None:
    """peft takes a pickle where there is nothing else, and a pickle can run code when it is read."""
    if is_folder(adapter) and not is_file(adapter / "adapter_model.safetensors"):
        pickled = is_file(adapter / "adapter_model.bin")
        problem = "holds its weights as a pickle, which could run code" if pickled else "holds no adapters"
        raise ModelError(Finding(problem, "save them as adapter_model.safetensors", file=str(adapter)))


def lora_config(recipe: Recipe) -> LoraConfig | None:
    """New adapters; None for full training, or where the recipe brings adapters to go on with."""
    arguments = lora_arguments(recipe)
    return None if arguments is None or recipe.adapter_name_or_path else LoraConfig(**arguments)


def quieten_libraries() -> None:
    """Their bars and notes are for their own users; what matters here is said by grpoctl."""
    quieten_transformers()
    warnings.filterwarnings("ignore", module=r"(torch|trl|peft|accelerate|datasets)(\.|$)")
