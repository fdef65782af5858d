"""The hooks into transformers' encoders: what their probes accept, and that a model is left as it is without them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import BertConfig, BertModel, PretrainedConfig, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEncoder, BertLayer, BertSelfOutput

from gluetune.internals import transformers_hooks
from gluetune.internals.guard import VARIABLE, Hook, ProbeError
from gluetune.internals.transformers_hooks import (
    FAMILIES,
    attention_name,
    cls_only_hook,
    is_padding_free,
    padding_free_hook,
    reset_attention,
)

ATTENTIONS = frozenset({"sdpa"})


def bert(**settings: object) -> BertModel:
    sizes = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    return BertModel(BertConfig(**sizes, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("hook", [padding_free_hook, cls_only_hook], ids=["padding", "last layer"])
def test_the_hooks_are_usable_with_the_installed_version(family: str, hook: Callable[[str], Hook]) -> None:
    assert hook(family).usable()


def test_a_probe_leaves_the_random_state_as_it_was() -> None:
    torch.manual_seed(4)
    state = torch.get_rng_state()
    padding_free_hook("bert").probe()
    cls_only_hook("bert").probe()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("hook", [padding_free_hook, cls_only_hook], ids=["padding", "last layer"])
def test_a_probe_notices_layers_that_compute_something_else(
    hook: Callable[[str], Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mixing(BertSelfOutput):
        """Looks at the other tokens of its row."""

        def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden_states, input_tensor).cumsum(1).flip(1).cumsum(1).flip(1)

    monkeypatch.setattr("transformers.models.bert.modeling_bert.BertSelfOutput", Mixing)
    with pytest.raises(ProbeError, match="differ by"):
        hook("bert").probe()


@pytest.mark.parametrize("change", [transformers_hooks.use_padding_free, transformers_hooks.use_cls_only_last_layer])
@pytest.mark.parametrize("attentions", [ATTENTIONS, frozenset[str]()])
def test_a_model_is_left_as_it_is_without_the_hook(
    change: Callable[[PreTrainedModel, frozenset[str]], bool],
    attentions: frozenset[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if attentions:
        monkeypatch.setenv(VARIABLE, "off")
    model = bert()
    assert not change(model, attentions)
    assert type(model.encoder) is BertEncoder
    assert type(model.encoder.layer[-1]) is BertLayer
    assert not is_padding_free(model)


def test_the_attention_of_a_configuration_is_read_and_forgotten() -> None:
    model = bert()
    assert attention_name(model.config) == "sdpa"
    reset_attention(model.config)
    assert attention_name(model.config) == ""
    assert attention_name(PretrainedConfig()) == ""
