"""``docs/reference/search-space-file.md``: the keys of a search-space file, and the spaces that gluetune ships."""

from __future__ import annotations

from gluetune.config import known_spaces, load_space
from markup import first_lines, table

INTRODUCTION = """
A search-space file is YAML that says which fields of [the section `training`](job-file.md#training) a search varies.
`search.space` in a job file, or `--space`, is its path, or the name of a file of the folder `search_spaces`: in the
current folder, in that of the job file or its parent, or among those that gluetune ships.

```yaml
# search_spaces/mine.yaml
source: gluetune
training:
  num_train_epochs: 4
space:
  learning_rate: {type: float, low: 1e-5, high: 1e-4, log: true}
  batch_size: [16, 32]
  warmup_ratio: {type: float, low: 0, high: 0.2, step: 0.05}
points:
  - {learning_rate: 3e-5, batch_size: 32, warmup_ratio: 0.1}
```
"""
KEYS = (
    (
        "`name`",
        "text",
        "name of the file",
        "name of the space",
    ),
    (
        "`source`",
        "text",
        "empty text",
        "the publication that the space comes from",
    ),
    (
        "`model_types`",
        "a list of text",
        "an empty list",
        "the families of encoders that it was published for, as `model_type` of their `config.json` names "
        "them; `search.spaces: auto` chooses by it",
    ),
    (
        "`training`",
        "a mapping",
        "no values",
        "values of training fields that do not vary; those of a job's section `training` override them",
    ),
    (
        "`space`",
        "a mapping",
        "must be given, or `encoders`",
        "a [distribution](#distributions) for each training field that varies, or for `model`, whose values "
        "are encoders",
    ),
    (
        "`points`",
        "a list of mappings",
        "an empty list",
        "configurations that the search tries first; each has a value for each field of `space`. The first "
        "one is the default that a confirmation trains too",
    ),
    (
        "`encoders`",
        "a mapping",
        "no values",
        "a space for each encoder, with `training`, `space` and `points` of its own ([guide](../how-to/encoders.md))",
    ),
)
DISTRIBUTIONS_INTRODUCTION = """A field must not be in both `training` and `space`, and not in D
        D`space` where the job sets it.

## Distributions
"""
DISTRIBUTIONS = (
    (
        "list",
        "`[16, 32]`",
        "one of these; the same as `{type: choice, values: [16, 32]}`",
    ),
    (
        "`choice`",
        "`{type: choice, values: [none, balanced]}`",
        "one of `values`",
    ),
    (
        "`float`",
        "`{type: float, low: 1e-5, high: 1e-4, log: true}`",
        "a number from `low` to `high`, both included; `log: true` draws on a log scale, `step` takes every "
        "`step`-th number from `low`",
    ),
    (
        "`int`",
        "`{type: int, low: 1, high: 8}`",
        "a whole number from `low` to `high`, both included; `step` (1) and `log` as above",
    ),
)
SHIPPED_INTRODUCTION = """`step` and `log` must not be given together. The algorithm `grid` needs a finite
space: lists, and ranges with a `step` but without `log`.

## Shipped spaces
"""


def space_page() -> str:
    """Return the page in Markdown."""
    rows = []
    for name in known_spaces():
        space = load_space(name)
        size = "not finite" if space.size is None else f"{space.size:,}"
        families = ", ".join(f"`{family}`" for family in space.model_types) or "any"
        fields = ", ".join(f"`{field}`" for field in space.fields)
        rows.append([f"[`{name}`](../../search_spaces/{name}.yaml)", size, fields, families, space.source])
    heads = ("space", "configurations", "fields", "families", "source")
    parts = [
        first_lines("Search-space file", "the files of `search_spaces`", INTRODUCTION),
        table(("key", "value", "default", "meaning"), KEYS),
        DISTRIBUTIONS_INTRODUCTION,
        table(("distribution", "example", "values"), DISTRIBUTIONS),
        SHIPPED_INTRODUCTION,
        table(heads, rows),
    ]
    return "\n".join(parts)
