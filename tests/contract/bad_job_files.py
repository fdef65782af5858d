"""Mistakes in job files, and what each message must show."""

from __future__ import annotations

from messages import Line

BadInputs = list[tuple[str, list[Line]]]

JOB_FILES: BadInputs = [
    ("serach: {}", [Line("job.yaml:1: serach", nearest="search")]),
    ("search: {num_sample: 3}", [Line("job.yaml:1: search.num_sample", nearest="num_samples")]),
    ("foo: 1", [Line("job.yaml:1: foo")]),
    ("data: {source: disk}", [Line("job.yaml:1: data.source", "'disk'")]),
    ("data: {max_seq_length: 4}", [Line("job.yaml:1: data.max_seq_length", "4")]),
    ("data: {max_seq_length: 16.0}", [Line("job.yaml:1: data.max_seq_length", "16.0")]),
    ("data: {max_seq_length: '128'}", [Line("job.yaml:1: data.max_seq_length", "'128'")]),
    ("data: {max_train_samples: 1}", [Line("job.yaml:1: data.max_train_samples", "1")]),
    ("data: {selection_fraction: 1}", [Line("job.yaml:1: data.selection_fraction", "1")]),
    ("data: {selection: deev}", [Line("job.yaml:1: data.selection", "'deev'", nearest="dev")]),
    ("data: {source: dir}", [Line("job.yaml:1: data.source")]),
    ("data: {source: dir, dir: nowhere}", [Line("job.yaml:1: data.dir", "'nowhere'")]),
    ("data: {dir: glue}", [Line("job.yaml:1: data.dir")]),
    ("{tasks: cola, data: {source: custom}}", [Line("job.yaml:1: data.source")]),
    ("{tasks: cola, data: {source: custom, dataset: Rows}}", [Line("job.yaml:1: data.dataset", "'Rows'")]),
    (
        "{tasks: cola, data: {source: custom, dataset: 'mine.py:Rows', dir: nowhere}}",
        [Line("job.yaml:1: data.dir", "'nowhere'")],
    ),
    ("data: {source: custom, dataset: 'mine.py:Rows'}", [Line("job.yaml:1: data.dataset", "cola, mrpc, stsb")]),
    ("data: {dataset: 'mine.py:Rows'}", [Line("job.yaml:1: data.dataset")]),
    ("data: {source: hub, train_file: a.tsv}", [Line("job.yaml:1: data.train_file")]),
    (
        "{tasks: cola, data: {source: custom, dataset: 'mine.py:Rows', test_file: a.tsv}}",
        [Line("job.yaml:1: data.test_file")],
    ),
    (
        "tasks: cola\ndata: {source: dir, dir: ., train_file: search_space/wide.yaml, validation_file: jobs.yaml}",
        [
            Line("job.yaml:2: data.train_file", nearest="search_spaces"),
            Line("job.yaml:2: data.validation_file", nearest="job.yaml"),
        ],
    ),
    (
        "tasks: [cola, rte]\ndata: {source: dir, dir: ., train_file: job.yaml}",
        [Line("job.yaml:2: data.train_file", "cola, rte")],
    ),
    ("tasks: {tickets: {}}", [Line("job.yaml:1: tasks.tickets.text"), Line("job.yaml:1: tasks.tickets.label")]),
    ("tasks: {tickets: {text: a, label: b}}", [Line("job.yaml:1: tasks.tickets.train")]),
    (
        "tasks: {tickets: {train: tickts.csv, text: a, label: b}}",
        [Line("job.yaml:1: tasks.tickets.train", "'tickts.csv'", nearest="tickets.csv")],
    ),
    (
        "tasks:\n  tickets: {trian: tickets.csv, text: a, label: b}\n  rte: 0",
        [Line("job.yaml:2: tasks.tickets.trian", nearest="train"), Line("job.yaml:3: tasks.rte", "0")],
    ),
    ("tasks: {tickets: {train: 3, text: a, label: b}}", [Line("job.yaml:1: tasks.tickets.train", "3")]),
    ("tasks: {tickets: {train: tickets.csv, text: '', label: b}}", [Line("job.yaml:1: tasks.tickets.text")]),
    ("tasks: {tickets: {train: tickets.csv, text: [], label: b}}", [Line("job.yaml:1: tasks.tickets.text")]),
    ("tasks: {tickets: {train: tickets.csv, text: [a, 3], label: b}}", [Line("job.yaml:1: tasks.tickets.text")]),
    (
        "tasks: {tickets: {train: tickets.csv, text: 'a,b,c', label: d}}",
        [Line("job.yaml:1: tasks.tickets.text", "a, b, c")],
    ),
    ("tasks: {tickets: {train: tickets.csv, text: 'a,a', label: d}}", [Line("job.yaml:1: tasks.tickets.text", "'a'")]),
    (
        "tasks: {tickets: {train: tickets.csv, text: '{a}: {b', label: d}}",
        [Line("job.yaml:1: tasks.tickets.text", "'{a}: {b'")],
    ),
    ("tasks: {tickets: {train: tickets.csv, text: '{}', label: d}}", [Line("job.yaml:1: tasks.tickets.text", "'{}'")]),
    (
        "tasks: {tickets: {train: tickets.csv, text: '{a:>9}', label: d}}",
        [Line("job.yaml:1: tasks.tickets.text", "'{a:>9}'")],
    ),
    ("tasks: {tickets: {train: tickets.csv, text: a, label: a}}", [Line("job.yaml:1: tasks.tickets.label", "'a'")]),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: [b, b]}}",
        [Line("job.yaml:1: tasks.tickets.label", "'b'")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: [b, c], problem: regression}}",
        [Line("job.yaml:1: tasks.tickets.problem", "regression")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b, problem: singel_label}}",
        [Line("job.yaml:1: tasks.tickets.problem", "'singel_label'", nearest="single_label")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b, labels: [x, x]}}",
        [Line("job.yaml:1: tasks.tickets.labels", "'x'")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b, labels: [x]}}",
        [Line("job.yaml:1: tasks.tickets.labels")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b, labels: [x, y], problem: regression}}",
        [Line("job.yaml:1: tasks.tickets.labels")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, test: tickets.csv, text: a, label: b}}",
        [Line("job.yaml:1: tasks.tickets.test", "'tickets.csv'")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, dataset_config: x, text: a, label: b}}",
        [Line("job.yaml:1: tasks.tickets.dataset_config")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b}}\ndata: {selection: dev}",
        [Line("job.yaml:1: tasks.tickets.validation")],
    ),
    (
        "tasks: {tickets: {train: tickets.csv, text: a, label: b, weight: 0}}",
        [Line("job.yaml:1: tasks.tickets.weight", "0")],
    ),
    ("tasks: {SST-2: {train: tickets.csv, text: a, label: b}}", [Line("job.yaml:1: tasks.SST-2", "'SST-2'")]),
    ("tasks: {a b: {train: tickets.csv, text: a, label: b}}", [Line("job.yaml:1: tasks.a b", "'a b'")]),
    ("tasks: {a/b: {train: tickets.csv, text: a, label: b}}", [Line("job.yaml:1: tasks.a/b", "'a/b'")]),
    ("data: {truncation: shortest}", [Line("job.yaml:1: data.truncation", "'shortest'")]),
    ("data: {selection_seed: -1}", [Line("job.yaml:1: data.selection_seed", "-1")]),
    ("data: {folds: 3}", [Line("job.yaml:1: data.folds", "kfold")]),
    ("data: {selection: kfold, folds: 1}", [Line("job.yaml:1: data.folds", "1")]),
    ("data: {selection: kfold, final: last}", [Line("job.yaml:1: data.final", "'last'")]),
    (
        "data: {selection: kfold}\nsearch: {scheduler: asha}",
        [Line("job.yaml:2: search.scheduler.name", "asha")],
    ),
    ("train_input: {batch: 8}", [Line("job.yaml:1: train_input.batch", nearest="batch_size")]),
    ("train_input: {batch_size: 8}", [Line("job.yaml:1: training.batch_size")]),
    ("eval_input: {data_dir: nowhere/CoLA}", [Line("job.yaml:1: data.dir", "'nowhere'")]),
    ("data: 5", [Line("job.yaml:1: data", "5")]),
    ("seed: -1", [Line("job.yaml:1: seed", "-1")]),
    ("seed: 1.5", [Line("job.yaml:1: seed", "1.5")]),
    ("seed: 4294967296", [Line("job.yaml:1: seed", "4294967296")]),
    ("name: a b", [Line("job.yaml:1: name", "'a b'")]),
    ("name: ../up", [Line("job.yaml:1: name", "'../up'")]),
    ("tasks: colla", [Line("job.yaml:1: tasks.colla", "'colla'", nearest="cola")]),
    ("tasks: [cola, SST2, sst-2]", [Line("job.yaml:1: tasks", "'SST2' and 'sst-2'")]),
    ("tasks: []", [Line("job.yaml:1: tasks")]),
    ("tasks: ax", [Line("job.yaml:1: tasks.ax")]),
    ("tasks: {cola: 0}", [Line("job.yaml:1: tasks.cola", "0")]),
    (
        "tasks: {cola: heavy, mrpcc: 1}",
        [Line("job.yaml:1: tasks.cola", "'heavy'"), Line("job.yaml:1: tasks.mrpcc", "'mrpcc'", nearest="mrpc")],
    ),
    ("tasks: [1]", [Line("job.yaml:1: tasks", "1")]),
    ("tasks:", [Line("job.yaml:1: tasks", "null")]),
    ("training: {learning_rte: 1e-4}", [Line("job.yaml:1: training.learning_rte", nearest="learning_rate")]),
    ("training: {learning_rate: 0}", [Line("job.yaml:1: training.learning_rate", "0")]),
    ("training: {learning_rate: fast}", [Line("job.yaml:1: training.learning_rate", "'fast'")]),
    ("training: {learning_rate: .nan}", [Line("job.yaml:1: training.learning_rate", "nan")]),
    ("training: {warmup_ratio: 1.5}", [Line("job.yaml:1: training.warmup_ratio", "1.5")]),
    ("training: {bf16: no}", [Line("job.yaml:1: training.bf16", "'no'")]),
    (
        "training: {lr_scheduler_type: liner}",
        [Line("job.yaml:1: training.lr_scheduler_type", "'liner'", nearest="linear")],
    ),
    ("training: {batch_size: 0}", [Line("job.yaml:1: training.batch_size", "0")]),
    ("training: {batch_size: 16}", [Line("job.yaml:1: training.batch_size")]),
    ("training: {max_steps: 0}", [Line("job.yaml:1: training.max_steps", "0")]),
    ("search: {algorithm: tpee}", [Line("job.yaml:1: search.algorithm", "'tpee'", nearest="tpe")]),
    ("search: {algorithm: bayes}", [Line("job.yaml:1: search.algorithm", "'bayes'")]),
    ("search: {scheduler: ahsa}", [Line("job.yaml:1: search.scheduler.name", "'ahsa'", nearest="asha")]),
    ("search: {scheduler: {nmae: asha}}", [Line("job.yaml:1: search.scheduler.nmae", nearest="name")]),
    (
        "search: {scheduler: {name: asha, reduction_factor: 1}}",
        [Line("job.yaml:1: search.scheduler.reduction_factor", "1")],
    ),
    (
        "search: {scheduler: {name: asha, grace_epochs: 4}}",
        [Line("job.yaml:1: search.scheduler.grace_epochs", "(grace_epochs=4, num_train_epochs=4)")],
    ),
    ("search: {scheduler: [asha]}", [Line("job.yaml:1: search.scheduler", "['asha']")]),
    ("search: {num_samples: 0}", [Line("job.yaml:1: search.num_samples", "0")]),
    ("search: {num_samples: many}", [Line("job.yaml:1: search.num_samples", "'many'")]),
    ("search: {budget: {gpu_hours: 0}}", [Line("job.yaml:1: search.budget.gpu_hours", "0")]),
    ("search: {budget: {gpu_hour: 4}}", [Line("job.yaml:1: search.budget.gpu_hour", nearest="gpu_hours")]),
    ("search: {budget: 4}", [Line("job.yaml:1: search.budget", "4")]),
    (
        "search:\n  time_budget_s: 60\n  budget: {seconds: 90}",
        [Line("job.yaml:3: search.budget.seconds", "90 and 60")],
    ),
    ("search: {stop_when: {expected_gain_below: 0}}", [Line("job.yaml:1: search.stop_when.expected_gain_below", "0")]),
    ("search: {stop_when: {patience: 3}}", [Line("job.yaml:1: search.stop_when.patience", "3")]),
    ("lanes: {cost_per_hour: -1}", [Line("job.yaml:1: lanes.cost_per_hour", "-1")]),
    ("lanes: {cost_per_hour: {gpus: 1}}", [Line("job.yaml:1: lanes.cost_per_hour")]),
    ("lanes: {cost_per_hour: {}}", [Line("job.yaml:1: lanes.cost_per_hour")]),
    ("search: {time_budget_s: 0}", [Line("job.yaml:1: search.time_budget_s", "0")]),
    ("search: {max_failures: -1}", [Line("job.yaml:1: search.max_failures", "-1")]),
    ("search: {space: compct_bert}", [Line("job.yaml:1: search.space", "'compct_bert'", nearest="compact_bert")]),
    ("search: {space: 5}", [Line("job.yaml:1: search.space", "5")]),
    ("search: {space: ''}", [Line("job.yaml:1: search.space", "''")]),
    ("search: {space: missing/wide.yaml}", [Line("job.yaml:1: search.space", "'missing/wide.yaml'", nearest="wide")]),
    ("search: {space: wide, algorithm: grid}", [Line("job.yaml:1: search.algorithm")]),
    ("search: {space: wide, algorithm: random}", [Line("job.yaml:1: search.num_samples")]),
    ("search: {space: named, algorithm: cmaes}", [Line("job.yaml:1: search.algorithm")]),
    (
        "search: {space: one_epoch, scheduler: median}",
        [Line("job.yaml:1: search.scheduler.grace_epochs", "(grace_epochs=1, num_train_epochs=1)")],
    ),
    ("lanes: {gpus_per_worker: 1.5}", [Line("job.yaml:1: lanes.gpus_per_worker", "1.5")]),
    ("lanes: {gpus_per_worker: -1}", [Line("job.yaml:1: lanes.gpus_per_worker", "-1")]),
    ("lanes: {cpus_per_worker: 0}", [Line("job.yaml:1: lanes.cpus_per_worker", "0")]),
    ("lanes: {cpus_per_worker: all}", [Line("job.yaml:1: lanes.cpus_per_worker", "'all'")]),
    ("lanes: {max_concurrent_trials: 0}", [Line("job.yaml:1: lanes.max_concurrent_trials", "0")]),
    ("lanes: {placement_strategy: PAKC}", [Line("job.yaml:1: lanes.placement_strategy", "'PAKC'", nearest="PACK")]),
    ("confirm: {top: 0}", [Line("job.yaml:1: confirm.top", "0")]),
    ("confirm: {sedes: 3}", [Line("job.yaml:1: confirm.sedes", nearest="seeds")]),
    ("data: {selection: kfold}\nconfirm: {top: 1}", [Line("job.yaml:2: confirm", "kfold")]),
    ("confirm: 3", [Line("job.yaml:1: confirm", "3")]),
    ("storage: {path: ''}", [Line("job.yaml:1: storage.path", "''")]),
    ("tracking: {uri: ''}", [Line("job.yaml:1: tracking.uri", "''")]),
    ("tracking: {register_models: yes}", [Line("job.yaml:1: tracking.register_models", "'yes'")]),
    ("model: {name_or_path: ''}", [Line("job.yaml:1: model.name_or_path", "''")]),
    ("model: {name: bert}", [Line("job.yaml:1: model.name", nearest="name_or_path")]),
    ("seed: 1\nseed: 2", [Line("job.yaml:2: seed")]),
    ("search:\n\tspace: wide", [Line("job.yaml:2")]),
    ("search: {space", [Line("job.yaml:1", "'<stream end>'")]),
    ("a: b: c", [Line("job.yaml:1")]),
    ("- a", [Line("job.yaml:1", "['a']")]),
    ("just text", [Line("job.yaml:1", "'just text'")]),
    ("seed: !!python/name:os.system x", [Line("job.yaml:1: seed", "'tag:yaml.org,2002:python/name:os.system'")]),
    ("seed: !!int abc", [Line("job.yaml:1: seed", "'abc'")]),
    ("a: &x [*x]", [Line("job.yaml:1: a[0]")]),
    ("? [a]\n: 1", [Line("job.yaml:1")]),
    ("a: 1\n---\nb: 2", [Line("job.yaml:2")]),
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
        [
            Line("job.yaml:2: serach", nearest="search"),
            Line("job.yaml:4: search.algorithm", "'tpee'", nearest="tpe"),
            Line("job.yaml:7: search.scheduler.grace", nearest="grace_epochs"),
            Line("job.yaml:8: tasks.colla", "'colla'", nearest="cola"),
            Line("job.yaml:9: lanes.max_concurrent_trials", "0"),
        ],
    ),
    (
        "search: {space: one_epoch, scheduler: {name: asha, grace_epochs: 0.5}}",
        [Line("job.yaml:1: search.scheduler.name", "(num_train_epochs=1, evals_per_epoch=1)")],
    ),
    (
        "search: {space: broken, algorithm: tpee}",
        [
            Line("job.yaml:1: search.algorithm", "'tpee'", nearest="tpe"),
            Line("search_spaces/broken.yaml:1: space.learning_rate[0]", "0"),
        ],
    ),
]

# Sections of the Cerebras dialect, whose mistakes have the lines of that dialect's keys.
CEREBRAS: BadInputs = [
    (f"{sections}search: {{space: named}}\n", lines)
    for sections, lines in (
        ("train_input:\n  batch_sise: 3\n", [Line("job.yaml:2: train_input.batch_sise", nearest="batch_size")]),
        ("eval_input: {vocab_file: x}\n", [Line("job.yaml:1: eval_input.vocab_file", "data_dir, max_sequence_length")]),
        ("train_input: 12\n", [Line("job.yaml:1: train_input", "12")]),
        (
            "train_input:\n  max_sequence_length: 96\neval_input:\n  max_sequence_length: 128\n",
            [Line("job.yaml:4: eval_input.max_sequence_length", "128")],
        ),
        (
            "eval_input:\n  data_dir: glue\ntrain_input:\n  data_dir: other\n",
            [Line("job.yaml:2: eval_input.data_dir", "'glue'"), Line("job.yaml:4: data.dir", "'other'")],
        ),
        (
            "train_input:\n  batch_size: 0\n  max_sequence_length: four\n",
            [Line("job.yaml:2: training.batch_size", "0"), Line("job.yaml:3: data.max_seq_length", "'four'")],
        ),
        (
            "training:\n  batch_size: 8\ntrain_input:\n  batch_size: 8\n",
            [Line("job.yaml:4: train_input.batch_size", "training.batch_size (line 2)")],
        ),
        (
            "data:\n  max_seq_length: 8\neval_input:\n  max_sequence_length: 8\n",
            [Line("job.yaml:4: eval_input.max_sequence_length", "data.max_seq_length (line 2)")],
        ),
        (
            "data:\n  source: dir\n  dir: glue\ntrain_input:\n  data_dir: glue\n",
            [Line("job.yaml:5: train_input.data_dir", "data.dir (line 3)")],
        ),
        ("train_input:\n  data_dir: glu/SST-2\n", [Line("job.yaml:2: data.dir", "'glu'")]),
        ("train_input:\n  data_dir: 5\n", [Line("job.yaml:2: data.dir", "5")]),
        ("training: 5\ntrain_input:\n  batch_size: 8\n", [Line("job.yaml:1: training", "5")]),
    )
]
JOB_FILES += CEREBRAS

ENCODERS: BadInputs = [
    (f"data: {{source: synthetic}}\nmodel: {{name_or_path: {names}}}\n{rest}", lines)
    for names, rest, lines in (
        ("[a, b, a]", "", [Line("job.yaml:2: model.name_or_path", "'a'")]),
        ("[]", "", [Line("job.yaml:2: model.name_or_path", "[]")]),
        ("[a, 5]", "", [Line("job.yaml:2: model.name_or_path", "['a', 5]")]),
        ("[a, b]", "search: {space: compact_bert, spaces: fast}", [Line("job.yaml:3: search.spaces", "'fast'")]),
        (
            "[roberta, b]",
            "search: {space: compact_bert, spaces: {robert: compact_bert}}",
            [Line("job.yaml:3: search.spaces.robert", "'robert'", nearest="roberta")],
        ),
        (
            "[a, b]",
            "search:\n  space: compact_bert\n  spaces: {b: compact_brt}",
            [Line("job.yaml:5: search.spaces.b", "'compact_brt'", nearest="compact_bert")],
        ),
        ("[a, b]", "search: {space: two}", [Line("job.yaml:2: model.name_or_path", "a, b")]),
        ("[a, b]", "search: {space: compact_bert, spaces: {a: two}}", [Line("job.yaml:3: search.spaces.a", "'two'")]),
        ("a", "search: {space: compact_bert, objective: speed}", [Line("job.yaml:3: search.objective[0]", "'speed'")]),
        (
            "a",
            "search: {space: compact_bert, objective: ms_per_row}",
            [Line("job.yaml:3: search.objective", "[ms_per_row]")],
        ),
        (
            "a",
            "search: {space: compact_bert, objective: [score, ms_per_row], algorithm: gp}",
            [Line("job.yaml:3: search.objective", "nsga2")],
        ),
        (
            "a",
            "search: {space: compact_bert, objective: [score, ms_per_row], scheduler: asha}",
            [Line("job.yaml:3: search.objective", "asha")],
        ),
        (
            "[a, b]",
            "search: {space: compact_bert, spaces: {a: wide}}",
            [Line("job.yaml:3: search.algorithm", "'wide'")],
        ),
    )
]
JOB_FILES += ENCODERS

NOT_TEXT: list[tuple[bytes, list[Line]]] = [
    (b"seed: 1\n# caf\xe9\n", [Line("job.yaml:2")]),
    (b"\xff\xfes\x00e\x00e\x00d\x00:\x00 \x001\x00\n\x00", [Line("job.yaml:1")]),
    (b"seed: 1\n\x07", [Line("job.yaml:2", "0x07")]),
]
