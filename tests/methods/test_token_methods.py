"""Token-level methods: exact, frozen where they say so, and the same however users are batched."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder, Items, pool
from coldbench.episode import EpisodeBatch
from coldbench.errors import UserError
from coldbench.seeds import Seeds
from coldbench.testing import MethodUnderTest, ToyProblem, toy_problem
from tests.methods.test_training_options import OPTIONS
from tests.training import agree, close, cold, of_user, predict, trained

BRIEF: dict[str, Any] = {"meta_steps": 2, "meta_users": 4, "valid_users": 4}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ToyProblem:
    return toy_problem(tmp_path_factory.mktemp("world"))


def tuned(name: str, world: ToyProblem, **params: Any) -> Any:
    return trained(name, world, **BRIEF | params)


def some_users(world: ToyProblem, users: int = 6, shots: int = 4) -> EpisodeBatch:
    return cold(world, shots, users)


PER_USER = ["lora", "adapter", "ia3", "bitfit", "prefix", "full-finetune"]


@pytest.fixture(scope="module", params=PER_USER)
def method(request: pytest.FixtureRequest, world: ToyProblem) -> Any:
    return tuned(request.param, world, blocks=2)


def alone(
    method: Any, world: ToyProblem, episode: EpisodeBatch, model: Any, weights: list[Any]
) -> Tensor:
    """One user as anybody would have it: the whole encoder, text by text, plain SGD on weights."""
    learned, encoder = method.learned, world.items.encoder

    def read(items: Tensor) -> Tensor:
        vectors = []
        for item in items[0].tolist():
            ids, mask = encoder.tokens([world.items.catalogue.text[item]])
            hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            vectors.append(pool(hidden, mask, encoder.pooling))
        return torch.nn.functional.normalize(torch.cat(vectors), dim=1)

    asked, support = episode.query.items, episode.support
    with torch.no_grad():
        before = {key: read(items) for key, items in (("seen", support.items), ("asked", asked))}
        middle = read(torch.arange(len(world.items))[None]).mean(0)
    head = torch.zeros_like(learned["head"], requires_grad=method.own_head)  # the user's own

    def logits(key: str, items: Tensor) -> Tensor:
        vectors = read(items)
        moved = (vectors - before[key]) @ learned["head"] + (vectors - middle) @ head
        return learned["prior"][items[0]] + moved

    groups = [{"params": weights, "lr": float(learned["rate"])}]
    if method.own_head:
        groups.append({"params": [head], "lr": float(learned["head_rate"])})
    sgd = torch.optim.SGD(groups)
    for _ in range(method.inner_steps):
        sgd.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits("seen", support.items), support.labels[0], reduction="sum"
        )
        (loss / (support.items.shape[1] + method.damping)).backward()
        sgd.step()
    with torch.no_grad():
        return torch.sigmoid(logits("asked", asked))


def by_peft(config: Any, model: Any) -> tuple[Any, list[Any]]:
    from peft import get_peft_model

    model = get_peft_model(model, config).eval()
    return model, [weight for weight in model.parameters() if weight.requires_grad]


def beside(module: Any, keys: Tensor, values: Tensor, x: Tensor, *_: Any, **__: Any) -> Any:
    """Attention written out for one text, over the prefix and the text's own tokens."""
    k, v = torch.cat([keys, module.key(x[0])]), torch.cat([values, module.value(x[0])])
    q, wide, mixed = module.query(x[0]), module.attention_head_size, []
    for head in (slice(at, at + wide) for at in range(0, q.shape[1], wide)):
        scores = q[:, head] @ k[:, head].T / wide**0.5
        mixed.append(scores.softmax(1) @ v[:, head])
    return torch.cat(mixed, 1)[None], None


def as_prefix(method: Any, model: Any, top: list[int]) -> tuple[Any, list[Any]]:
    weights = []
    for place, at in enumerate(top):
        attend = model.encoder.layer[at].attention.self
        keys, values = (
            method.learned[f"start.{place}.{name}"].clone().requires_grad_()
            for name in ("keys", "values")
        )
        weights += [keys, values]

        attend.forward = partial(beside, attend, keys, values)
    return model, weights


@pytest.mark.parametrize("blocks", [1, 2])
def test_batched_a_prefix_is_what_plain_torch_does_one_user_at_a_time(
    blocks: int, world: ToyProblem
) -> None:
    """Of the other rows tests/methods/test_backbones.py says it, over families of models."""
    method = tuned("prefix", world, blocks=blocks, inner_steps=3)
    batch = some_users(world, users=3)
    batched = predict(method, batch)
    moved = (batched - predict(method, some_users(world, users=3, shots=0))).abs()
    assert moved.max() > 1e-3, "nothing moved: equality would say nothing"
    for user in range(3):
        encoder: Any = world.items.encoder.model()
        depth = len(encoder.encoder.layer)
        model, weights = as_prefix(method, encoder, list(range(depth - blocks, depth)))
        close(batched[user], alone(method, world, of_user(batch, user), model, weights))


def test_users_are_met_in_chunks_without_a_difference(
    method: Any, world: ToyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = predict(method, some_users(world))
    monkeypatch.setitem(type(method).adapt.__globals__, "AT_ONCE", 1)
    close(predict(method, some_users(world)), together)


def test_the_trunk_and_the_top_blocks_make_the_plain_vectors(
    method: Any, world: ToyProblem
) -> None:
    items = torch.arange(len(world.items)).view(6, -1)
    packed = method.trunk.pack(items, torch.ones_like(items).bool())
    close(method.trunk.read(packed), world.items.features[items])


def test_a_first_step_is_shared_where_users_saw_the_same_items(
    world: ToyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora, batch = tuned("lora", world), some_users(world, users=12, shots=12)
    assert lora._first_step(batch.support), "too few items are shared: the test would say nothing"
    shared = predict(lora, batch)
    monkeypatch.setattr(type(lora), "_first_step", lambda *_: {})
    close(shared, predict(lora, batch))


@pytest.mark.parametrize("name", PER_USER)
def test_in_bfloat16_scores_are_near_and_states_float32(name: str, world: ToyProblem) -> None:
    plain, batch = tuned(name, world), some_users(world, shots=8)
    fast = tuned(name, world, precision="bfloat16")
    fast.learned = plain.learned
    assert fast.trunk.states.dtype == torch.bfloat16
    assert {value.dtype for value in fast.adapt(batch.support).values()} == {torch.float32}
    close(predict(fast, batch), predict(plain, batch), 0.02)


def test_dropout_hides_what_the_head_reads_and_only_in_training(world: ToyProblem) -> None:
    lora = tuned("lora", world, dropout=0.5)
    whole = lora.learned["head"]
    assert whole.all(), "a mask for training was kept"
    lora.thin(torch.Generator().manual_seed(0))
    thinned = lora.learned["head"]
    kept = thinned != 0
    assert 0 < kept.sum() < len(kept)
    torch.testing.assert_close(thinned[kept], 2 * whole[kept])


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_every_pooling_is_read_as_the_encoder_reads_them(world: ToyProblem, pooling: Any) -> None:
    encoder = replace(world.items.encoder, pooling=pooling)
    items = encoder.items(world.items.catalogue)
    lora = tuned("lora", replace(world, items=items))
    asked = torch.arange(10)[None]
    packed = lora.trunk.pack(asked, torch.ones_like(asked).bool())
    close(lora.trunk.read(packed)[0], items.features[:10])


def test_without_support_it_is_the_item_prior(method: Any, world: ToyProblem) -> None:
    batch = some_users(world, shots=0)
    prior = torch.sigmoid(method.learned["prior"][batch.query.items])
    close(predict(method, batch), prior)


def test_the_state_is_the_change_alone(world: ToyProblem) -> None:
    state = tuned("lora", world, rank=4).adapt(some_users(world).support)
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "0.attention.self.query.A": (6, 4, 32),
        "0.attention.self.query.B": (6, 32, 4),
        "0.attention.self.value.A": (6, 4, 32),
        "0.attention.self.value.B": (6, 32, 4),
    }


def test_the_trunk_is_read_from_disk_the_second_time(
    world: ToyProblem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path))
    first = tuned("lora", world).trunk
    assert [path.suffix for path in (tmp_path / "tokens").iterdir()] == [".safetensors"]
    monkeypatch.setattr(Encoder, "tokens", None)  # reading once more would call it
    second = tuned("lora", world).trunk
    assert torch.equal(first.states, second.states)


@pytest.mark.parametrize("name", [*PER_USER, "domain-finetune", "setfit"])
def test_vectors_are_refused_with_what_to_use(world: ToyProblem, name: str) -> None:
    items = Items(world.items.features, world.items.catalogue, Encoder("vectors"))
    with pytest.raises(UserError, match="use 'minilm'"):
        trained(name, (world.split, items))


def test_more_blocks_than_there_are_is_an_error(world: ToyProblem) -> None:
    with pytest.raises(UserError, match="blocks must be 1 to 2 for this encoder, not 3"):
        tuned("lora", world, blocks=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_with_a_pretrained_encoder_it_learns_a_planted_taste(name: str, tmp_path: Path) -> None:
    subject = MethodUnderTest(registry.find("methods", name), tmp_path)
    try:
        items = Encoder().items(subject.with_signal.items.catalogue)
    except UserError as error:
        pytest.skip(str(error))
    world = ToyProblem(subject.with_signal.split, items)
    method = subject.train(world, short=False)
    none, many = (float(subject.auc(method, world, k).mean()) for k in (0, 12))
    assert none > 0.6  # the planted quality of items
    assert many > none + 0.02, f"AUC is {none:.3f} at K = 0 and {many:.3f} at K = 12"


def test_domain_finetune_changes_its_own_copy_and_reads_text_alone(world: ToyProblem) -> None:
    method = trained("domain-finetune", world, epochs=1)
    plain = world.items.encoder.model().state_dict()
    tuned = {name[6:]: w for name, w in method.learned.items() if name.startswith("model.")}
    assert tuned.keys() == plain.keys()
    assert not all(torch.equal(tuned[name], plain[name]) for name in plain)
    four, none = some_users(world), some_users(world, shots=0)
    assert torch.equal(predict(method, four), predict(method, none))


def fitted(world: ToyProblem, *, valid: bool, **params: Any) -> Any:
    method = registry.find("methods", "domain-finetune")(epochs=2, **params)  # a rate of 0 too
    given = world.split.valid if valid else world.split.valid.first(0)
    method.meta_train(world.split.warm, given, world.items, Seeds.of(0))
    return method


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_domain_finetune_has_the_options_of_trained_methods(
    world: ToyProblem, option: dict[str, Any]
) -> None:
    """Nobody to stop by: the last weights are kept."""
    plain, other = (
        fitted(world, valid=False, **given).learned["expected"] for given in ({}, option)
    )
    assert bool(((other > 0) & (other < 1)).all()) and not torch.equal(plain, other)


def test_domain_finetune_keeps_the_best_weights_and_not_the_last(world: ToyProblem) -> None:
    """Rates that ruin it: no epoch is better than the start, of which nothing has been learnt."""
    kept = fitted(world, valid=True, lr=0.0, head_lr=1e4).learned
    assert float(kept["head"].abs().max()) == 0
    assert float(fitted(world, valid=False, lr=0.0, head_lr=1e4).learned["head"].abs().max()) > 1


def test_setfit_pairs_are_of_one_user_and_of_the_verdicts_they_say(world: ToyProblem) -> None:
    setfit, warm = registry.find("methods", "setfit"), world.split.warm
    verdicts = []  # of each user: item -> whether it is above the user's mean label
    for begin, end in zip(warm.log.offsets, warm.log.offsets[1:], strict=False):
        labels = warm.labels[begin:end]
        above = (labels > labels.mean()).tolist()
        verdicts.append(dict(zip(warm.log.items[begin:end].tolist(), above, strict=True)))
    for pairs, alike in setfit._tuned.__globals__["_pairs"](warm, 3, 8, 0):
        assert alike.tolist() == [1, 0] * 4
        for (item, other), same in zip(pairs.tolist(), alike, strict=True):
            both = [of for of in verdicts if item in of and other in of]
            assert item != other
            assert any((of[item] == of[other]) == same for of in both)


def test_setfit_without_a_lesson_is_logistic_on_centred_vectors(world: ToyProblem) -> None:
    setfit = trained("setfit", world, pair_steps=0, s=1.0)
    features = world.items.features - world.items.features.mean(0)
    items = replace(world.items, features=features)
    agree(setfit, trained("logistic", (world.split, items), s=1.0), some_users(world))


def test_setfit_learns_its_lesson(world: ToyProblem) -> None:
    """Items of one verdict lie nearer than items of two, by more than before."""
    gaps = []
    for steps in (0, 200):
        setfit = trained("setfit", world, pair_steps=steps, pair_lr=1e-3)
        unit = torch.nn.functional.normalize(setfit.learned["features"], dim=1)
        pairs, alike = next(setfit._tuned.__globals__["_pairs"](world.split.warm, 1, 2000, 5))
        near = (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1)
        gaps.append(float(near[alike == 1].mean() - near[alike == 0].mean()))
    assert gaps[1] > 1.1 * gaps[0] > 0, gaps
