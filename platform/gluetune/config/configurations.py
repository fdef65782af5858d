"""One configuration of a search that a user gives: checked, and completed by the values of another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gluetune.config.space import MODEL_FIELD, Distribution, SearchSpace, Value, contains
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import format_value, unknown_key, validate
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean


def completed_configuration(
    space: SearchSpace, training: TrainingConfig, given: Mapping[str, Any], others: Mapping[str, Value]
) -> dict[str, Value]:
    """Return a whole configuration: the given values, and for all other searched fields those of another configuration.

    Values need not lie in the space, but a trial must be able to train with them.

    Args:
        space: the search space.
        training: the job's settings; fields that the space does not vary stay as they are.
        given: values by searched field; ``model`` names one of several encoders.
        others: values of the fields that are not given; empty where there are none.

    Raises:
        ConfigError: all mistakes, each by its field.
    """
    model = given.get(MODEL_FIELD, others.get(MODEL_FIELD))
    if space.encoders and not (isinstance(model, str) and model in space.encoders):
        raise ConfigError([_unknown_encoder(space, model)])
    part = space.encoders[str(model)] if space.encoders else space
    issues = [*_unknown_fields(space, part, training, given), *_missing_fields(part, given, others)]
    whole = {field: given.get(field, others.get(field)) for field in part.space}
    issues += wrong_values(part, training, {field: value for field, value in whole.items() if value is not None})
    if issues:
        raise ConfigError(issues)
    checked = part.resolve(training, whole)
    values = {field: _value_in(spec, whole[field], getattr(checked, field)) for field, spec in part.space.items()}
    return ({MODEL_FIELD: str(model)} if space.encoders else {}) | values


def wrong_values(part: SearchSpace, training: TrainingConfig, values: Mapping[str, Any]) -> list[ConfigIssue]:
    """Find the values that their training fields do not accept.

    Args:
        part: the search space of one encoder.
        training: the job's settings.
        values: values by field.
    """
    fixed = {**part.training, **training.model_dump(exclude_unset=True)}
    _, issues = validate(TrainingConfig, {**fixed, **values})
    return issues


def _unknown_encoder(space: SearchSpace, model: Any) -> ConfigIssue:
    known = ", ".join(space.encoders)
    if model is None:
        return ConfigIssue(MODEL_FIELD, f"must be given, one of {known}: no trial has been evaluated yet")
    near = did_you_mean(str(model), space.encoders)
    return ConfigIssue(MODEL_FIELD, f"must be one of {known}, but got {format_value(model)}{near}")


def _unknown_fields(
    space: SearchSpace, part: SearchSpace, training: TrainingConfig, given: Mapping[str, Any]
) -> Iterator[ConfigIssue]:
    known = (*([MODEL_FIELD] if space.encoders else ()), *part.space)
    for field in map(str, given):
        if field in known:
            continue
        if field in TrainingConfig.model_fields:
            fixed = format_value(getattr(part.resolve(training), field))
            rule = f"is not searched: all trials of this search have {fixed}; it varies {', '.join(known)}"
            yield ConfigIssue(field, rule)
        else:
            yield ConfigIssue(field, unknown_key(field, known))


def _missing_fields(part: SearchSpace, given: Mapping[str, Any], others: Mapping[str, Value]) -> Iterator[ConfigIssue]:
    for field in part.space:
        if field not in given and field not in others:
            yield ConfigIssue(field, "must be given: no trial that it could be taken from has been evaluated yet")
        elif field in given and given[field] is None:
            yield ConfigIssue(field, "must be a value, but got null")


def _value_in(spec: Distribution, given: Any, checked: Any) -> Value:
    """Return a value as the space writes it where the space contains it; else as the training field reads it."""
    value: Value = given if contains(spec, given) else checked
    return value
