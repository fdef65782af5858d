"""Predictions in batches, and the loss of a batch."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from gluetune.data import EncodedRows
from gluetune.tasks import TASKS
from gluetune.training import DistributedContext, predict_logits
from gluetune.training.evaluate import length_sorted_batches, loss_sum


class SumOfTokens(nn.Module):
    """Answers the sum of a row's tokens and its number of real tokens, and notes how wide its batches are."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_labels=2)
        self.dropout = nn.Dropout(0.5)
        self.widths: list[tuple[int, ...]] = []

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        self.widths.append(tuple(input_ids.shape))
        sums = torch.stack([(input_ids * attention_mask).sum(1), attention_mask.sum(1)], dim=1)
        return SimpleNamespace(logits=self.dropout(sums.float()))


@pytest.fixture
def encoded() -> EncodedRows:
    """Row ``i`` is ``lengths[i]`` times the token ``i``."""
    lengths = np.array([3, 9, 1, 5, 7])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EncodedRows(
        np.repeat(np.arange(5), lengths).astype(np.int32),
        offsets,
        lengths.astype(np.int32),
        np.zeros(5, np.int64),
        0,
        False,
    )


def test_predictions_come_in_row_order_without_dropout(encoded: EncodedRows) -> None:
    model = SumOfTokens().train()
    logits = predict_logits(model, encoded, batch_size=2)
    assert logits.dtype == np.float32
    assert logits.tolist() == [[0, 3], [9, 9], [2, 1], [15, 5], [28, 7]]
    assert model.training


def test_batches_hold_rows_of_like_length_the_longest_first(encoded: EncodedRows) -> None:
    model = SumOfTokens()
    predict_logits(model, encoded, batch_size=2)
    assert model.widths[0][1] == 9
    assert sum(rows * width for rows, width in model.widths) <= 31  # unsorted, 9 + 9 + 5 + 5 + 7 = 35


def test_a_batch_that_does_not_fit_is_halved_and_so_are_all_later_ones(encoded: EncodedRows) -> None:
    class Small(SumOfTokens):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
            if len(input_ids) > 2:
                self.refused = getattr(self, "refused", 0) + 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
            return super().forward(input_ids, attention_mask)

    small = Small()
    assert predict_logits(small, encoded, batch_size=4).tolist() == [[0, 3], [9, 9], [2, 1], [15, 5], [28, 7]]
    assert small.refused == 1


def test_one_row_that_does_not_fit_is_an_error(encoded: EncodedRows) -> None:
    class Full(SumOfTokens):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

    with pytest.raises(torch.OutOfMemoryError):
        predict_logits(Full(), encoded, batch_size=4)


def test_evaluation_batches_hold_rows_and_tokens_up_to_their_limits() -> None:
    lengths = np.array([3, 90, 1, 50, 7, 40, 2])
    batches = length_sorted_batches(lengths, batch_size=3, tokens=80)
    assert [lengths[batch].tolist() for batch in batches] == [[90], [50], [40, 7], [3, 2, 1]]
    assert [len(batch) for batch in length_sorted_batches(lengths, batch_size=3, tokens=None)] == [3, 3, 1]
    assert length_sorted_batches(lengths[:0], batch_size=3, tokens=80) == []


def test_batches_on_gpus_are_padded_to_a_multiple_of_eight() -> None:
    assert (
        DistributedContext(device="cpu").pad_to_multiple_of,
        DistributedContext(device="cuda:0").pad_to_multiple_of,
    ) == (1, 8)


def test_regression_loss_is_squared_error_and_classification_cross_entropy() -> None:
    assert loss_sum(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0]), TASKS["stsb"]).item() == 5.0
    loss = loss_sum(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), TASKS["mnli"]).item()
    assert loss == pytest.approx(4 * np.log(3))
