"""What becomes of a predecessor's command line: their own commands, what is decided by itself, what is refused."""

from pathlib import Path

import pytest

from enas.predecessors.translate import Translation
from enas.spaces import load

from .commands import refusal, translated

MACRO_SEARCH = """--data_format=NCHW --search_for=macro --reset_output_dir --data_path=data/cifar10 --output_dir=outputs
    --batch_size=128 --num_epochs=310 --log_every=50 --eval_every_epochs=1 --child_use_aux_heads --child_num_layers=12
    --child_out_filters=36 --child_l2_reg=0.00025 --child_num_branches=6 --child_num_cell_layers=5 --child_keep_prob=0.90
    --child_drop_path_keep_prob=0.60 --child_lr_cosine --child_lr_max=0.05 --child_lr_min=0.0005 --child_lr_T_0=10
    --child_lr_T_mul=2 --controller_training --controller_search_whole_channels --controller_entropy_weight=0.0001
    --controller_train_every=1 --controller_sync_replicas --controller_num_aggregate=20 --controller_train_steps=50
    --controller_lr=0.001 --controller_tanh_constant=1.5 --controller_op_tanh_reduce=2.5 --controller_skip_target=0.4
    --controller_skip_weight=0.8"""
MICRO_FINAL = """--search_for=micro --reset_output_dir --data_path=data/cifar10 --output_dir=outputs --batch_size=144
    --num_epochs=630 --child_fixed_arc='0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1'
    --child_use_aux_heads --child_cutout_size=16 --child_num_layers=15 --child_out_filters=36 --child_num_branches=5
    --child_num_cells=5 --child_keep_prob=0.80 --child_drop_path_keep_prob=0.60 --child_l2_reg=2e-4 --child_lr_cosine
    --child_lr_max=0.05 --child_lr_min=0.0001 --child_lr_T_0=10 --child_lr_T_mul=2 --nocontroller_training"""


def words(text: str) -> str:
    return " ".join(translated(text).words)


def flags(translation: Translation) -> dict[str, str]:
    return dict(zip(translation.words[2::2], translation.words[3::2], strict=True))


def test_the_first_command_of_enas_pytorch() -> None:
    assert words(
        "--network_type rnn --dataset ptb --controller_optim adam --controller_lr 0.00035 --shared_optim sgd "
        "--shared_lr 20.0 --entropy_coeff 0.0001"
    ) == (
        "search rnn --preset paper --dataset ptb --out logs/ptb_NOW --controller-optimizer adam --controller-lr 0.00035 "
        "--optimizer sgd --lr-max 20.0 --entropy-weight 0.0001"
    )


def test_the_second_and_without_any_flag_the_first() -> None:
    assert words("--network_type rnn --dataset wikitext") == (
        "search rnn --preset paper --dataset wikitext --out logs/wikitext_NOW"
    )
    assert words("") == "search rnn --preset paper --dataset ptb --out logs/ptb_NOW"


def test_the_third_command_of_enas_pytorch() -> None:
    assert words(
        "--network_type cnn --dataset cifar --controller_optim momentum --controller_lr_cosine=True "
        "--controller_lr_max 0.05 --controller_lr_min 0.0001 --entropy_coeff 0.1"
    ) == (
        "search macro --preset paper --dataset cifar --out logs/cifar_NOW --controller-optimizer momentum "
        "--controller-lr-cosine true --controller-lr-max 0.05 --controller-lr-min 0.0001 --entropy-weight 0.1"
    )


def test_the_authors_macro_search_is_the_preset_paper() -> None:
    translation = translated(MACRO_SEARCH)
    assert translation.words[:2] == ("search", "macro")
    preset = load("macro").presets["paper"]
    parts = (preset.supernet, preset.controller, preset.search)
    given = flags(translation)
    for name, value in (
        (name, value) for name, value in given.items() if name not in ("--preset", "--dataset", "--out")
    ):
        field = name.removeprefix("--").replace("-", "_")
        expected = next(getattr(part, field) for part in parts if hasattr(part, field))
        assert type(expected)(value) == expected, name
    assert len(given) == 22
    named = " ".join(translation.notes)
    for name in (
        "data_format",
        "log_every",
        "child_use_aux_heads",
        "child_num_cell_layers",
        "controller_op_tanh_reduce",
    ):
        assert f"--{name}" in named
    assert "--eval_every_epochs" not in named  # which is so anyhow


def test_the_authors_micro_training_is_the_preset_paper() -> None:
    translation = translated(MICRO_FINAL)
    assert translation.words[0] == "train"
    assert translation.words[1].startswith("arc:micro:0 2 0 0 0 4 ")
    preset = load("micro").presets["paper"]
    given = flags(translation)
    for name, value in (
        (name, value) for name, value in given.items() if name not in ("--preset", "--dataset", "--out")
    ):
        field = name.removeprefix("--").replace("-", "_")
        parts = (preset.network, preset.train, preset.train_augment)
        expected = next(getattr(part, field) for part in parts if hasattr(part, field))
        assert type(expected)(value) == expected, name
    assert len(given) == 17


# What the program decides by itself.


def test_a_folder_of_the_name_comes_first() -> None:
    Path("data/mine").mkdir(parents=True)
    translation = translated("--dataset mine")
    assert flags(translation)["--dataset"] == "data/mine"
    assert translation.notes == ()
    assert flags(translated("--dataset mine --data_dir other"))["--dataset"] == "mine"
    assert (
        "there is no folder other/mine: taking the data set mine"
        in translated("--dataset mine --data_dir other").notes[0]
    )
    Path("data/cifar10").mkdir()
    assert flags(translated("--network_type cnn --dataset cifar"))["--dataset"] == "data/cifar10"
    assert flags(translated("--search_for micro --data_path data/cifar10"))["--dataset"] == "data/cifar10"


@pytest.mark.parametrize("text", ["logs/ptb_old", "ptb_old", "old"])
def test_a_run_is_found_as_it_used_to_be(text: str) -> None:
    Path("logs/ptb_old").mkdir(parents=True)
    assert words(f"--load_path {text}") == "search rnn --out logs/ptb_old --resume"
    assert words(f"--mode derive --load_path {text} --derive_num_sample 7") == "derive logs/ptb_old --samples 7"
    assert words(f"--mode test --load_path {text} --num_gpu 0") == "test logs/ptb_old --device cpu"
    assert words(f"--mode single --load_path {text} --max_epoch 2") == "train logs/ptb_old --epochs 2"


def test_the_space_of_what_is_given_is_known_from_its_file() -> None:
    Path("logs/cifar_old").mkdir(parents=True)
    Path("logs/cifar_old/config.json").write_text('{"space": "macro"}')
    assert words("--load_path logs/cifar_old --cnn_hid 8").startswith(
        "search macro --out logs/cifar_old --resume --filters 8"
    )
    Path("a.json").write_text('{"space": "micro"}')
    assert "--dataset cifar10" in words("--mode single --dag_path a.json")
    Path("a.json").write_text("{")
    assert "--dataset ptb" in words("--mode single --dag_path a.json")


def test_a_single_network_is_trained_from_its_file() -> None:
    assert words("--mode single --dag_path dag.json --shared_optim momentum --random_seed 3") == (
        "train dag.json --preset paper --dataset ptb --out logs/ptb_NOW --optimizer momentum --seed 3"
    )


def test_an_old_output_folder_is_gone_on_with_or_set_aside() -> None:
    command = "--search_for macro --output_dir outputs"
    assert "--resume" not in words(command)
    Path("outputs").mkdir()
    assert "--resume" not in words(command)
    Path("outputs/config.json").write_text("{}")
    assert words(command).endswith("--out outputs --resume")
    again = translated(f"{command} --reset_output_dir")
    assert "--resume" not in again.words
    assert again.set_aside == Path("outputs")


def test_without_training_the_controller() -> None:
    assert flags(translated("--search_for macro --nocontroller_training"))["--controller-steps"] == "0"


@pytest.mark.parametrize(
    "text", ["--controller_lr_cosine", "--controller-lr-cosine=True", "--controller_lr_cosine True"]
)
def test_switches_in_every_spelling(text: str) -> None:
    assert flags(translated(f"{text} --tanh_c 2"))["--controller-lr-cosine"] == "true"
    assert flags(translated("--controller_lr_cosine False"))["--controller-lr-cosine"] == "false"


def test_values_that_mean_something_else_now() -> None:
    given = flags(translated("--shared_grad_clip 0 --controller_grad_clip 0 --shared_decay_after 15.0 --batch_size 8"))
    assert (given["--grad-clip"], given["--controller-grad-clip"]) == ("none", "none")
    assert (given["--lr-decay-start"], given["--lr-schedule"]) == ("15", "exponential")
    assert (given["--batch-size"], given["--reward-batch-size"]) == ("8", "8")
    given = flags(translated("--activation_regularization True --temporal_activation_regularization_amount 3"))
    assert given["--activation-penalty"] == "2.0"
    assert "--temporal-penalty" not in given
    assert flags(translated("--search_for micro --child_use_aux_heads=false"))["--auxiliary-weight"] == "0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--controler_lr 3", "unknown flag --controler_lr: did you mean --controller_lr?"),
        ("--entropy_coef 3", "did you mean --entropy_coeff?"),
        ("--controller_optim adagrad", "--controller_optim expects momentum or sgd or adam or rmsprop"),
        ("--max_epoch many", "--max_epoch expects a whole number"),
        ("--num_gpu 2", "runs on one device"),
        ("--shared_wdrop 0.5", "weights are not dropped"),
        ("--shared_embed 3 --shared_hid 4", "--shared_hid makes --width 4, and --shared_embed makes it 3"),
        ("--max_epoch 3 --num_epochs 4", "makes --epochs"),
        ("--mode derive", "--mode derive needs --load_path"),
        ("--mode test", "--mode test needs --load_path"),
        ("--mode single", "--mode single needs --dag_path"),
        ("--load_path nowhere", "there is no such folder, nor one in logs"),
        ("--shared_decay_after 1.5", "a whole number of epochs is needed"),
        ("--network_type rnn --search_for macro", "contradict each other"),
        ("--dataset a --data_path b", "--dataset and --data_path both name the data"),
        ("--search_for macro --child_fixed_arc '0 x'", "needs whole numbers"),
        (
            "--search_for macro --child_fixed_arc '0 3 0' --child_num_layers 3",
            "needs 6 numbers, and --child_fixed_arc has 3",
        ),
        ("--search_for micro --child_fixed_arc '0 0' --child_num_cells 5", "needs 40 numbers"),
        ("--search_for macro --child_fixed_arc 0 --controller_training", "contradict each other"),
        ("--search_for macro --child_lr 0.1", "follows a cosine"),
        ("--search_for macro --nochild_lr_cosine", "follows a cosine"),
        ("--search_for enas", "--search_for expects macro or micro"),
    ],
)
def test_what_is_refused_in_one_line(text: str, words: str) -> None:
    assert words in refusal(text)
