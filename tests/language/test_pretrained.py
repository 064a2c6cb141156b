"""A model is read as it says it is to be read, or refused before anything is computed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModelForCausalLM

from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.language import pretrained
from coldbench.language.model_loading import load, load_model
from coldbench.language.pretrained import PACKAGED, manner, own_pooling, place, size_of
from coldbench.registry import find

WORDS = "amber birch cedar dune ember fern grove harbour iris jade kelp lotus maple 7".split()
TEXTS = ["amber birch", "cedar", "dune ember fern grove harbour iris jade", "", "kelp 7"]
SIZE = 16


def tokenizer(folder: Path, *, pad: str | None, end: str | None, side: str = "right") -> int:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    special = [word for word in (pad, "<unk>", end) if word]
    words = {word: n for n, word in enumerate([*special, *WORDS])}
    reader = Tokenizer(WordLevel(words, unk_token="<unk>"))
    reader.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=reader, unk_token="<unk>", pad_token=pad, eos_token=end, padding_side=side
    ).save_pretrained(folder)
    return len(words)


def tiny_model(folder: Path, family: str, *, places: int = 40, size: int | None = None) -> str:
    """A model of this family, its weights by lot: a folder."""
    import transformers as t

    bare = family == "gpt2-bare"  # neither a padding token nor an end
    pad = None if family in ("gpt2-bare", "gpt2", "llama", "llama-left") else "<pad>"
    side = "left" if family.endswith("-left") else "right"
    known = tokenizer(folder, pad=pad, end=None if bare else "<end>", side=side)
    vocab: dict[str, Any] = {"vocab_size": size or known}
    deep: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": SIZE}
    bert = vocab | deep | {"intermediate_size": 32, "max_position_embeddings": places}
    configs: dict[str, Callable[[], Any]] = {
        "bert": lambda: t.BertConfig(**bert),
        "roberta": lambda: t.RobertaConfig(**bert, pad_token_id=0),
        "mpnet": lambda: t.MPNetConfig(**bert),
        "distilbert": lambda: t.DistilBertConfig(
            **vocab, dim=SIZE, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=places
        ),
        "gpt2": lambda: t.GPT2Config(**vocab, n_embd=SIZE, n_layer=2, n_head=2, n_positions=places),
        "llama": lambda: t.LlamaConfig(**bert),
        "t5": lambda: t.T5Config(**vocab, d_model=SIZE, d_ff=32, d_kv=8, num_layers=2, num_heads=2),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        t.AutoModel.from_config(configs[family.partition("-")[0]]()).save_pretrained(folder)
    return str(folder)


def sentence(
    folder: Path, pooling: dict[str, Any], *more: str, prompt: Any = None, reads: Any = None
) -> str:
    """A BERT in a folder of sentence-transformers."""
    tiny_model(folder, "bert")
    kinds = ["Transformer", "Pooling", *more]
    paths = ["", *(f"{n}_{kind}" for n, kind in enumerate(kinds))][: len(kinds)]
    paths[1] = "1_Pooling"
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "1_Pooling").mkdir()
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("config_sentence_transformers.json", prompt),
        ("sentence_bert_config.json", reads),
    ):
        if content is not None:
            (folder / name).write_text(json.dumps(content))
    return str(folder)


def modes(*on: str) -> dict[str, Any]:
    known = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
    return {"word_embedding_dimension": SIZE} | {f"pooling_mode_{k}": k in on for k in known}


def short(name: str, **options: Any) -> Encoder:
    return Encoder(name, **{"max_tokens": 24, **options})


def states(encoder: Encoder, text: str) -> Tensor:
    """(L, D) without padding."""
    ids, mask = encoder.tokens([text])
    assert mask.all()
    with torch.no_grad():
        return encoder.model()(input_ids=ids).last_hidden_state[0]


FAMILIES = "bert roberta mpnet distilbert gpt2 gpt2-bare gpt2-left llama llama-left t5".split()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["own", "cls", "last"])
def test_a_text_has_one_vector_alone_and_among_others(
    tmp_path: Path, family: str, pooling: Any
) -> None:
    encoder = short(tiny_model(tmp_path, family), pooling=pooling)
    alone = torch.cat([encoder.embed([text]) for text in TEXTS])
    assert alone.shape == (len(TEXTS), SIZE)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(len(TEXTS)))
    torch.testing.assert_close(encoder.embed(TEXTS), alone, rtol=0, atol=1e-5)
    by_hand = states(encoder, TEXTS[2])
    by_hand = {"own": by_hand.mean(0), "cls": by_hand[0], "last": by_hand[-1]}[pooling]
    torch.testing.assert_close(alone[2], normalize(by_hand, dim=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama-left"])
def test_a_model_without_a_padding_token_is_padded_on_the_right(
    tmp_path: Path, family: str
) -> None:
    ids, mask = short(tiny_model(tmp_path, family)).tokens(["amber", "birch cedar dune"])
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert ids[0, 0] == 2 + WORDS.index("amber")


@pytest.mark.parametrize(
    ("mode", "ours"),
    [("cls_token", "cls"), ("mean_tokens", "mean"), ("mean_sqrt_len_tokens", "mean"),
     ("lasttoken", "last")],
)  # fmt: skip
def test_a_models_own_pooling_is_taken(tmp_path: Path, mode: str, ours: Any) -> None:
    encoder = short(sentence(tmp_path, modes(mode), "Normalize"))
    assert encoder.resolved() == replace(encoder, pooling=ours)
    assert torch.equal(encoder.embed(TEXTS), replace(encoder, pooling=ours).embed(TEXTS))
    assert encoder.hash == replace(encoder, pooling=ours).hash, "one setting, one fingerprint"


def test_the_newer_way_to_state_a_pooling_is_read(tmp_path: Path) -> None:
    assert own_pooling(sentence(tmp_path, {"pooling_mode": "cls"})) == "cls"


def test_a_model_that_says_nothing_is_read_by_the_mean(tmp_path: Path) -> None:
    assert short(tiny_model(tmp_path, "gpt2")).resolved().pooling == "mean"
    assert Encoder("vectors").resolved() == Encoder("vectors", pooling="mean")


@pytest.mark.parametrize(
    ("pooling", "more", "why"),
    [
        (modes("max_tokens"), (), "pools its tokens by max"),
        (modes("cls_token", "mean_tokens"), (), "pools its tokens by cls and mean"),
        (modes(), (), "pools its tokens by nothing"),
        (modes("mean_tokens"), ("Dense",), "has a Dense module after its tokens"),
    ],
)
def test_what_cannot_be_read_as_it_says_is_refused_and_the_remedy_works(
    tmp_path: Path, pooling: dict[str, Any], more: tuple[str, ...], why: str
) -> None:
    encoder = short(sentence(tmp_path, pooling, *more))
    for ask in (encoder.resolved, lambda: encoder.hash, lambda: encoder.embed(TEXTS)):
        with pytest.raises(UserError, match=f"{why}.*--set encoder.pooling=mean, cls or last$"):
            ask()
    for way in ("mean", "cls", "last"):
        replace(encoder, pooling=way).embed(TEXTS)


def test_weights_in_a_folder_of_their_own_are_said(tmp_path: Path) -> None:
    name = sentence(tmp_path, modes("mean_tokens"))
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match="has its weights in 0_Transformer: name that folder"):
        own_pooling(name)


def test_a_prompt_stands_before_each_text(tmp_path: Path) -> None:
    prompts = {"prompts": {"query": "amber dune "}, "default_prompt_name": "query"}
    prompted = short(sentence(tmp_path / "prompted", modes("mean_tokens"), prompt=prompts))
    silent = {**prompts, "default_prompt_name": None}
    plain = short(sentence(tmp_path / "plain", modes("mean_tokens"), prompt=silent))
    assert torch.equal(prompted.embed(TEXTS), plain.embed([f"amber dune {text}" for text in TEXTS]))
    assert prompted.tokens(["cedar"])[0].tolist() == plain.tokens(["amber dune cedar"])[0].tolist()


def test_a_prompt_that_is_no_part_of_the_mean_is_refused(tmp_path: Path) -> None:
    prompts = {"prompts": {"query": "amber "}, "default_prompt_name": "query"}
    pooling = modes("mean_tokens") | {"include_prompt": False}
    with pytest.raises(UserError, match="leaves its prompt out of the mean"):
        own_pooling(sentence(tmp_path / "one", pooling, prompt=prompts))
    assert own_pooling(sentence(tmp_path / "two", pooling)) == "mean", "there is no prompt"


def test_lower_case_is_read_where_the_model_says_so(tmp_path: Path) -> None:
    reads = {"max_seq_length": 24, "do_lower_case": True}
    lower = short(sentence(tmp_path / "lower", modes("mean_tokens"), reads=reads))
    assert torch.equal(lower.embed(["AMBER Birch"]), lower.embed(["amber birch"]))
    plain = short(sentence(tmp_path / "plain", modes("mean_tokens")))
    assert not torch.equal(plain.embed(["AMBER Birch"]), plain.embed(["amber birch"]))


@pytest.mark.parametrize(
    ("family", "longest"),
    [("bert", 40), ("distilbert", 40), ("gpt2", 40), ("llama", 40), ("roberta", 39), ("mpnet", 38)],
)
def test_a_text_may_have_as_many_tokens_as_there_are_places(
    tmp_path: Path, family: str, longest: int
) -> None:
    name = tiny_model(tmp_path, family)
    assert manner(name).longest == longest
    Encoder(name, max_tokens=longest).embed(["amber " * 100])
    with pytest.raises(UserError, match=f"--set encoder.max_tokens={longest}$"):
        Encoder(name, max_tokens=longest + 1).resolved()


def test_the_models_own_longest_text_counts_where_it_is_shorter(tmp_path: Path) -> None:
    name = sentence(tmp_path, modes("mean_tokens"), reads={"max_seq_length": 10})
    Encoder(name, max_tokens=10).resolved()
    with pytest.raises(UserError, match="reads 10 tokens at most, not 11"):
        Encoder(name, max_tokens=11).resolved()


def test_a_model_without_places_has_no_longest_text(tmp_path: Path) -> None:
    assert manner(tiny_model(tmp_path, "t5")).longest is None


def test_a_tokenizer_that_knows_more_than_the_weights_is_refused(tmp_path: Path) -> None:
    fits = 3 + len(WORDS)
    short(tiny_model(tmp_path / "fits", "bert", size=fits)).embed(TEXTS)
    with pytest.raises(UserError, match=f"knows {fits} tokens and its weights {fits - 1}"):
        short(tiny_model(tmp_path / "less", "bert", size=fits - 1)).embed(TEXTS)


@pytest.mark.parametrize("broken", ["modules.json", "config.json", "tokenizer.json", "weights"])
def test_a_model_that_is_not_whole_is_one_clear_line(tmp_path: Path, broken: str) -> None:
    name = sentence(tmp_path, modes("mean_tokens"))
    if broken == "weights":
        (tmp_path / "model.safetensors").unlink()
    else:
        (tmp_path / broken).write_text("{")
    with pytest.raises(UserError) as error:
        short(name).embed(TEXTS)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_encoders_and_language_models_have_one_table() -> None:
    assert find("methods", "prompt")().model in PACKAGED


@pytest.mark.parametrize("name", PACKAGED)
def test_a_named_model_lies_where_the_table_says(name: str) -> None:
    try:
        folder, packed = place(name)
    except Unavailable as error:
        pytest.skip(str(error))
    assert Path(folder, packed.get("gguf_file", "config.json")).is_file()


@pytest.mark.parametrize(("name", "remedy"), [("minilm", "--no-deps"), ("smollm2", "gguf`")])
def test_a_model_without_its_package_is_unavailable_and_says_why(
    monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda package: None)
    if name == "minilm":
        monkeypatch.setattr(pretrained, "installed", lambda package, inside: None)
    with pytest.raises(Unavailable, match=f"{PACKAGED[name][0]}.*{remedy}"):
        place(name)


def test_a_reader_is_no_model_that_goes_on_writing(tmp_path: Path) -> None:
    """BERT has no weights for the next word: transformers would make some up."""
    causal = import_module("coldbench.methods._causal").causal
    folder = tiny_model(tmp_path, "bert")
    with pytest.raises(UserError, match=r"no causal one, but of the family bert"):
        causal(folder, "float32", "cpu")
    with pytest.raises(UserError, match=r"no weights for .*: it is none of this kind"):
        load(AutoModelForCausalLM, folder)


def test_a_moved_folder_is_the_same_model(tmp_path: Path) -> None:
    encoder = short(sentence(tmp_path / "here", modes("cls_token")))
    moved = shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert replace(encoder, name=str(moved)).hash == encoder.hash


@pytest.mark.parametrize(("family", "causal"), [("bert", False), ("gpt2", True), ("llama", True)])
def test_a_model_is_sized_from_its_settings_alone(
    tmp_path: Path, family: str, causal: bool
) -> None:
    name = tiny_model(tmp_path, family)
    weights = sum(weight.numel() for weight in load_model(name).parameters())
    (tmp_path / "model.safetensors").unlink()
    size_of.cache_clear()
    size = size_of(name)
    assert (size.family, size.causal) == (family, causal)
    assert abs(size.weights - weights) <= 16 * 17  # the pooler of BERT's kind, which is not read


def test_a_model_without_room_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = tiny_model(tmp_path, "llama")
    few = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: few)
    with pytest.raises(UserError, match="GiB of memory for its weights") as error:
        load_model(name)
    assert "\n" not in str(error.value)
