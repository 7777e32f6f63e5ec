"""Flags of the authors' `melodyguan/enas` for CIFAR-10 (`src/cifar10/main.py`, set by `scripts/`), and what became of each."""

from typing import Any, Literal

from enas.errors import UsageError
from enas.predecessors.enas_pytorch import BATCH_SIZE, CONTROLLER_LR
from enas.predecessors.fates import (
    Always,
    Becomes,
    Fate,
    Flag,
    Without,
    as_text,
    dropped,
    everywhere,
    on_both,
    on_search,
    on_train,
    twice,
)

MACRO, MICRO = ("macro",), ("micro",)
COSINE = (("--lr-schedule", "cosine"),)


def _becomes(name: str, hint: Any, flag: str, text: str = "", **more: Any) -> Flag:
    """A flag that is another one in searches and in trainings."""
    return Flag(name, hint, text or f"`{flag}`", on_both(Becomes((flag,), **more)))


def _convolutional(name: str, hint: Any, flag: str, text: str = "", **more: Any) -> Flag:
    """A flag that is another one for convolutional networks."""
    return Flag(name, hint, text or f"`{flag}`", on_both(Becomes((flag,), **more), (*MACRO, *MICRO)))


def _searched(name: str, hint: Any, flag: str, spaces: tuple[str, ...] = ()) -> Flag:
    """A flag that is another one in searches."""
    where = f" ({', '.join(spaces)})" if spaces else ""
    fate = Becomes((flag,))
    return Flag(name, hint, f"`{flag}`{where}", on_search(fate, spaces) if spaces else on_search(fate))


def _always(name: str, hint: Any, value: Any, why: str) -> Flag:
    """A flag of which one value is left."""
    return Flag(name, hint, f"{as_text(value)} is accepted; else refused: {why}", everywhere(Always((value,), why)))


def _without(name: str, hint: Any, why: str, *unless: Any) -> Flag:
    """A flag that has no effect any more."""
    return Flag(name, hint, f"no effect: {why}", everywhere(Without(why, unless)))


def _no_decay(name: str, hint: Any) -> Flag:
    """A flag of the schedule that the scripts do not use."""
    why = "the learning rate follows a cosine, as in the scripts: give --child_lr_max and --child_lr_min"
    return Flag(name, hint, f"refused: {why}", everywhere(Always((), why)))


_BRANCHES: dict[str, Fate] = {
    "search macro": Always((6,), "all six operations are searched"),
    "search micro": Always((5,), "all five operations are searched"),
}
_KNOWN_BY_ARCHITECTURE = Without("the architecture says it")

FLAGS = (
    Flag("search_for", Literal["macro", "micro"], "the space (a recurrent cell: `--network_type rnn`)", None),
    Flag("data_path", str, "`--dataset`: this folder when it is there, else the data set of its last name", None),
    Flag("output_dir", str, "`--out`; an existing run is resumed", None),
    Flag(
        "reset_output_dir",
        bool,
        "with True a run that is there is renamed and a new one started; nothing is deleted",
        None,
    ),
    _without("data_format", str, "the memory format is chosen for the device"),
    BATCH_SIZE,
    _becomes("num_epochs", int, "--epochs"),
    Flag(
        "child_num_layers",
        int,
        "`--layers`; for a macro `--child_fixed_arc` it must be that of the numbers",
        {**on_search(Becomes(("--layers",)), ("macro", "micro")), "train micro": Becomes(("--layers",))},
    ),
    Flag(
        "child_num_cells",
        int,
        "`--nodes` (micro); for `--child_fixed_arc` it must be that of the numbers",
        on_search(Becomes(("--nodes",)), MICRO),
    ),
    _without("child_num_cell_layers", int, "the authors' program does not read it either"),
    _convolutional("child_out_filters", int, "--filters"),
    _always("child_out_filters_scale", int, 1, "filters are set by --child_out_filters"),
    Flag(
        "child_num_branches",
        int,
        "6 (macro) and 5 (micro) are accepted in a search, else refused: all operations are searched",
        _BRANCHES | on_train(_KNOWN_BY_ARCHITECTURE),
    ),
    _without("child_filter_size", int, "each operation has its own size of kernel"),
    _without("child_block_size", int, "the authors' program does not use it either"),
    _without("child_skip_pattern", str, "skips are searched, or those of --child_fixed_arc"),
    Flag("child_fixed_arc", str, "`enas train arc:SPACE:NUMBERS`", None),
    _convolutional("child_keep_prob", float, "--dropout", "`--dropout`, which is 1 minus it", turn=dropped),
    Flag(
        "child_drop_path_keep_prob",
        float,
        "`--drop-path` (training of micro cells), which is 1 minus it; elsewhere it had no effect either",
        on_train(Becomes(("--drop-path",), dropped), MICRO),
    ),
    _becomes("child_l2_reg", float, "--weight-decay", "`--weight-decay`, which is twice it", turn=twice),
    _becomes(
        "child_lr_cosine",
        bool,
        "--lr-schedule",
        "True is `--lr-schedule` cosine; False is refused",
        turn=lambda on: _cosine(on),
    ),
    _becomes("child_lr_max", float, "--lr-max", also=COSINE),
    _becomes("child_lr_min", float, "--lr-min", also=COSINE),
    _becomes("child_lr_T_0", int, "--lr-first-cycle", also=COSINE),
    _becomes("child_lr_T_mul", int, "--lr-cycle-growth", also=COSINE),
    _no_decay("child_lr", float),
    _no_decay("child_lr_dec_every", int),
    _no_decay("child_lr_dec_rate", float),
    _without("child_grad_bound", float, "it had none in the authors' program either; `enas` has --grad-clip"),
    _convolutional("child_cutout_size", int, "--cutout"),
    Flag(
        "child_use_aux_heads",
        bool,
        "`--auxiliary-weight` 0.4 or 0 (micro); the authors' macro networks have none either",
        on_both(Becomes(("--auxiliary-weight",), lambda on: "0.4" if on else "0"), MICRO)
        | on_both(Without("macro networks have no auxiliary classifier", (False,)), MACRO),
    ),
    _without("child_sync_replicas", bool, "shared weights are trained in one process", False),
    _without("child_num_aggregate", int, "shared weights are trained in one process"),
    _without("child_num_replicas", int, "shared weights are trained in one process", 1),
    Flag("controller_training", bool, "with False and no `--child_fixed_arc`: `--controller-steps` 0", None),
    CONTROLLER_LR,
    _always(
        "controller_lr_dec_rate", float, 1.0, "the learning rate is constant or a cosine: see --controller_lr_cosine"
    ),
    _without("controller_keep_prob", float, "the authors' controller has no dropout either"),
    _always("controller_l2_reg", float, 0.0, "the controller has no weight decay"),
    _searched("controller_bl_dec", float, "--baseline-decay"),
    _searched("controller_tanh_constant", float, "--tanh-constant"),
    _searched("controller_op_tanh_reduce", float, "--op-tanh-reduce", MICRO),
    _searched("controller_temperature", float, "--temperature"),
    _searched("controller_entropy_weight", float, "--entropy-weight"),
    _searched("controller_skip_target", float, "--skip-target", MACRO),
    _searched("controller_skip_weight", float, "--skip-weight", MACRO),
    _searched("controller_num_aggregate", int, "--controller-samples"),
    _without("controller_num_replicas", int, "the controller is trained in one process", 1),
    _searched("controller_train_steps", int, "--controller-steps"),
    _without("controller_forwards_limit", int, "the authors' program does not use it either"),
    _always("controller_train_every", int, 1, "the controller is trained after every epoch"),
    _always("controller_search_whole_channels", bool, True, "operations are searched, not channels"),
    _without("controller_sync_replicas", bool, "an update always averages over --controller_num_aggregate", True),
    _always("controller_use_critic", bool, False, "the baseline is a moving average"),
    _without("log_every", int, "there is one line in the log for each epoch"),
    _without("eval_every_epochs", int, "there is an evaluation after each epoch", 1),
)
"""In the order in which they are documented."""


def _cosine(on: bool) -> str:
    """The schedule of the shared weights.

    Raises:
        UsageError: it is not the cosine.
    """
    if not on:
        raise UsageError("--child_lr_cosine False: the learning rate follows a cosine, as in the scripts")
    return "cosine"
