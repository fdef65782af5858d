"""The registered model: it does to text what training did, answers every row it is given, and refuses what is no text.

The models are written and loaded by MLflow as from a registry, but without a store.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
)

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.data import EncodedRows, Examples, encode_rows
from gluetune.models import build_model, load_encoder, load_tokenizer, save_pretrained
from gluetune.tasks import get_task
from gluetune.tracking import Champion
from gluetune.tracking.champion import save_champion

MAX_LENGTH = 20
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
    ".",
    "!",
)
CASED = (*WORDS, *string.ascii_uppercase)
FIRST = ["A short one.", "", "one two three four five six seven", "Ünïcode  and\tspace!", "B", "x y"]
SECOND = ["a very long one that goes on and on", "alone", "b!", "", "One two three four five", "z"]
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
}


def _bert(folder: Path, **settings: Any) -> None:
    BertTokenizerFast(vocab={word: number for number, word in enumerate(WORDS)}, **settings).save_pretrained(folder)
    BertModel(BertConfig(vocab_size=len(CASED), **TINY)).save_pretrained(folder)


def _vocabulary_alone(folder: Path, words: tuple[str, ...]) -> None:
    """As Google's checkpoints: nothing but ``vocab.txt`` says whether text is lower-cased."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))


def _roberta(folder: Path) -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *string.ascii_letters, *string.punctuation]
    tokenizer = RobertaTokenizerFast(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    tokenizer.save_pretrained(folder)
    settings = RobertaConfig(vocab_size=len(pieces), pad_token_id=1, type_vocab_size=1, **TINY)
    RobertaModel(settings).save_pretrained(folder)


def _distilbert(folder: Path) -> None:
    BertTokenizerFast(
        vocab={word: number for number, word in enumerate(WORDS)}, model_input_names=["input_ids", "attention_mask"]
    ).save_pretrained(folder)
    DistilBertModel(
        DistilBertConfig(
            vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=64
        )
    ).save_pretrained(folder)


ENCODERS = {
    "uncased": _bert,
    "cased": lambda folder: _bert(folder, do_lower_case=False),
    "vocabulary alone, uncased": lambda folder: _vocabulary_alone(folder, WORDS),
    "vocabulary alone, cased": lambda folder: _vocabulary_alone(folder, CASED),
    "without segment ids": _distilbert,
    "byte pairs": _roberta,
    "padded and cut on the left": lambda folder: _bert(folder, padding_side="left", truncation_side="left"),
}


@dataclass
class Trained:
    """A classifier as a search leaves it, the tokens that training made of its rows, and its answers on these."""

    champion: Champion
    encoded: EncodedRows
    probabilities: np.ndarray


def train(
    task_name: str, encoder: str, folder: Path, truncation: Any = "longest_first", max_seq_length: int = MAX_LENGTH
) -> Trained:
    """A classifier of random weights, with the rows that it would have been trained on."""
    task = get_task(task_name)
    ENCODERS[encoder](folder / "encoder")
    config = ModelConfig(
        name_or_path=str(folder / "encoder"),
        from_scratch=encoder.startswith("vocabulary"),
        config_overrides=TINY if encoder.startswith("vocabulary") else {},
    )
    weights, tokenizer = load_encoder(config), load_tokenizer(config)
    columns = dict(zip(task.columns, (FIRST, SECOND), strict=False))
    encoded = encode_rows(
        Examples(task_name, "train", columns, None, "test"), task, tokenizer, max_seq_length, truncation
    )
    model = build_model(weights, task, TrainingConfig(), seed=3)
    save_pretrained(weights, task, model.state_dict(), tokenizer, folder / "saved", TrainingConfig())
    champion = Champion(task, "trial", str(folder / "saved"), 0.5, {}, columns, max_seq_length, truncation)
    with torch.no_grad():
        logits = model.eval()(**encoded.collate(np.arange(len(FIRST)))).logits
    return Trained(champion, encoded, logits.softmax(-1).numpy())


def load(champion: Champion, folder: Path) -> Any:
    """The model as ``mlflow.pyfunc.load_model`` gives it."""
    import mlflow
    from mlflow.models import Model

    save_champion(str(folder / "model"), champion, Model())
    return mlflow.pyfunc.load_model(str(folder / "model"))


def probabilities(champion: Champion, answer: pd.DataFrame) -> pd.DataFrame:
    return answer[[f"probability_{label}" for label in champion.task.labels]]


def assert_answers_are_those_of_training(trained: Trained, folder: Path) -> None:
    loaded = load(trained.champion, folder)
    answer = loaded.predict(pd.DataFrame(dict(reversed(trained.champion.examples.items()))))  # type: ignore[call-overload]  # columns go by name, not by place
    np.testing.assert_allclose(probabilities(trained.champion, answer), trained.probabilities, atol=1e-5)


@pytest.mark.parametrize("truncation", ["longest_first", "proportional"])
@pytest.mark.parametrize("task", ["cola", "rte"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_answers_are_those_of_training(encoder: str, task: str, truncation: str, tmp_path: Path) -> None:
    trained = train(task, encoder, tmp_path, truncation)
    assert trained.encoded.longest == MAX_LENGTH, "rows must be cut, or nothing is tested"
    assert_answers_are_those_of_training(trained, tmp_path)


@pytest.mark.parametrize("max_seq_length", [8, 13, 64])
def test_rows_are_as_long_as_in_training(max_seq_length: int, tmp_path: Path) -> None:
    trained = train("rte", "uncased", tmp_path, "proportional", max_seq_length)
    assert_answers_are_those_of_training(trained, tmp_path)


def test_the_two_ways_of_cutting_differ_on_these_rows(tmp_path: Path) -> None:
    one, other = (train("rte", "uncased", tmp_path / way, way).encoded for way in ("longest_first", "proportional"))
    assert not np.array_equal(one.input_ids, other.input_ids)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A loaded model of one text column."""
    folder = tmp_path_factory.mktemp("single")
    return load(train("cola", "uncased", folder).champion, folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A loaded model of two text columns."""
    folder = tmp_path_factory.mktemp("pair")
    return load(train("rte", "uncased", folder).champion, folder)


def unchecked(loaded: Any) -> Any:
    """The model without MLflow's check of the input: its own ``predict``, with its context."""
    from mlflow.pyfunc import PythonModelContext

    python_model, implementation = loaded.unwrap_python_model(), loaded._model_impl
    context = PythonModelContext(implementation.context.artifacts, implementation.context.model_config)
    return lambda given: python_model.predict(context, given)


TEXTS = FIRST[:3]
GIVEN = {
    "frame": pd.DataFrame({"sentence": TEXTS}),
    "frame of objects": pd.DataFrame({"sentence": pd.Series(TEXTS, dtype=object)}),
    "dict of lists": {"sentence": TEXTS},
    "dict of tuples": {"sentence": tuple(TEXTS)},
    "dict of arrays": {"sentence": np.array(TEXTS)},
    "dict of arrays of objects": {"sentence": np.array(TEXTS, dtype=object)},
    "dict of series": {"sentence": pd.Series(TEXTS)},
    "list of dicts": [{"sentence": text} for text in TEXTS],
    "with another column": {"sentence": TEXTS, "id": ["a", "b", "c"]},
    "with another column of numbers": {"sentence": TEXTS, "id": [1, 2, 3]},
}
ONE_COLUMN = {"list": TEXTS, "array": np.array(TEXTS), "series": pd.Series(TEXTS, name="sentence")}


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
@pytest.mark.parametrize("given", GIVEN.values(), ids=list(GIVEN))
def test_every_text_is_a_row(given: Any, checked: bool, single: Any) -> None:
    expected = single.predict(pd.DataFrame({"sentence": TEXTS}))
    answer = single.predict(given) if checked else unchecked(single)(given)
    assert len(answer) == 3
    pd.testing.assert_frame_equal(answer, expected)
    assert len(set(answer["score"])) == 3, "each row has its own text"


@pytest.mark.parametrize("given", ONE_COLUMN.values(), ids=list(ONE_COLUMN))
def test_texts_alone_are_rows_where_there_is_one_column(given: Any, single: Any) -> None:
    expected = single.predict(pd.DataFrame({"sentence": TEXTS}))
    pd.testing.assert_frame_equal(unchecked(single)(given), expected)


def test_mlflow_itself_refuses_texts_without_the_name_of_their_column(single: Any) -> None:
    from mlflow.exceptions import MlflowException

    for given in (TEXTS, np.array(TEXTS), "x y"):
        with pytest.raises(MlflowException, match="missing inputs"):
            single.predict(given)
    assert len(single.predict(ONE_COLUMN["series"])) == 3


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
def test_one_text_is_one_row(checked: bool, single: Any) -> None:
    predict = single.predict if checked else unchecked(single)
    expected = single.predict(pd.DataFrame({"sentence": ["x y"]}))
    pd.testing.assert_frame_equal(predict({"sentence": "x y"}), expected)
    pd.testing.assert_frame_equal(predict({"sentence": np.array("x y")}), expected)
    pd.testing.assert_frame_equal(unchecked(single)("x y"), expected)


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
def test_pairs_are_rows(checked: bool, pair: Any) -> None:
    predict = pair.predict if checked else unchecked(pair)
    expected = pair.predict(pd.DataFrame({"sentence1": FIRST, "sentence2": SECOND}))
    assert len(expected) == len(FIRST)
    for given in (
        {"sentence1": FIRST, "sentence2": SECOND},
        {"sentence2": SECOND, "sentence1": FIRST},
        [{"sentence2": two, "sentence1": one} for one, two in zip(FIRST, SECOND, strict=True)],
    ):
        pd.testing.assert_frame_equal(predict(given), expected)
    assert len(predict({"sentence1": "a", "sentence2": "b"})) == 1


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
@pytest.mark.parametrize(
    "given", [{"sentence": []}, pd.DataFrame({"sentence": []}, dtype="str")], ids=["dict", "frame"]
)
def test_no_text_is_no_row(given: Any, checked: bool, single: Any) -> None:
    answer = single.predict(given) if checked else unchecked(single)(given)
    assert (len(answer), list(answer.columns)) == (0, list(single.predict({"sentence": ["a"]}).columns))


def test_a_frames_index_is_kept(single: Any) -> None:
    answer = single.predict(pd.DataFrame({"sentence": ["a", "b"]}, index=["first", "second"]))
    assert list(answer.index) == ["first", "second"]


NO_TEXT = [None, float("nan"), pd.NA, 5, 0.5, True, b"bytes", ["a", "b"], {"a": "b"}]


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
def test_a_value_that_is_no_text_is_refused_by_its_row(value: Any, checked: bool, pair: Any) -> None:
    from mlflow.exceptions import MlflowException

    predict = pair.predict if checked else unchecked(pair)
    texts = pd.Series(["a", "b", value, "d"], dtype=object)
    for given in (
        pd.DataFrame({"sentence1": ["e"] * 4, "sentence2": texts}),
        {"sentence1": ["e"] * 4, "sentence2": list(texts)},
        [{"sentence1": "e", "sentence2": text} for text in texts],
    ):
        with pytest.raises(MlflowException, match=r"'sentence2'.* row 2 ") as refused:
            predict(given)
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
@pytest.mark.parametrize(
    "given",
    [
        {"sentence": [1, 2]},
        {"sentence": 5},
        {"sentence": float("nan")},
        {"sentence": None},
        {"sentence": [None, None]},
        pd.DataFrame({"sentence": [1.0, float("nan")]}),
        {"text": ["a"]},
        {},
        5,
        None,
    ],
    ids=repr,
)
def test_what_holds_no_text_is_refused(given: Any, checked: bool, single: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="sentence"):
        (single.predict if checked else unchecked(single))(given)


@pytest.mark.parametrize("checked", [True, False], ids=["checked by MLflow", "unchecked"])
@pytest.mark.parametrize(
    "given",
    [
        {"sentence1": ["a", "b"], "sentence2": ["c"]},
        {"sentence1": ["a", "b"], "sentence2": "c"},
        {"sentence1": ["a", "b"]},
    ],
    ids=repr,
)
def test_columns_that_do_not_go_together_are_refused(given: Any, checked: bool, pair: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="sentence"):
        (pair.predict if checked else unchecked(pair))(given)


@pytest.mark.parametrize(
    "request_body",
    [
        {"inputs": {"sentence": TEXTS}},
        {"inputs": [{"sentence": text} for text in TEXTS]},
        {"inputs": TEXTS},
        {"instances": [{"sentence": text} for text in TEXTS]},
        {"dataframe_records": [{"sentence": t} for t in TEXTS]},
        {"dataframe_split": {"columns": ["sentence"], "data": [[text] for text in TEXTS]}},
    ],
    ids=lambda body: json.dumps(body)[:30],
)
def test_a_scoring_server_answers_every_text(request_body: dict[str, Any], single: Any) -> None:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    parsed = infer_and_parse_data(json.loads(json.dumps(request_body)), single.metadata.get_input_schema())
    assert len(single.predict(parsed)) == 3


@pytest.mark.parametrize(
    "request_body",
    [
        {"dataframe_records": [{"sentence": "a"}, {"sentence": None}]},
        {"dataframe_records": [{"sentence": "a"}, {"sentence": 5}]},
        {"dataframe_split": {"columns": ["sentence"], "data": [["a"], [None]]}},
    ],
    ids=str,
)
def test_a_scoring_server_refuses_what_is_no_text(request_body: dict[str, Any], single: Any) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    parsed = infer_and_parse_data(request_body, single.metadata.get_input_schema())
    with pytest.raises(MlflowException, match="row 1 "):
        single.predict(parsed)


def test_more_rows_than_a_batch_are_answered_in_order(single: Any) -> None:
    texts = [string.ascii_lowercase[row % 26] for row in range(150)]
    answer = single.predict({"sentence": texts})
    assert len(answer) == 150
    np.testing.assert_allclose(answer["score"][:26], answer["score"][26:52], atol=1e-6)


def test_a_champion_says_how_it_cuts(tmp_path: Path) -> None:
    trained = train("rte", "uncased", tmp_path, "proportional")
    loaded = load(replace(trained.champion, truncation="longest_first"), tmp_path / "other")
    answer = probabilities(trained.champion, loaded.predict(pd.DataFrame(trained.champion.examples)))
    assert not np.allclose(answer, trained.probabilities, atol=1e-3)


def test_thresholds_decide_between_two_classes(tmp_path: Path) -> None:
    trained = train("cola", next(iter(ENCODERS)), tmp_path)
    shares = trained.probabilities[:, 1].astype(np.float64)
    cut = float(np.sort(shares)[2:4].mean())  # three rows are below
    names = trained.champion.task.labels
    champion = replace(trained.champion, thresholds=dict(zip(names, (1 - cut, cut), strict=True)))
    answer = load(champion, tmp_path).predict(pd.DataFrame(trained.champion.examples))
    assert answer["label"].tolist() == [names[int(share > cut)] for share in shares]
    chosen = [row[names.index(label)] for row, label in zip(trained.probabilities, answer["label"], strict=True)]
    np.testing.assert_allclose(answer["score"], chosen, atol=1e-5)


@pytest.mark.parametrize("cut", [None, 0.4])
def test_a_multi_label_model_answers_lists(cut: float | None, tmp_path: Path) -> None:
    trained = train("cola", next(iter(ENCODERS)), tmp_path)
    task = replace(trained.champion.task, problem="multi_label")
    thresholds = {} if cut is None else dict.fromkeys(task.labels, cut)
    loaded = load(replace(trained.champion, task=task, thresholds=thresholds), tmp_path)
    answer = loaded.predict(pd.DataFrame(trained.champion.examples))
    shares = probabilities(trained.champion, answer).to_numpy()
    expected = [[task.labels[k] for k in range(2) if row[k] > (cut or 0.5)] for row in shares]
    assert [list(labels) for labels in answer["labels"]] == expected
    assert "score" not in answer
