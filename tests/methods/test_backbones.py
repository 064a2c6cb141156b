"""Changes of the model for each user, over the families of transformers: small ones made by lot."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder
from coldbench.errors import UserError
from coldbench.testing import ToyProblem, toy_problem
from tests.language.test_pretrained import tokenizer
from tests.methods.test_token_methods import alone, by_peft, some_users, tuned
from tests.training import close, of_user, predict

WIDE: dict[str, Any] = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32}
GROUPED: dict[str, Any] = WIDE | {"num_key_value_heads": 2, "head_dim": 8}
FED: dict[str, Any] = {"intermediate_size": 48, "max_position_embeddings": 64}
NARROW: dict[str, Any] = {"d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 3, "num_heads": 4}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", WIDE | FED),
    "roberta": ("Roberta", WIDE | FED),
    "distilbert": ("DistilBert", {"dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 4}),
    "modernbert": ("ModernBert", WIDE | FED | {"local_attention": 4}),
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "llama": ("Llama", GROUPED | FED),
    "mistral": ("Mistral", GROUPED | FED | {"sliding_window": 3}),
    "qwen2": ("Qwen2", GROUPED | FED),
    "qwen3": ("Qwen3", GROUPED | FED),
    "gemma": ("Gemma", GROUPED | FED),
    "gemma2": ("Gemma2", GROUPED | FED | {"query_pre_attn_scalar": 8, "sliding_window": 3}),
    "gemma3": ("Gemma3Text", GROUPED | FED | {"sliding_window": 3}),
    "t5": ("T5", NARROW),
    "gated t5": ("T5", NARROW | {"feed_forward_proj": "gated-gelu"}),
}
TARGETS = {  # peft's own, or as a reader of its documentation would write them
    "distilbert": (["q_lin", "v_lin"], ["k_lin", "v_lin", "lin2"], ["lin2"]),
    "modernbert": (["Wqkv"], ["Wqkv", "mlp.Wo"], ["mlp.Wo"]),
    "gpt2": (["c_attn"], ["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    "bert": (["query", "value"], ["key", "value", "output.dense"], ["output.dense"]),
    "roberta": (["query", "value"], ["key", "value", "output.dense"], ["output.dense"]),
    "t5": (["q", "v"], ["k", "v", "wo"], ["wo"]),
    "gated t5": (["q", "v"], ["k", "v", "wo"], ["wo"]),
}
PROJECTED = (["q_proj", "v_proj"], ["k_proj", "v_proj", "down_proj"], ["down_proj"])


def tiny(folder: Path, family: str) -> Encoder:
    import transformers as t

    stem, options = FAMILIES[family]
    known = tokenizer(folder, pad="<pad>", end="<end>")
    config = getattr(t, f"{stem}Config")(vocab_size=known, pad_token_id=0, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = t.AutoModel.from_config(config)
        for name, weight in model.named_parameters():  # louder than at a start of training
            if weight.dim() > 1:
                weight.data.normal_(std=0.25)
            elif "bias" in name:
                weight.data.normal_(std=0.1)
    model.save_pretrained(folder)
    return Encoder(str(folder), max_tokens=24)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, family: str) -> ToyProblem:
    plain = toy_problem(tmp_path_factory.mktemp("world"), tokens=False)
    encoder = tiny(tmp_path_factory.mktemp("model"), family)
    return ToyProblem(plain.split, encoder.items(plain.items.catalogue))


@pytest.mark.parametrize(("blocks", "above"), [(1, False), (3, False), (2, True)])
def test_cut_at_a_block_it_reads_as_the_whole_model(
    world: ToyProblem, blocks: int, above: bool
) -> None:
    shared = registry.find("methods", "lora")._read.__globals__["SharedEncoder"]
    trunk = shared.of(world.items, blocks, above=above)
    close(trunk.every(), world.items.features)


def top_of(family: str) -> list[int]:
    """The blocks of three that are changed: of BERT two."""
    return [1, 2] if family == "bert" else [2]


def inside(names: list[str], top: list[int]) -> str:
    """peft's pattern for some layers of the top blocks."""
    ends, at = "|".join(name.replace(".", r"\.") for name in names), "|".join(map(str, top))
    return rf".*\w+\.({at})\.(?!attention\.output|layer\.0\.SelfAttention\.o)(.*\.)?({ends})"


def as_lora(method: Any, model: Any, targets: list[str], top: list[int]) -> tuple[Any, list[Any]]:
    from peft import LoraConfig

    turned: dict[str, Any] = {"fan_in_fan_out": True} if targets == ["c_attn"] else {}
    layers = inside(targets, top)
    config = LoraConfig(r=method.rank, lora_alpha=method.alpha, target_modules=layers, **turned)
    model, weights = by_peft(config, model)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            letter = "A" if "lora_A" in name else "B"
            (place,) = (n for n, at in enumerate(top) if f".{at}." in name)
            leaf = name.partition(f".{top[place]}.")[2].partition(".lora_")[0]
            weight.data = method.learned[f"start.{place}.{leaf}.{letter}"].clone()
    return model, weights


def as_ia3(model: Any, layers: str, wide: str) -> tuple[Any, list[Any]]:
    from peft import IA3Config

    return by_peft(IA3Config(target_modules=layers, feedforward_modules=wide), model)


@pytest.mark.parametrize("name", ["lora", "ia3"])
def test_batched_it_is_what_peft_does_one_user_at_a_time(
    name: str, world: ToyProblem, family: str
) -> None:
    top = top_of(family)
    method = tuned(name, world, blocks=len(top), inner_steps=2)
    batch = some_users(world, users=3)
    batched = predict(method, batch)
    moved = (batched - predict(method, some_users(world, users=3, shots=0))).abs()
    assert moved.max() > 1e-3, "nothing moved: equality would say nothing"
    lora, ia3, wide = TARGETS.get(family, PROJECTED)
    for user in range(3) if family == "bert" else [1]:
        model: Any = world.items.encoder.model()
        if name == "lora":
            model, weights = as_lora(method, model, lora, top)
        else:
            model, weights = as_ia3(model, inside(ia3, top), inside(wide, top))
        close(batched[user], alone(method, world, of_user(batch, user), model, weights))


@pytest.mark.parametrize("name", ["bitfit", "full-finetune"])
def test_it_is_what_plain_torch_does_to_the_blocks_own_weights(
    name: str, world: ToyProblem, family: str
) -> None:
    """Of bitfit only where every layer but the key's has a bias of its own."""
    if name == "bitfit" and family not in ("bert", "roberta", "distilbert", "gpt2"):
        pytest.skip("its layers have no biases to move in place")
    top = top_of(family)
    method = tuned(name, world, blocks=len(top), inner_steps=2)
    batch = some_users(world, users=1)
    model: Any = world.items.encoder.model()
    blocks = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    named = [pair for at in top for pair in blocks[at].named_parameters()]
    weights = [w for key, w in named if name == "full-finetune" or key.endswith("bias")]
    expected = alone(method, world, batch, model, [w.requires_grad_() for w in weights])
    moved = (expected - predict(method, some_users(world, users=1, shots=0))).abs()
    assert moved.max() > 1e-3, "nothing moved: equality would say nothing"
    close(predict(method, batch)[0], expected)


@pytest.mark.parametrize("name", ["adapter", "prefix"])  # the others are compared above
def test_every_row_moves_and_users_batched_are_users_one_by_one(
    name: str, world: ToyProblem
) -> None:
    method, batch = tuned(name, world, blocks=2), some_users(world, users=3)
    together = predict(method, batch)
    one_by_one: Tensor = torch.cat([predict(method, of_user(batch, user)) for user in range(3)])
    close(together, one_by_one)
    assert (together - predict(method, some_users(world, users=3, shots=0))).abs().max() > 1e-3


def test_a_model_whose_blocks_hide_something_is_refused_in_one_line(
    world: ToyProblem, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it told its blocks of places in a way that is not seen from outside."""
    if family != "llama":
        pytest.skip("one family shows it")
    names = registry.find("methods", "lora")._read.__globals__["SharedEncoder"].of.__globals__
    read, mapped = names["told_blocks"], names["mapped"]
    monkeypatch.setitem(names, "told_blocks", lambda *given: mapped(read(*given), torch.zeros_like))
    with pytest.raises(UserError, match="do not make what the whole model makes"):
        tuned("lora", world)
