"""Chooses the exact speed-ups of a model, and adapts the runtime: the allocator of the CPU, CUDA graphs."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.speedups.cpu_dropout import use_fast_cpu_dropout
from gluetune.training.speedups.malloc import configure_malloc
from gluetune.training.speedups.padding_free import use_cls_only_last_layer, use_padding_free

VERIFIED_FAMILIES = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta-v2",
        "distilbert",
        "electra",
        "modernbert",
        "roberta",
        "xlm-roberta",
    }
)
"""Model families, by ``model_type``, whose trials have the same losses and weights with the speed-ups and without."""

_RECOMPILE_LIMIT = 256  # compiled variants that a lane keeps, for each head, dropout rate and number of frozen layers


def uses_speedups(model: PreTrainedModel, training: TrainingConfig) -> bool:
    """Whether a trial uses the speed-ups: unless ``training.speedups`` is ``off``, for `VERIFIED_FAMILIES` only."""
    encoder: Any = model.base_model
    return training.speedups == "auto" and encoder.config.model_type in VERIFIED_FAMILIES


def apply_speedups(model: PreTrainedModel, training: TrainingConfig, distributed: DistributedContext) -> None:
    """Make a model compute the same results in less time.

    Args:
        model: model on ``distributed.device``; changed in place.
        training: says whether to use the speed-ups, and whether to compile the model.
        distributed: this worker.
    """
    fast = uses_speedups(model, training)
    if training.torch_compile:  # the compiler fuses torch's own dropout and attention better than the CPU variants
        if fast:
            use_cls_only_last_layer(model)
        if hasattr(torch.compiler.config, "recompile_limit"):  # public in newer versions of torch
            torch.compiler.config.recompile_limit = _RECOMPILE_LIMIT
        model.compile(dynamic=True, mode=training.torch_compile_mode)  # one compilation for batches of all sizes
        return
    if fast and not distributed.cuda:
        use_fast_cpu_dropout(model)
        use_padding_free(model)
    if fast:
        use_cls_only_last_layer(model)


def clone_cudagraph_grads(model: PreTrainedModel) -> None:
    """Copy gradients out of the memory of CUDA graphs, which the graphs of the next micro-batch overwrite."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad = parameter.grad.clone()


def configure_process(distributed: DistributedContext, threads: int | None = None) -> None:
    """Adapt this process to training. A worker calls it once, when it starts.

    It changes what is global in a process and is not restored: the number of torch's threads; on a CPU, the memory that
    glibc keeps (`configure_malloc`); on a GPU, attention by cuDNN is switched off. Training itself changes nothing else
    that outlives a run, but the limit of recompilations where ``training.torch_compile`` is set.

    Args:
        distributed: this worker.
        threads: number of threads of an operation on the CPU; ``None`` for torch's own choice.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if distributed.cuda:
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans for every new batch shape: a seventh of a step's time
    else:
        configure_malloc()
