"""The search space of a job with several encoders: one space for all of them, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from gluetune.config.data_and_model import SYNTHETIC_ENCODER
from gluetune.config.job import JobConfig
from gluetune.config.space import SearchSpace
from gluetune.config.space_files import spaces_for
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean

AUTO = "auto"
"""The value of ``search.spaces`` that gives each encoder the space that was published for its family."""
_COMPACT_BERT, _BERT, _ANY = "compact_bert", "bert_recommended", "wide"
_COMPACT_LAYERS, _COMPACT_WIDTH = 12, 768  # of BERT base: with fewer, the space of the compact BERTs


class EncoderFamily(NamedTuple):
    """What decides which published search space suits an encoder.

    Attributes:
        model_type: the family, as ``config.json`` names it.
        layers: number of layers.
        width: size of the hidden states.
    """

    model_type: str
    layers: int
    width: int


SYNTHETIC_FAMILY = EncoderFamily("bert", 2, 128)
"""The family of the encoder that gluetune pre-trains on generated text."""


def published_space(family: EncoderFamily) -> str:
    """Return the name of the shipped search space for an encoder: the one that was published for its family.

    BERTs with fewer than 12 layers, or narrower than 768, have the space of the compact BERTs; families without a
    published space have ``wide``, which is not finite.
    """
    if family.model_type == "bert":
        compact = family.layers < _COMPACT_LAYERS or family.width < _COMPACT_WIDTH
        return _COMPACT_BERT if compact else _BERT
    return next(iter(spaces_for(family.model_type)), _ANY)


def with_encoders(
    job: JobConfig,
    space: SearchSpace,
    load: Callable[[str], SearchSpace],
    family_of: Callable[[str], EncoderFamily] | None = None,
) -> SearchSpace:
    """Return the search space of a job, with a space for each encoder where the job names several.

    Args:
        job: the job.
        space: the space that ``search.space`` names.
        load: reads a space by the name or path in ``search.spaces``.
        family_of: returns the family of an encoder; needed where ``search.spaces`` is ``auto``.

    Returns:
        The space of the one encoder, or a space with ``encoders``.

    Raises:
        ConfigError: a space of ``search.spaces`` cannot be read, or a space names encoders beside the job.
    """
    names, spaces = job.model.names, job.search.spaces
    if issues := list(_named_twice(job, space)):
        raise ConfigError(issues)
    if space.encoders or (spaces is None and len(names) == 1):
        return space
    chosen = {name: _space_name(name, spaces, family_of) for name in names}
    parts = {name: space if other is None else _part(name, other, load) for name, other in chosen.items()}
    if len(parts) == 1:
        return next(iter(parts.values()))
    titles, sources = ({getattr(part, key): None for part in parts.values()} for key in ("name", "source"))
    return SearchSpace(name=", ".join(titles), source="; ".join(filter(None, sources)), encoders=parts)


def _named_twice(job: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Find what a job must not set because its search space names the encoders."""
    subject = f"because search space {space.name!r} names the encoders {', '.join(space.encoders)}"
    named = job.model.names != (SYNTHETIC_ENCODER,)  # the default is in the job file of every run's folder
    if space.encoders and named and "name_or_path" in job.model.model_fields_set:
        yield ConfigIssue.at(("model", "name_or_path"), f"must not be set, {subject}")
    if len(space.encoders) > 1 and job.model.revision is not None:
        yield _revision(job.model.revision)
    if space.encoders and job.search.spaces is not None:
        yield ConfigIssue.at(("search", "spaces"), f"must not be given, {subject}")


def _space_name(
    encoder: str, spaces: str | Mapping[str, str] | None, family_of: Callable[[str], EncoderFamily] | None
) -> str | None:
    """Return the space that ``search.spaces`` gives an encoder; ``None`` for that of ``search.space``."""
    if isinstance(spaces, str):
        assert family_of is not None  # given by callers that read the encoders' files
        return published_space(family_of(encoder))
    return None if spaces is None else spaces.get(encoder)


def _part(encoder: str, name: str, load: Callable[[str], SearchSpace]) -> SearchSpace:
    try:
        part = load(name)
    except ConfigError as error:
        raise ConfigError(
            issue if issue.file else ConfigIssue.at(("search", "spaces", encoder), issue.message)
            for issue in error.issues
        ) from None
    if part.encoders:
        message = f"must be the space of one encoder, but {name!r} names {', '.join(part.encoders)}"
        raise ConfigError([ConfigIssue.at(("search", "spaces", encoder), message)])
    return part


def _revision(revision: str) -> ConfigIssue:
    return ConfigIssue.at(
        ("model", "revision"),
        f"must not be given with several encoders, but got {revision!r}; name folders of the revisions instead",
    )


def encoder_issues(config: JobConfig) -> Iterator[ConfigIssue]:
    """Find the rules between encoders, their spaces and the objective of one job that do not hold."""
    names, search = config.model.names, config.search
    if len(names) > 1 and config.model.revision is not None:
        yield _revision(config.model.revision)
    for encoder in search.spaces if isinstance(search.spaces, dict) else ():
        if encoder not in names:
            near = did_you_mean(encoder, names)
            yield ConfigIssue.at(
                ("search", "spaces", encoder),
                f"must be an encoder of model.name_or_path ({', '.join(names)}), but got {encoder!r}{near}",
            )
    yield from _objective_issues(config)


_MULTI_OBJECTIVE = ("nsga2", "tpe", "random", "grid")


def _objective_issues(config: JobConfig) -> Iterator[ConfigIssue]:
    search, keys = config.search, ("search", "objective")
    listed = ", ".join(search.objective)
    if search.objective[:1] != ("score",) or len(set(search.objective)) < len(search.objective):
        yield ConfigIssue.at(keys, f"must be [score] or [score, ms_per_row], but got [{listed}]")
    elif len(search.objective) > 1 and search.algorithm not in _MULTI_OBJECTIVE:
        yield ConfigIssue.at(
            keys,
            f"[{listed}] needs the algorithm {', '.join(_MULTI_OBJECTIVE[:-1])} or {_MULTI_OBJECTIVE[-1]}, but "
            f"search.algorithm is {search.algorithm}",
        )
    elif len(search.objective) > 1 and search.scheduler.name != "none":
        yield ConfigIssue.at(
            keys,
            f"[{listed}] must not be given with scheduler {search.scheduler.name}, which stops fast encoders whose "
            "score is lower",
        )
