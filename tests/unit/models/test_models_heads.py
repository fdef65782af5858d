"""Heads and poolings: results, initial weights, and combinations that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, BertForPreTraining, BertForSequenceClassification

from encoder_families import FAMILIES, SMALL, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import Encoder, build_model, check_training_config
from gluetune.models.heads import EncoderWithHead
from gluetune.tasks import TASKS

HEADS = ("linear", "mlp", "nsp")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: masked_lm(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT with its next-sentence head."""
    folder = tmp_path_factory.mktemp("pretrained")
    BertForPreTraining(BertConfig(**SMALL)).save_pretrained(folder)
    return folder


def hidden_states(folder: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Last hidden states of transformers' own encoder: [rows, tokens, width]."""
    return AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state.detach()


def by_hand(
    head: str,
    pooling: str,
    hidden: torch.Tensor,
    mask: torch.Tensor,
    weights: dict[str, torch.Tensor],
) -> torch.Tensor:
    """Logits, row by row, over the row's own tokens alone."""
    rows = [states[: int(count)] for states, count in zip(hidden, mask.sum(1), strict=True)]
    vector = torch.stack([{"cls": row[0], "mean": row.mean(0), "max": row.max(0).values}[pooling] for row in rows])
    if head != "linear":
        vector = vector @ weights["head.dense.weight"].T + weights["head.dense.bias"]
        vector = {"mlp": vector.clamp(min=0), "nsp": vector.tanh()}[head]
    return vector @ weights["head.output.weight"].T + weights["head.output.bias"]


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_computed_by_hand(family: str, head: str, pooling: str, folders: dict[str, Path]) -> None:
    if head == "nsp" and pooling == "cls" and family in ("albert", "bert"):
        pytest.skip("the family's own model, tested below")
    training = TrainingConfig(head=head, pooling=pooling, head_hidden_size=6 if head == "mlp" else None)  # type: ignore[arg-type]
    model = build_model(encoder_of(folders[family]), TASKS["mnli"], training, seed=5).eval()
    with torch.no_grad():  # biases start at 0
        for name, parameter in model.named_parameters():
            if name.startswith("head.") and name.endswith("bias"):
                parameter.uniform_(-1, 1)
    inputs = batch(FAMILIES[family].pad_token_id)
    expected = by_hand(
        head, pooling, hidden_states(folders[family], inputs), inputs["attention_mask"], model.state_dict()
    )
    torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-4)


def test_the_width_of_the_mlp(folders: dict[str, Path]) -> None:
    """As wide as the encoder unless it is set."""
    for size, expected in ((None, 16), (6, 6)):
        training = TrainingConfig(head="mlp", head_hidden_size=size)
        assert build_model(encoder_of(folders["bert"]), TASKS["mnli"], training, 0).head.output.in_features == expected


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_padding_does_not_count(pooling: str, folders: dict[str, Path]) -> None:
    training = TrainingConfig(head="linear", pooling=pooling)  # type: ignore[arg-type]
    model = build_model(encoder_of(folders["bert"]), TASKS["rte"], training, seed=5).eval()
    inputs = batch(0)
    short: dict[str, Any] = {name: tensor[2:3, :7] for name, tensor in inputs.items()}
    torch.testing.assert_close(model(**inputs).logits[2:3], model(**short).logits)
    without_mask = model(input_ids=short["input_ids"]).logits
    torch.testing.assert_close(without_mask, model(**short).logits)


@pytest.mark.parametrize("pooling", ["default", "cls"])
def test_berts_own_head_is_the_next_sentence_head(pooling: str, pretrained: Path) -> None:
    encoder, task = encoder_of(pretrained), TASKS["mnli"]
    model = build_model(encoder, task, TrainingConfig(head="nsp", pooling=pooling), seed=5)  # type: ignore[arg-type]
    own = build_model(encoder, task, TrainingConfig(), seed=5)
    assert type(model) is BertForSequenceClassification
    assert all(torch.equal(tensor, own.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_the_next_sentence_head_is_loaded_from_the_checkpoint(pretrained: Path) -> None:
    """The first layer is the checkpoint's pooler, the second is random by the seed."""
    pooler = BertForPreTraining.from_pretrained(pretrained).bert.pooler.dense
    encoder = encoder_of(pretrained)
    states = [
        build_model(encoder, TASKS["mnli"], training, seed).state_dict()
        for training, seed in (
            (TrainingConfig(head="nsp", pooling="mean"), 5),
            (TrainingConfig(head="nsp", pooling="mean"), 6),
        )
    ]
    for state in states:
        assert torch.equal(state["head.dense.weight"], pooler.weight)
        assert torch.equal(state["head.dense.bias"], pooler.bias)
    assert not torch.equal(states[0]["head.output.weight"], states[1]["head.output.weight"])
    family = build_model(encoder, TASKS["mnli"], TrainingConfig(head="nsp"), seed=5)
    assert torch.equal(family.bert.pooler.dense.weight, pooler.weight)  # type: ignore[arg-type]


def test_alberts_sentence_order_head_is_loaded_too(tmp_path: Path) -> None:
    from transformers import AlbertForPreTraining

    made = AlbertForPreTraining(FAMILIES["albert"])
    made.save_pretrained(tmp_path)
    state = build_model(encoder_of(tmp_path), TASKS["rte"], TrainingConfig(head="nsp", pooling="max"), 1).state_dict()
    assert torch.equal(state["head.dense.weight"], made.albert.pooler.weight)


def test_without_a_next_sentence_head_both_layers_are_random(folders: dict[str, Path]) -> None:
    encoder, training = encoder_of(folders["bert"]), TrainingConfig(head="nsp", pooling="mean")
    first, again, other = (build_model(encoder, TASKS["mnli"], training, seed).state_dict() for seed in (5, 5, 6))
    for name in ("head.dense.weight", "head.output.weight"):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
        assert first[name].std() == pytest.approx(0.02, rel=0.4)  # the encoder's initializer_range


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_trains_every_weight(family: str, head: str, folders: dict[str, Path]) -> None:
    """DDP requires a gradient for every parameter."""
    encoder = encoder_of(folders[family])
    model = build_model(encoder, TASKS["rte"], TrainingConfig(head=head, pooling="mean"), seed=0)  # type: ignore[arg-type]
    assert isinstance(model, EncoderWithHead)
    assert sum(p.numel() for n, p in model.named_parameters() if n.startswith("encoder.")) == sum(
        array.size for name, array in encoder.weights.items() if "pooler" not in name and not name.startswith("head.")
    )
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    outputs = model(**batch(FAMILIES[family].pad_token_id), labels=torch.tensor([0, 1, 1, 0]))
    outputs.loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    torch.optim.SGD(model.parameters(), lr=10.0).step()
    assert not torch.equal(before["head.output.weight"], model.head.output.weight)  # type: ignore[arg-type]
    torch.testing.assert_close(outputs.loss, nn.functional.cross_entropy(outputs.logits, torch.tensor([0, 1, 1, 0])))


def test_a_regressions_loss_is_the_squared_error(folders: dict[str, Path]) -> None:
    model = build_model(encoder_of(folders["bert"]), TASKS["stsb"], TrainingConfig(head="mlp"), seed=0).eval()
    labels = torch.tensor([0.0, 1.0, 2.0, 5.0])
    outputs = model(**batch(0), labels=labels)
    assert outputs.logits.shape == (4, 1)
    torch.testing.assert_close(outputs.loss, ((outputs.logits[:, 0] - labels) ** 2).mean())


def dropout_of(encoder: Encoder, **fields: Any) -> float:
    model = build_model(encoder, TASKS["rte"], TrainingConfig(head="linear", **fields), seed=0)
    return float(model.head.dropout.p)  # type: ignore[arg-type]


def test_the_heads_dropout(folders: dict[str, Path]) -> None:
    """The rate is the one that is set, else that of the family's head, else that of its layers."""
    bert, albert = encoder_of(folders["bert"]), encoder_of(folders["albert"])
    assert dropout_of(bert) == 0.1
    assert dropout_of(bert, hidden_dropout_prob=0.3) == 0.3
    assert dropout_of(bert, hidden_dropout_prob=0.3, classifier_dropout=0.0) == 0.0
    assert dropout_of(albert, hidden_dropout_prob=0.3) == FAMILIES["albert"].classifier_dropout_prob == 0.1
    assert dropout_of(encoder_of(folders["modernbert"]), hidden_dropout_prob=0.3) == 0.0


def test_an_own_head_has_a_dropout_where_the_family_has_none() -> None:
    from transformers import MPNetConfig, MPNetModel

    config = MPNetConfig(**SMALL)
    weights = {f"mpnet.{name}": tensor.numpy() for name, tensor in MPNetModel(config).state_dict().items()}
    assert dropout_of(Encoder("mpnet", config.to_dict(), weights), classifier_dropout=0.25) == 0.25


def test_the_encoders_dropout_reaches_it(folders: dict[str, Path]) -> None:
    training = TrainingConfig(head="linear", hidden_dropout_prob=0.3, classifier_dropout=0.2)
    model = build_model(encoder_of(folders["bert"]), TASKS["rte"], training, seed=0)
    assert {module.p for module in model.encoder.modules() if isinstance(module, nn.Dropout)} == {0.3, 0.1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling": "mean"}, r"pooling must be left at default with head default.*\(pooling='mean'\)"),
        ({"freeze_layers": 3}, r"`freeze_layers <= layers of the encoder` .* \(freeze_layers=3, layers=2\)"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(
    fields: dict[str, Any],
    message: str,
    folders: dict[str, Path],
) -> None:
    encoder, training = encoder_of(folders["bert"]), TrainingConfig(**fields)
    with pytest.raises(ModelError, match=message):
        check_training_config(encoder, training)
    with pytest.raises(ModelError, match=message):
        build_model(encoder, TASKS["rte"], training, seed=0)


def test_modernberts_own_pooling_may_be_named(folders: dict[str, Path]) -> None:
    config = encoder_of(folders["modernbert"]).config | {"classifier_pooling": "mean"}
    weights = {"model.layers.0.norm": np.zeros(1)}
    check_training_config(Encoder("modern", config, weights), TrainingConfig(pooling="mean"))
    with pytest.raises(ModelError, match="pooling='cls'"):
        check_training_config(Encoder("modern", config, weights), TrainingConfig(pooling="cls"))
