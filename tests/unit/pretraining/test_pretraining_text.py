"""Text formats and sources."""

from __future__ import annotations

import json
import os
from pathlib import Path

import datasets
import pytest

from gluetune.errors import DataError, ModelError
from gluetune.pretraining import PretrainJob, Text, TextConfig, prepare_job, prepare_text, pretrain_folder, read_text

WIKITEXT, VOCABULARY = os.environ.get("GLUETUNE_WIKITEXT_DIR"), os.environ.get("GLUETUNE_BERT_VOCAB_DIR")

WIKI = """ \n = Homarus gammarus = \n \n The lobster lives . It is 0 @.@ 7 m long , says <unk> . It eats . \n
 = = Description = = \n \n One sentence only . \n Young ones grow . = not a heading = . \n"""
PROSE = """Dr. Grey came in. "Who's there?" she said,
and waited for no. 7. "Nobody!" It
was e.g. dark... He left (quietly.) Then 3 men came? yes

The end.\r\n\r\n\n"""


def files(folder: Path, text_format: str, **contents: str | bytes) -> TextConfig:
    """A folder of texts; ``a_txt="…"`` is the file ``a.txt``."""
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextConfig.model_validate({"source": "files", "path": str(folder), "format": text_format})


def test_wikitext_paragraphs_are_documents_and_headings_are_not(tmp_path: Path) -> None:
    assert read_text(files(tmp_path, "wikitext", a_raw=WIKI)).documents == [
        ["The lobster lives", "It is 0 @.@ 7 m long , says <unk>", "It eats ."],
        ["Young ones grow", "= not a heading = ."],
    ]


def test_one_sentence_a_line_and_blank_lines_between_documents(tmp_path: Path) -> None:
    text = "a b.\nc d.\n\n\n  e f.\r\n\r\ng\n"
    assert read_text(files(tmp_path, "sentences", a_txt=text)).documents == [["a b.", "c d."], ["e f."], ["g"]]


def test_prose_is_cut_into_sentences(tmp_path: Path) -> None:
    assert read_text(files(tmp_path, "paragraphs", a_txt=PROSE)).documents == [
        [
            "Dr.",
            "Grey came in.",
            '"Who\'s there?" she said, and waited for no.',
            "7.",
            '"Nobody!"',
            "It was e.g. dark...",
            "He left (quietly.)",
            "Then 3 men came? yes",
        ],
        ["The end."],
    ]


def test_files_of_a_folder_are_read_by_name_and_end_their_documents(tmp_path: Path) -> None:
    config = files(tmp_path, "sentences", b_txt="two\n", a_tokens="one", c_raw="\ufeffthree", d_md="no text")
    assert read_text(config).documents == [["one"], ["two"], ["three"]]


def test_a_validation_file_in_the_folder_is_not_trained_on(tmp_path: Path) -> None:
    config = files(tmp_path, "sentences", train_txt="one\n\ntwo\n", valid_txt="three\n")
    text = read_text(config.model_copy(update={"validation_path": str(tmp_path / "valid.txt")}))
    assert (text.documents, text.validation) == ([["one"], ["two"]], [["three"]])


def test_no_more_documents_are_read_than_asked_for(tmp_path: Path) -> None:
    config = files(tmp_path, "sentences", a_txt="1\n\n2\n\n3\n\n4\n\n5\n\n" + "6 \n")
    (tmp_path / "b.txt").write_bytes(b"\xff")  # not opened
    assert read_text(config.model_copy(update={"max_documents": 4})).documents == [["1"], ["2"], ["3"], ["4"]]


def test_text_that_is_not_utf8_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be UTF-8 text, but byte 0xe9 is not") as caught:
        read_text(files(tmp_path, "sentences", a_txt=b"fine\ncaf\xe9\n"))
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "a.txt"), 2)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: must be UTF-8 text, but is a zip archive"):
        read_text(files(tmp_path, "sentences", a_txt=b"PK\x03\x04\x14\x00"))


def test_a_missing_path_names_the_nearest(tmp_path: Path) -> None:
    config = files(tmp_path, "sentences", wiki_txt="one")
    with pytest.raises(DataError, match=r"text\.path must be .*wikis\.txt'; nearest: 'wiki\.txt'"):
        read_text(config.model_copy(update={"path": str(tmp_path / "wikis.txt")}))
    with pytest.raises(DataError, match=r"text\.validation_path must be"):
        read_text(config.model_copy(update={"validation_path": str(tmp_path / "noop")}))


def test_a_folder_without_text_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.raw, \*\.tokens, \*\.txt"):
        read_text(files(tmp_path, "sentences", a_md="one"))


def test_a_text_without_documents(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is left of it as `format: wikitext`"):
        read_text(files(tmp_path, "wikitext", a_txt="= Title =\n\nOne sentence .\n"))


def test_the_synthetic_text_needs_nothing() -> None:
    text = read_text(TextConfig(max_documents=10))
    assert len(text.documents) == 10
    assert text == read_text(TextConfig(max_documents=10))


def hub(folder: Path, text_format: str, rows: list[str], **changes: str) -> TextConfig:
    """A local copy of a dataset with the splits train and validation."""
    (folder / "copy").mkdir()
    for split in ("train", "validation"):
        datasets.Dataset.from_dict({"text": rows}).to_parquet(folder / "copy" / f"{split}-00000-of-00001.parquet")
    return TextConfig.model_validate(
        {
            "source": "hub",
            "dataset": str(folder / "copy"),
            "format": text_format,
            "cache_dir": str(folder / "cache"),
            **changes,
        }
    )


def test_rows_of_a_dataset_are_lines(tmp_path: Path) -> None:
    config = hub(tmp_path, "wikitext", ["", " = Title = \n", " One . Two . \n", ""], validation_split="validation")
    text = read_text(config)
    assert text.documents == text.validation == [["One", "Two ."]]
    assert text.source == f"hub:{tmp_path}/copy/train"


def test_each_row_of_prose_is_a_text_by_itself(tmp_path: Path) -> None:
    rows = ["One. Two.\n\nThree.", "Four."]
    assert read_text(hub(tmp_path, "paragraphs", rows)).documents == [["One.", "Two."], ["Three."], ["Four."]]


def test_a_dataset_without_the_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nearest: 'text'"):
        read_text(hub(tmp_path, "wikitext", ["One . Two ."], column="texts"))


def test_a_dataset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="loading it failed"):
        read_text(TextConfig(source="hub", dataset=str(tmp_path / "none"), cache_dir=str(tmp_path)))


@pytest.mark.parametrize("documents", [[["a", "b"]], [["a", "b"]] * 3, [["a"]] * 20], ids=["one", "three", "no pairs"])
def test_too_few_documents(documents: list[list[str]], tiny: PretrainJob) -> None:
    with pytest.raises(DataError, match="`documents >= 2` and `pairs >= 1` must hold"):
        prepare_text(Text(documents, None, "a test"), tiny)


def test_the_last_documents_are_held_out(tiny: PretrainJob, text: Text) -> None:
    data, tokenizer = prepare_text(text, tiny)
    assert (len(data.train), len(data.held_out)) == (57, 3)
    assert tokenizer.decode(data.held_out[-1][-1]) == tokenizer.decode(
        tokenizer(text.documents[-1][-1], add_special_tokens=False)["input_ids"]
    )


def test_validation_documents_are_held_out_instead(tiny: PretrainJob, text: Text) -> None:
    data, _ = prepare_text(Text(text.documents[:50], text.documents[50:], "a test"), tiny)
    assert (len(data.train), len(data.held_out)) == (50, 10)


def test_an_existing_tokenizer_is_used(tiny: PretrainJob, text: Text, tmp_path: Path) -> None:
    short = tiny.model_copy(update={"training": tiny.training.model_copy(update={"max_steps": 1})})
    pretrain_folder(text, tmp_path, short, lambda evaluation: None)
    config = tiny.tokenizer.model_copy(update={"name_or_path": str(tmp_path)})
    own, first = prepare_text(text, tiny)
    taken, tokenizer = prepare_text(text, tiny.model_copy(update={"tokenizer": config}))
    assert tokenizer.get_vocab() == first.get_vocab()
    assert taken.tokens == own.tokens
    assert (taken.train.ids == own.train.ids).all()


@pytest.mark.skipif(not VOCABULARY, reason="GLUETUNE_BERT_VOCAB_DIR is not set")
def test_a_vocabulary_without_weights_is_enough(tiny: PretrainJob, text: Text) -> None:
    config = tiny.tokenizer.model_copy(update={"name_or_path": VOCABULARY})
    data, tokenizer = prepare_text(text, tiny.model_copy(update={"tokenizer": config}))
    assert (data.tokens.vocab_size, data.tokens.cls, data.tokens.sep, data.tokens.mask) == (30522, 101, 102, 103)
    assert tokenizer.decode(data.train[0][0]) == text.documents[0][0].lower()


def test_a_missing_tokenizer_names_the_setting(tiny: PretrainJob, text: Text, tmp_path: Path) -> None:
    config = tiny.tokenizer.model_copy(update={"name_or_path": str(tmp_path / "none")})
    with pytest.raises(ModelError, match=r"^tokenizer\.name_or_path: .*none"):
        prepare_text(text, tiny.model_copy(update={"tokenizer": config}))


@pytest.mark.skipif(not WIKITEXT, reason="GLUETUNE_WIKITEXT_DIR (a folder with WikiText-2's valid.txt) is not set")
def test_wikitext_2_is_read_whole(tiny: PretrainJob) -> None:
    assert WIKITEXT is not None
    path = Path(WIKITEXT) / "valid.txt"
    job = tiny.model_copy(update={"text": TextConfig(source="files", path=str(path), format="wikitext")})
    documents = read_text(job.text).documents
    paragraphs = [line.strip().split(" . ") for line in path.read_text().splitlines() if not line.startswith(" =")]
    assert documents == [[part.strip() for part in parts] for parts in paragraphs if len(parts) > 1]
    assert len(documents) > 1500
    assert documents[0][0].startswith("Homarus gammarus , known as the European lobster")
    data, tokenizer = prepare_job(job)
    assert "<" in tokenizer.decode(data.train[0][0])  # of <unk>, which is text like any other


def test_an_edited_local_dataset_is_read_again(tmp_path: Path) -> None:
    files = [{"split": "train", "path": "rows.csv"}]  # with a list of files, the library takes no look at them
    configs = json.dumps([{"config_name": "a", "data_files": files}])
    (tmp_path / "README.md").write_text(f"---\nconfigs: {configs}\n---\n")
    config = TextConfig.model_validate(
        {
            "source": "hub",
            "dataset": str(tmp_path),
            "name": "a",
            "cache_dir": str(tmp_path.with_name(f"{tmp_path.name}-cache")),
        }
    )
    for sentences in (["One.", "Two."], ["Six.", "Ten."]):
        (tmp_path / "rows.csv").write_text(f"text\n{' '.join(sentences)}\n")
        assert read_text(config).documents == [sentences]
