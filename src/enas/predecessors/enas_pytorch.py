"""Flags of `carpedm20/ENAS-pytorch` (its `config.py`, all revisions), and what became of each."""

from collections.abc import Mapping
from typing import Any, Literal

from enas.config import OptimizerName
from enas.errors import UsageError
from enas.predecessors.fates import (
    Always,
    Becomes,
    Fate,
    Flag,
    Without,
    as_text,
    everywhere,
    off_at_zero,
    on_both,
    on_search,
    on_train,
    whole,
)

CNN = ("macro", "micro")
RNN = ("rnn",)
EXPONENTIAL = (("--lr-schedule", "exponential"),)


def _searched(name: str, hint: Any, *flags: str, text: str = "", **more: Any) -> Flag:
    """A flag that is another one in searches."""
    return Flag(name, hint, text or f"`{flags[0]}`", on_search(Becomes(flags, **more)))


def _both(name: str, hint: Any, flag: str, **more: Any) -> Flag:
    """A flag that is another one in searches and in trainings."""
    return Flag(name, hint, f"`{flag}`", on_both(Becomes((flag,), **more)))


def _recurrent(name: str, hint: Any, flag: str, **more: Any) -> Flag:
    """A flag that is another one for recurrent networks."""
    return Flag(name, hint, f"`{flag}` (rnn)", on_both(Becomes((flag,), **more), RNN))


def _always(name: str, hint: Any, value: Any, why: str) -> Flag:
    """A flag of which one value is left."""
    return Flag(name, hint, f"{as_text(value)} is accepted; else refused: {why}", everywhere(Always((value,), why)))


def _without(name: str, hint: Any, why: str, *unless: Any) -> Flag:
    """A flag that has no effect any more."""
    return Flag(name, hint, f"no effect: {why}", everywhere(Without(why, unless)))


_BLOCKS: Mapping[str, Fate] = {
    "search rnn": Becomes(("--nodes",)),
    "search macro": Becomes(("--layers",)),
    "search micro": Becomes(("--nodes",)),
}

NETWORK = (
    Flag("network_type", Literal["rnn", "cnn"], "the space: rnn, or macro for cnn (micro: `--search_for micro`)", None),
    Flag("num_blocks", int, "`--nodes` (rnn, micro), `--layers` (macro)", _BLOCKS),
    _always("tie_weights", bool, True, "the decoder always is the embedding"),
    _searched("controller_hid", int, "--hidden"),
    _always("shared_wdrop", float, 0.0, "weights are not dropped; `enas search rnn --drop-hidden` drops states"),
    _recurrent("shared_dropout", float, "--drop-output"),
    _recurrent("shared_dropoute", float, "--drop-embedding"),
    _recurrent("shared_dropouti", float, "--drop-input"),
    Flag(
        "shared_embed",
        int,
        "`--width` (rnn), so it must be that of `--shared_hid`",
        on_both(Becomes(("--width",)), RNN),
    ),
    _recurrent("shared_hid", int, "--width"),
    _recurrent("shared_rnn_max_length", int, "--bptt"),
    Flag(
        "shared_rnn_activations",
        str,
        "refused: all four activations are searched",
        everywhere(Always((), "tanh, ReLU, identity and sigmoid are searched, always all of them: leave it out")),
    ),
    Flag(
        "shared_cnn_types",
        str,
        "refused: the operations of the paper are searched",
        everywhere(Always((), "the operations of the paper are searched, always all of them: leave it out")),
    ),
    Flag("activation_regularization", bool, "with True, `--activation-penalty` (rnn) is its amount", None),
    Flag(
        "activation_regularization_amount",
        float,
        "`--activation-penalty` (rnn), with `--activation_regularization True`; 2.0 when it is not given",
        on_both(Becomes(("--activation-penalty",)), RNN),
    ),
    Flag("temporal_activation_regularization", bool, "with True, `--temporal-penalty` (rnn) is its amount", None),
    Flag(
        "temporal_activation_regularization_amount",
        float,
        "`--temporal-penalty` (rnn), with `--temporal_activation_regularization True`; 1.0 when it is not given",
        on_both(Becomes(("--temporal-penalty",)), RNN),
    ),
    _always(
        "norm_stabilizer_regularization", bool, False, "there is no norm stabiliser; `--longest-state` bounds states"
    ),
    _without("norm_stabilizer_regularization_amount", float, "there is no norm stabiliser"),
    _without("norm_stabilizer_fixed_point", float, "there is no norm stabiliser"),
    Flag("cnn_hid", int, "`--filters` (cnn)", on_both(Becomes(("--filters",)), CNN)),
)

DATA = (
    Flag(
        "dataset", str, "the folder of this name in `--data_dir`; else `--dataset`, which knows names and folders", None
    ),
    Flag("data_dir", str, "folder in which data sets are looked for first (default: data)", None),
    Flag("num_workers", int, "no effect: batches are made without worker processes", everywhere(Without("no workers"))),
)

BATCH_SIZE = Flag(
    "batch_size",
    int,
    "`--batch-size`; in a search `--reward-batch-size` too",
    on_search(Becomes(("--batch-size", "--reward-batch-size"))) | on_train(Becomes(("--batch-size",))),
)
CONTROLLER_LR = _searched("controller_lr", float, "--controller-lr")

LEARNING = (
    Flag(
        "mode",
        Literal["train", "derive", "test", "single"],
        "train: `enas search`; derive: `enas derive`; single: `enas train`; test: `enas test`",
        None,
    ),
    BATCH_SIZE,
    _without("test_batch_size", int, "a text is tested in one reading, as with 1", 1),
    _both("max_epoch", int, "--epochs"),
    _always("entropy_mode", Literal["reward", "regularizer"], "reward", "entropy acts through the reward only"),
    _always("ppl_square", bool, False, "the reward is c / perplexity"),
    Flag("reward_c", float, "`--reward-scale` (rnn)", on_search(Becomes(("--reward-scale",)), RNN)),
    _searched("ema_baseline_decay", float, "--baseline-decay"),
    _always("discount", float, 1.0, "a reward belongs to the whole architecture and is not discounted"),
    _searched("controller_max_step", int, "--controller-steps"),
    _searched("controller_optim", OptimizerName, "--controller-optimizer"),
    CONTROLLER_LR,
    _searched("controller_lr_cosine", bool, "--controller-lr-cosine"),
    _searched("controller_lr_max", float, "--controller-lr-max"),
    _searched("controller_lr_min", float, "--controller-lr-min"),
    _searched(
        "controller_grad_clip",
        float,
        "--controller-grad-clip",
        text="`--controller-grad-clip`; 0: none",
        turn=off_at_zero,
    ),
    _searched("tanh_c", float, "--tanh-constant"),
    _searched("softmax_temperature", float, "--temperature"),
    _searched("entropy_coeff", float, "--entropy-weight"),
    _always("shared_initial_step", int, 0, "a warm-up is counted in epochs, by `enas search --warmup-epochs`"),
    _both("shared_max_step", int, "--steps-per-epoch"),
    _searched("shared_num_sample", int, "--architectures-per-step"),
    _both("shared_optim", OptimizerName, "--optimizer"),
    _both("shared_lr", float, "--lr-max"),
    Flag(
        "shared_decay",
        float,
        "`--lr-decay` with `--lr-schedule exponential`",
        on_both(Becomes(("--lr-decay",), also=EXPONENTIAL)),
    ),
    Flag(
        "shared_decay_after",
        float,
        "`--lr-decay-start` with `--lr-schedule exponential`",
        on_both(Becomes(("--lr-decay-start",), whole, EXPONENTIAL)),
    ),
    _both("shared_l2_reg", float, "--weight-decay"),
    Flag("shared_grad_clip", float, "`--grad-clip`; 0: none", on_both(Becomes(("--grad-clip",), off_at_zero))),
    Flag(
        "derive_num_sample",
        int,
        "`--derive-samples`; for `--mode derive`: `--samples`",
        {**on_search(Becomes(("--derive-samples",))), "derive": Becomes(("--samples",))},
    ),
)

MISC = (
    Flag("load_path", str, "the run: searched on with `--mode train`, else derived from, trained or tested", None),
    Flag("dag_path", str, "for `--mode single`: a dag.json, an architecture.json, a run, or published:NAME", None),
    _without("log_step", int, "there is one line in the log for each epoch"),
    _without("save_epoch", int, "there is a checkpoint after each epoch", 1),
    _without("max_save_num", int, "the newest two checkpoints are kept", 2),
    _without("log_level", str, "what is shown does not depend on a level", "INFO"),
    Flag("log_dir", str, "folder of new runs, which are called DATASET_TIME (default: logs)", None),
    Flag(
        "num_gpu",
        int,
        "0: `--device cpu`; 1: `--device auto`; more is refused",
        everywhere(Becomes(("--device",), lambda n: _device(n))),
    ),
    _both("random_seed", int, "--seed"),
    _without("use_tensorboard", bool, "figures for TensorBoard are always written", True),
)

FLAGS = (*NETWORK, *DATA, *LEARNING, *MISC)
"""In the order in which they are documented."""


def _device(gpus: int) -> str:
    """The device for a number of GPUs.

    Raises:
        UsageError: there is no such number, or it is more than one.
    """
    if gpus not in (0, 1):
        raise UsageError(f"--num_gpu {gpus}: a command runs on one device: give 0 or 1")
    return "auto" if gpus else "cpu"
