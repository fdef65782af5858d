"""Search spaces of jobs with several encoders: where they come from, and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.config import EncoderFamily, JobConfig, SearchSpace, dump_space, load_job, load_space, parse_space
from gluetune.config.checks import space_issues
from gluetune.config.encoder_spaces import SYNTHETIC_FAMILY, published_space, with_encoders
from gluetune.errors import ConfigError

RATES = {"learning_rate": [1e-4, 1e-5]}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (SYNTHETIC_FAMILY, "compact_bert"),
        (EncoderFamily("bert", 6, 768), "compact_bert"),
        (EncoderFamily("bert", 12, 768), "bert_recommended"),
        (EncoderFamily("bert", 24, 1024), "bert_recommended"),
        (EncoderFamily("xlm-roberta", 12, 768), "roberta"),
        (EncoderFamily("deberta-v2", 12, 768), "deberta_v3"),
        (EncoderFamily("modernbert", 22, 768), "modernbert"),
        (EncoderFamily("mpnet", 12, 768), "wide"),
    ],
)
def test_auto_is_the_space_that_was_published_for_the_family(family: EncoderFamily, expected: str) -> None:
    assert published_space(family) == expected


def made(spaces: dict[str, str] | str | None = None, names: tuple[str, ...] = ("a", "b")) -> SearchSpace:
    job = JobConfig.model_validate({"model": {"name_or_path": list(names)}, "search": {"spaces": spaces}})
    return with_encoders(
        job,
        load_space("compact_bert"),
        load_space,
        {"a": SYNTHETIC_FAMILY, "b": EncoderFamily("electra", 12, 768)}.get,  # type: ignore[arg-type]
    )


def test_encoders_have_the_job_s_space_unless_they_are_given_another() -> None:
    assert [part.name for part in made().encoders.values()] == ["compact_bert", "compact_bert"]
    assert made().size == 40
    space = made({"b": "electra"})
    assert [part.name for part in space.encoders.values()] == ["compact_bert", "electra"]
    assert space.fields[:3] == ("model", "learning_rate", "batch_size")
    assert set(space.fields[3:]) == {"num_train_epochs", "layerwise_lr_decay"}
    assert made("auto") == space


def test_a_single_encoder_has_its_space_without_the_dimension() -> None:
    assert made({"b": "electra"}, names=("b",)) == load_space("electra") == made("auto", names=("b",))


@pytest.mark.parametrize("text", ["'a,b'", "'a, b'", "[a, b]"])
def test_a_list_of_encoders_on_the_command_line_and_in_a_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(f"data: {{source: synthetic}}\nmodel: {{name_or_path: {text}}}\n")
    assert load_job(str(file)).model.names == ("a", "b")


def test_a_folder_with_a_comma_in_its_name_is_one_encoder(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    assert JobConfig.model_validate({"model": {"name_or_path": str(folder)}}).model.names == (str(folder),)


def test_spaces_with_encoders_are_read_back_as_they_were_written() -> None:
    listed = SearchSpace.model_validate(
        {"name": "n", "source": "s", "space": {"model": ["a", "b"], **RATES}, "training": {"batch_size": 8}}
    )
    points = [{"model": "b", "learning_rate": 1e-5}]
    pointed = SearchSpace.model_validate({"name": "n", "space": {"model": ["a", "b"], **RATES}, "points": points})
    assert pointed.encoders["b"].points == ({"learning_rate": 1e-5},)
    assert pointed.encoders["a"].points == ()
    for space in (listed, pointed, made({"b": "electra"})):
        assert parse_space(dump_space(space).encode(), "space.yaml") == space
    assert "encoders" not in dump_space(load_space("compact_bert"))


LORA_OR_NOT = {
    "encoders": {
        "a": {"space": {"adapter": ["none", "lora"], **RATES}},
        "b": {"space": RATES},
    }
}


def issues(training: dict[str, object], **model: object) -> list[str]:
    job = JobConfig.model_validate({"training": training, "model": model})
    return [str(issue) for issue in space_issues(job, SearchSpace.model_validate(LORA_OR_NOT))]


def test_a_setting_has_a_use_where_the_trials_of_one_encoder_use_it() -> None:
    assert issues({"lora_rank": 4}) == []
    (unused,) = issues({"focal_gamma": 1.0})
    assert unused.startswith("training.focal_gamma: must not be given where it has no effect")


def test_a_revision_goes_with_one_encoder_where_the_space_names_them_too() -> None:
    job = JobConfig.model_validate({"model": {"revision": "main"}})
    with pytest.raises(ConfigError, match=r"model\.revision: must not be given with several encoders, but got 'main'"):
        with_encoders(job, SearchSpace.model_validate(LORA_OR_NOT), load_space)


@pytest.mark.parametrize("point", [{"model": "c", "learning_rate": 1e-4}, {"learning_rate": 1e-4}])
def test_a_point_of_no_encoder_is_refused(point: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="`model` of each point must be one of a, b, but got"):
        SearchSpace.model_validate({"space": {"model": ["a", "b"], **RATES}, "points": [point]})
