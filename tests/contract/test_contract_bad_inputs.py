"""Bad job files and flags: each mistake is told with file and line, or flag, rule, value and nearest valid name.

Each row is what the user wrote and the complete message.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gluetune.cli.flags import parse
from gluetune.cli.main import TUNE
from gluetune.config import JobConfig, load_job
from gluetune.errors import ConfigError

SPACES = {
    "compact_bert": "space: {learning_rate: [1e-4, 3e-5], batch_size: [16, 32]}\ntraining: {num_train_epochs: 4}\n",
    "wide": "space: {learning_rate: {type: float, low: 1e-6, high: 1e-3, log: true}}\n",
    "named": "space: {lr_scheduler_type: [linear, cosine]}\n",
    "one_epoch": "space: {learning_rate: [1e-4, 3e-5]}\ntraining: {num_train_epochs: 1}\n",
    "broken": "space: {learning_rate: [0]}\n",
}

JOB = "search: {space: compact_bert, scheduler: asha}\ntasks: [cola]\ndata: {source: synthetic}\n"

JOB_FILES = [
    ("serach: {}", "job.yaml:1: serach: no such key; nearest: 'search'"),
    ("search: {num_sample: 3}", "job.yaml:1: search.num_sample: no such key; nearest: 'num_samples'"),
    (
        "foo: 1",
        "job.yaml:1: foo: no such key; there are: name, seed, tasks, data, model, training, search, lanes, storage, "
        "tracking, published",
    ),
    ("data: {source: disk}", "job.yaml:1: data.source: must be one of synthetic, hub, dir, custom, but got 'disk'"),
    (
        "data: {max_seq_length: 4}",
        "job.yaml:1: data.max_seq_length: must be a whole number >= 8 and <= 8192, but got 4",
    ),
    (
        "data: {max_seq_length: 16.0}",
        "job.yaml:1: data.max_seq_length: must be a whole number >= 8 and <= 8192, but got 16.0",
    ),
    (
        "data: {max_seq_length: '128'}",
        "job.yaml:1: data.max_seq_length: must be a whole number >= 8 and <= 8192, but got '128'",
    ),
    (
        "data: {max_train_samples: 1}",
        "job.yaml:1: data.max_train_samples: must be a whole number >= 2 or null, but got 1",
    ),
    ("data: {selection_fraction: 1}", "job.yaml:1: data.selection_fraction: must be a number > 0 and < 1, but got 1"),
    (
        "data: {selection: deev}",
        "job.yaml:1: data.selection: must be one of holdout, dev, train_test_split, but got 'deev'; nearest: 'dev'",
    ),
    ("data: {source: dir}", "job.yaml:1: data.source: dir needs data.dir (--data-dir), the official GLUE folder"),
    ("data: {source: dir, dir: nowhere}", "job.yaml:1: data.dir: must be an existing folder, but got 'nowhere'"),
    (
        "data: {dir: glue}",
        "job.yaml:1: data.dir: must not be given unless data.source (--data) is dir, hub or custom, "
        "but it is synthetic",
    ),
    (
        "{tasks: cola, data: {source: custom}}",
        "job.yaml:1: data.source: custom needs data.dataset, your own dataset class (package.module:Class)",
    ),
    (
        "{tasks: cola, data: {source: custom, dataset: Rows}}",
        "job.yaml:1: data.dataset: must be package.module:Class or path/to/file.py:Class, but got 'Rows'",
    ),
    (
        "{tasks: cola, data: {source: custom, dataset: 'mine.py:Rows', dir: nowhere}}",
        "job.yaml:1: data.dir: must be an existing folder, but got 'nowhere'",
    ),
    (
        "data: {source: custom, dataset: 'mine.py:Rows'}",
        "job.yaml:1: data.dataset: must be given for one task only, but got cola, mrpc, stsb",
    ),
    (
        "data: {dataset: 'mine.py:Rows'}",
        "job.yaml:1: data.dataset: must not be given unless data.source (--data) is custom, but it is synthetic",
    ),
    (
        "data: {source: hub, train_file: a.tsv}",
        "job.yaml:1: data.train_file: must not be given unless data.source (--data) is dir, but it is hub",
    ),
    (
        "{tasks: cola, data: {source: custom, dataset: 'mine.py:Rows', test_file: a.tsv}}",
        "job.yaml:1: data.test_file: must not be given unless data.source (--data) is dir, but it is custom",
    ),
    (
        "tasks: cola\ndata: {source: dir, dir: ., train_file: search_space/wide.yaml, validation_file: jobs.yaml}",
        "job.yaml:2: data.train_file: must be a file, but there is no 'search_space/wide.yaml'; nearest: "
        "'search_spaces'\n"
        "job.yaml:2: data.validation_file: must be a file, but there is no 'jobs.yaml'; nearest: 'job.yaml'",
    ),
    (
        "tasks: [cola, rte]\ndata: {source: dir, dir: ., train_file: job.yaml}",
        "job.yaml:2: data.train_file: must be given for one task only, but got cola, rte",
    ),
    (
        "data: {truncation: shortest}",
        "job.yaml:1: data.truncation: must be one of longest_first, proportional, but got 'shortest'",
    ),
    (
        "data: {selection_seed: -1}",
        "job.yaml:1: data.selection_seed: must be a whole number >= 0 and < 4294967296 or null, but got -1",
    ),
    ("train_input: {batch: 8}", "job.yaml:1: train_input.batch: no such key; nearest: 'batch_size'"),
    (
        "train_input: {batch_size: 8}",
        "job.yaml:1: training.batch_size: must not be set, because search space 'compact_bert' varies it",
    ),
    ("eval_input: {data_dir: nowhere/CoLA}", "job.yaml:1: data.dir: must be an existing folder, but got 'nowhere'"),
    ("data: 5", "job.yaml:1: data: must be a mapping, but got 5"),
    ("seed: -1", "job.yaml:1: seed: must be a whole number >= 0 and < 2147483648, but got -1"),
    ("seed: 1.5", "job.yaml:1: seed: must be a whole number >= 0 and < 2147483648, but got 1.5"),
    ("seed: 4294967296", "job.yaml:1: seed: must be a whole number >= 0 and < 2147483648, but got 4294967296"),
    (
        "name: a b",
        "job.yaml:1: name: must be text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or "
        "null, but got 'a b'",
    ),
    (
        "name: ../up",
        "job.yaml:1: name: must be text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or "
        "null, but got '../up'",
    ),
    (
        "tasks: colla",
        "job.yaml:1: tasks.colla: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but "
        "got 'colla'; nearest: 'cola'",
    ),
    ("tasks: [cola, SST2, sst-2]", "job.yaml:1: tasks: must name each task once, but got 'SST2' and 'sst-2'"),
    ("tasks: []", "job.yaml:1: tasks: must name at least one task"),
    (
        "tasks: ax",
        "job.yaml:1: tasks.ax: must have training data, but 'ax' has none: it is evaluated with the winner of 'mnli'; "
        "search that one",
    ),
    ("tasks: {cola: 0}", "job.yaml:1: tasks.cola: must be a number > 0, but got 0"),
    (
        "tasks: {cola: heavy, mrpcc: 1}",
        "job.yaml:1: tasks.cola: must be a number > 0, but got 'heavy'\n"
        "job.yaml:1: tasks.mrpcc: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but "
        "got 'mrpcc'; nearest: 'mrpc'",
    ),
    ("tasks: [1]", "job.yaml:1: tasks: must be names of tasks, but got 1"),
    ("tasks:", "job.yaml:1: tasks: must be names of tasks, or a mapping from names to weights, but got null"),
    ("training: {learning_rte: 1e-4}", "job.yaml:1: training.learning_rte: no such key; nearest: 'learning_rate'"),
    ("training: {learning_rate: 0}", "job.yaml:1: training.learning_rate: must be a number > 0, but got 0"),
    ("training: {learning_rate: fast}", "job.yaml:1: training.learning_rate: must be a number > 0, but got 'fast'"),
    ("training: {learning_rate: .nan}", "job.yaml:1: training.learning_rate: must be a number > 0, but got nan"),
    ("training: {warmup_ratio: 1.5}", "job.yaml:1: training.warmup_ratio: must be a number >= 0 and <= 1, but got 1.5"),
    ("training: {bf16: no}", "job.yaml:1: training.bf16: must be auto or true or false, but got 'no'"),
    (
        "training: {lr_scheduler_type: liner}",
        "job.yaml:1: training.lr_scheduler_type: must be one of linear, cosine, constant, constant_with_warmup, but "
        "got 'liner'; nearest: 'linear'",
    ),
    ("training: {batch_size: 0}", "job.yaml:1: training.batch_size: must be a whole number >= 1, but got 0"),
    (
        "training: {batch_size: 16}",
        "job.yaml:1: training.batch_size: must not be set, because search space 'compact_bert' varies it",
    ),
    ("training: {max_steps: 0}", "job.yaml:1: training.max_steps: must be a whole number >= 1 or null, but got 0"),
    (
        "search: {algorithm: tpee}",
        "job.yaml:1: search.algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'tpee'; nearest: "
        "'tpe'",
    ),
    (
        "search: {algorithm: bayes}",
        "job.yaml:1: search.algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'bayes'",
    ),
    (
        "search: {scheduler: ahsa}",
        "job.yaml:1: search.scheduler.name: must be one of none, asha, hyperband, median, but got 'ahsa'; nearest: "
        "'asha'",
    ),
    ("search: {scheduler: {nmae: asha}}", "job.yaml:1: search.scheduler.nmae: no such key; nearest: 'name'"),
    (
        "search: {scheduler: {name: asha, reduction_factor: 1}}",
        "job.yaml:1: search.scheduler.reduction_factor: must be a number > 1, but got 1",
    ),
    (
        "search: {scheduler: {name: asha, grace_epochs: 4}}",
        "job.yaml:1: search.scheduler.grace_epochs: `grace_epochs < num_train_epochs` must hold, but got "
        "(grace_epochs=4, num_train_epochs=4)",
    ),
    ("search: {scheduler: [asha]}", "job.yaml:1: search.scheduler: must be a mapping, but got ['asha']"),
    ("search: {num_samples: 0}", "job.yaml:1: search.num_samples: must be a whole number >= 1 or null, but got 0"),
    (
        "search: {num_samples: many}",
        "job.yaml:1: search.num_samples: must be a whole number >= 1 or null, but got 'many'",
    ),
    ("search: {time_budget_s: 0}", "job.yaml:1: search.time_budget_s: must be a number > 0 or null, but got 0"),
    ("search: {max_failures: -1}", "job.yaml:1: search.max_failures: must be a whole number >= 0, but got -1"),
    (
        "search: {space: compct_bert}",
        "job.yaml:1: search.space: must be a search space or the path of its file, but got 'compct_bert'; nearest: "
        "'compact_bert'",
    ),
    ("search: {space: 5}", "job.yaml:1: search.space: must be non-empty text, but got 5"),
    ("search: {space: ''}", "job.yaml:1: search.space: must be non-empty text, but got ''"),
    (
        "search: {space: missing/wide.yaml}",
        "job.yaml:1: search.space: must be a search space or the path of its file, but got 'missing/wide.yaml'; "
        "nearest: 'wide'",
    ),
    (
        "search: {space: wide, algorithm: grid}",
        "job.yaml:1: search.algorithm: grid needs a finite search space, but 'wide' is not (learning_rate); "
        "use random, tpe, gp, cmaes or nsga2",
    ),
    (
        "search: {space: wide, algorithm: random}",
        "job.yaml:1: search.num_samples: num_samples or time_budget_s must be given, because search space 'wide' is "
        "not finite",
    ),
    (
        "search: {space: named, algorithm: cmaes}",
        "job.yaml:1: search.algorithm: cmaes needs a field with numbers, but search space 'named' has choices between "
        "names only (lr_scheduler_type); use grid, random, tpe, gp or nsga2",
    ),
    (
        "search: {space: one_epoch, scheduler: median}",
        "job.yaml:1: search.scheduler.grace_epochs: `grace_epochs < num_train_epochs` must hold, but got "
        "(grace_epochs=1, num_train_epochs=1)",
    ),
    (
        "lanes: {gpus_per_worker: 1.5}",
        "job.yaml:1: lanes.gpus_per_worker: must be whole where it is more than 1 (Ray divides single GPUs only), but "
        "got 1.5",
    ),
    ("lanes: {gpus_per_worker: -1}", "job.yaml:1: lanes.gpus_per_worker: must be auto or a number >= 0, but got -1"),
    ("lanes: {cpus_per_worker: 0}", "job.yaml:1: lanes.cpus_per_worker: must be auto or a number > 0, but got 0"),
    ("lanes: {cpus_per_worker: all}", "job.yaml:1: lanes.cpus_per_worker: must be auto or a number > 0, but got 'all'"),
    (
        "lanes: {max_concurrent_trials: 0}",
        "job.yaml:1: lanes.max_concurrent_trials: must be auto or a whole number >= 1, but got 0",
    ),
    (
        "lanes: {placement_strategy: PAKC}",
        "job.yaml:1: lanes.placement_strategy: must be one of PACK, SPREAD, STRICT_PACK, STRICT_SPREAD, but got "
        "'PAKC'; nearest: 'PACK'",
    ),
    ("storage: {path: ''}", "job.yaml:1: storage.path: must be non-empty text, but got ''"),
    ("tracking: {uri: ''}", "job.yaml:1: tracking.uri: must be non-empty text or null, but got ''"),
    ("tracking: {register_models: yes}", "job.yaml:1: tracking.register_models: must be true or false, but got 'yes'"),
    ("model: {name_or_path: ''}", "job.yaml:1: model.name_or_path: must be non-empty text, but got ''"),
    ("model: {name: bert}", "job.yaml:1: model.name: no such key; nearest: 'name_or_path'"),
    ("seed: 1\nseed: 2", "job.yaml:2: seed: a key must be given once, but line 1 has it too"),
    ("search:\n\tspace: wide", "job.yaml:2: must be valid YAML: indent with spaces, not with tabs"),
    (
        "search: {space",
        "job.yaml:1: must be valid YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'",
    ),
    ("a: b: c", "job.yaml:1: must be valid YAML: mapping values are not allowed here"),
    ("- a", "job.yaml:1: must be a mapping of keys to values, but got ['a']"),
    ("just text", "job.yaml:1: must be a mapping of keys to values, but got 'just text'"),
    (
        "seed: !!python/name:os.system x",
        "job.yaml:1: seed: tags are not allowed, but got 'tag:yaml.org,2002:python/name:os.system'",
    ),
    ("seed: !!int abc", "job.yaml:1: seed: must fit its tag 'tag:yaml.org,2002:int', but got 'abc'"),
    ("a: &x [*x]", "job.yaml:1: a[0]: an alias must not contain itself"),
    ("? [a]\n: 1", "job.yaml:1: a key must be text"),
    (
        "a: 1\n---\nb: 2",
        "job.yaml:2: must be valid YAML: expected a single document in the stream, but found another document",
    ),
    (
        "seed: 1\n"
        "serach: {}\n"
        "search:\n"
        "  algorithm: tpee\n"
        "  scheduler:\n"
        "    name: asha\n"
        "    grace: 1\n"
        "tasks: {colla: 1}\n"
        "lanes: {max_concurrent_trials: 0}\n",
        "job.yaml:2: serach: no such key; nearest: 'search'\n"
        "job.yaml:4: search.algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'tpee'; nearest: "
        "'tpe'\n"
        "job.yaml:7: search.scheduler.grace: no such key; nearest: 'grace_epochs'\n"
        "job.yaml:8: tasks.colla: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but "
        "got 'colla'; nearest: 'cola'\n"
        "job.yaml:9: lanes.max_concurrent_trials: must be auto or a whole number >= 1, but got 0",
    ),
    (
        "search: {space: one_epoch, scheduler: {name: asha, grace_epochs: 0.5}}",
        "job.yaml:1: search.scheduler.name: asha needs more than one evaluation in a trial, but got "
        "(num_train_epochs=1, evals_per_epoch=1)",
    ),
    (
        "search: {space: broken, algorithm: tpee}",
        "job.yaml:1: search.algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'tpee'; nearest: "
        "'tpe'\n"
        "search_spaces/broken.yaml:1: space.learning_rate[0]: learning_rate must be a number > 0, but got 0",
    ),
]

JOB_BYTES = [
    ("seed: 1\n# caf\xe9\n".encode("latin-1"), "job.yaml:2: must be UTF-8 text, but byte 0xe9 is not"),
    ("seed: 1\n".encode("utf-16"), "job.yaml:1: must be UTF-8 text, but byte 0xff is not"),
    (b"seed: 1\n\x07", "job.yaml:2: must be text without control characters, but got 0x07"),
]

# on top of JOB
FLAGS = [
    ("--tsks cola", "--tsks: no such flag; nearest: '--tasks'"),
    ("--learning-rate 3e-5", "--learning-rate: no such flag; use --set training.learning_rate=VALUE"),
    ("--num_sample 3", "--num-sample: no such flag; nearest: '--num-samples'"),
    ("--nothing-like-it", "--nothing-like-it: no such flag; --help lists them"),
    ("cola", "flags must start with --, but got 'cola'"),
    ("-x", "-x: no such flag; --help lists them"),
    ("--tasks", "--tasks: must have a value"),
    ("--dry-run=1", "--dry-run: takes no value"),
    ("--set training.learning_rate", "--set: must be KEY=VALUE, but got 'training.learning_rate'"),
    ("--set =3", "--set: must be KEY=VALUE, but got '=3'"),
    (
        "--set seed=[",
        "--set seed: must be valid YAML: while parsing a flow node, expected the node content, but found '<stream "
        "end>'; got '['",
    ),
    (
        "--num-samples {",
        "--num-samples: must be valid YAML: while parsing a flow node, expected the node content, but found '<stream "
        "end>'; got '{'",
    ),
    ("--num-samples many", "--num-samples: must be a whole number >= 1 or null, but got 'many'"),
    ("--num-samples 0", "--num-samples: must be a whole number >= 1 or null, but got 0"),
    ("--seed -1", "--seed: must be a whole number >= 0 and < 2147483648, but got -1"),
    (
        "--tasks cola,colla",
        "--tasks: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but got 'colla'; "
        "nearest: 'cola'",
    ),
    (
        "--tasks ax",
        "--tasks: must have training data, but 'ax' has none: it is evaluated with the winner of 'mnli'; search that "
        "one",
    ),
    ("--tasks ,", "--tasks: must name at least one task"),
    (
        "--algorithm tpx",
        "--algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'tpx'; nearest: 'tpe'",
    ),
    ("--scheduler ahsa", "--scheduler: must be one of none, asha, hyperband, median, but got 'ahsa'; nearest: 'asha'"),
    ("--space wid", "--space: must be a search space or the path of its file, but got 'wid'; nearest: 'wide'"),
    ("--data disk", "--data: must be one of synthetic, hub, dir, custom, but got 'disk'"),
    ("--data dir", "--data: dir needs data.dir (--data-dir), the official GLUE folder"),
    ("--data dir --data-dir nowhere", "--data-dir: must be an existing folder, but got 'nowhere'"),
    (
        "--data-dir .",
        "--data-dir: must not be given unless data.source (--data) is dir, hub or custom, but it is synthetic",
    ),
    ("--data custom", "--data: custom needs data.dataset, your own dataset class (package.module:Class)"),
    (
        "--data dir --data-dir . --set data.test_file=nothing",
        "--set data.test_file: must be a file, but there is no 'nothing'",
    ),
    (
        "--gpus-per-worker 1.5",
        "--gpus-per-worker: must be whole where it is more than 1 (Ray divides single GPUs only), but got 1.5",
    ),
    ("--cpus-per-worker none", "--cpus-per-worker: must be auto or a number > 0, but got 'none'"),
    (
        "--name a/b",
        "--name: must be text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null, but "
        "got 'a/b'",
    ),
    ("--set search.scheduller=asha", "--set search.scheduller: no such key; nearest: 'scheduler'"),
    ("--set serach.space=wide", "--set serach: no such key; nearest: 'search'"),
    (
        "--set search.scheduler.grace_epochs=9",
        "--set search.scheduler.grace_epochs: `grace_epochs < num_train_epochs` must hold, but got (grace_epochs=9, "
        "num_train_epochs=4)",
    ),
    ("--set data.source.x=1", "--set data.source.x: data.source must be a mapping, but is 'synthetic'"),
    (
        "--set tasks.colla=2",
        "--set tasks.colla: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but got "
        "'colla'; nearest: 'cola'",
    ),
    (
        "--set training.learning_rate=1e-5",
        "--set training.learning_rate: must not be set, because search space 'compact_bert' varies it",
    ),
    ("--max-seq-length 4", "--max-seq-length: must be a whole number >= 8 and <= 8192, but got 4"),
    ("--time-budget-s soon", "--time-budget-s: must be a number > 0 or null, but got 'soon'"),
    (
        "--selection train",
        "--selection: must be one of holdout, dev, train_test_split, but got 'train'; nearest: 'train_test_split'",
    ),
    ("--max-concurrent-trials 0", "--max-concurrent-trials: must be auto or a whole number >= 1, but got 0"),
    (
        "--resume x --tasks cola --set seed=1 --config f",
        "--resume: a run goes on as it was started; only --address, --max-concurrent-trials, --storage-path, "
        "--time-budget-s, --tracking-uri may change, but got --config, --tasks, --set seed",
    ),
    (
        "--resume x --num-samples 5",
        "--resume: a run goes on as it was started; only --address, --max-concurrent-trials, --storage-path, "
        "--time-budget-s, --tracking-uri may change, but got --num-samples",
    ),
    (
        "--tasks colla --algorithm tpx --set training.lr=1",
        "--tasks: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, snli, but got 'colla'; "
        "nearest: 'cola'\n"
        "--set training.lr: no such key; there are: learning_rate, batch_size, num_train_epochs, max_steps, "
        "lr_scheduler_type, warmup_ratio, warmup_steps, weight_decay, adam_beta1, adam_beta2, adam_epsilon, "
        "max_grad_norm, layerwise_lr_decay, gradient_accumulation_steps, evals_per_epoch, eval_batch_size, "
        "hidden_dropout_prob, attention_probs_dropout_prob, classifier_dropout, head, head_hidden_size, pooling, "
        "freeze_embeddings, freeze_layers, bf16, torch_compile, torch_compile_mode, logging_steps, seed\n"
        "--algorithm: must be one of grid, random, tpe, gp, cmaes, nsga2, but got 'tpx'; nearest: 'tpe'",
    ),
    ("--max-train-samples 1", "--max-train-samples: must be a whole number >= 2 or null, but got 1"),
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").mkdir()
    for name, text in SPACES.items():
        (tmp_path / "search_spaces" / f"{name}.yaml").write_text(text)
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path


@pytest.mark.parametrize(("text", "message"), JOB_FILES, ids=[text for text, _ in JOB_FILES])
def test_job_file(text: str, message: str, project: Path) -> None:
    (project / "job.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_job("job.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize(("data", "message"), JOB_BYTES)
def test_job_file_that_is_not_utf8_text(data: bytes, message: str, project: Path) -> None:
    (project / "job.yaml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_job("job.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.yaml", "none.yaml: cannot be read: No such file or directory"),
        ("search_spaces", "search_spaces: cannot be read: Is a directory"),
    ],
)
def test_job_file_that_cannot_be_read(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    assert str(caught.value) == message


def command_line(line: str) -> JobConfig:
    arguments = parse(shlex.split(line), TUNE)
    return load_job(arguments.config or "job.yaml", arguments.overrides)


@pytest.mark.parametrize(("line", "message"), FLAGS, ids=[line for line, _ in FLAGS])
def test_flags(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        command_line(line)
    assert str(caught.value) == message
