"""What a model is, and whether there is room for it, is known before a weight is read."""

from pathlib import Path

import psutil
import pytest

from coldbench.errors import UserError
from coldbench.model_loading import load_model
from coldbench.pretrained import size_of
from tests.words.test_pretrained import made


@pytest.mark.parametrize(("family", "causal"), [("bert", False), ("gpt2", True), ("llama", True)])
def test_a_model_is_sized_from_its_settings_alone(
    tmp_path: Path, family: str, causal: bool
) -> None:
    name = made(tmp_path, family)
    weights = sum(weight.numel() for weight in load_model(name).parameters())
    (tmp_path / "model.safetensors").unlink()
    size_of.cache_clear()
    size = size_of(name)
    assert (size.family, size.causal) == (family, causal)
    assert abs(size.weights - weights) <= 16 * 17  # the pooler of BERT's kind, which is not read


def test_a_model_without_room_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = made(tmp_path, "llama")
    few = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: few)
    with pytest.raises(UserError, match="GiB of memory for its weights") as error:
        load_model(name)
    assert "\n" not in str(error.value)
