"""The predecessors' commands from end to end, on the embedded text and digits: search, derive, single, test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from enas.data.pydoc import topic_texts
from enas.predecessors.command import main

TINY = """--preset demo --threads 1 --max_epoch 1 --shared_max_step 2 --controller_max_step 1 --batch_size 4
    --derive_num_sample 1 --cache_dir cache"""
RNN = f"{TINY} --num_blocks 3 --shared_hid 8 --controller_hid 8"


def run(text: str) -> None:
    assert main(text.split()) == 0


def write_text_of_ones_own() -> None:
    folder = Path("data/mine")
    folder.mkdir(parents=True)
    for name, text in zip(("train", "valid", "test"), topic_texts(), strict=True):
        (folder / f"{name}.txt").write_text(text[:3000])


def only(folder: str) -> Path:
    found = list(Path(folder).iterdir())
    assert len(found) == 1
    return found[0]


def test_a_text_of_ones_own_through_all_modes(capfd: pytest.CaptureFixture[str]) -> None:
    write_text_of_ones_own()
    run(
        f"--network_type rnn --dataset mine --controller_optim adam --controller_lr 0.00035 --shared_optim sgd "
        f"--shared_lr 2.0 --entropy_coeff 0.0001 --log_step 10 {RNN}"
    )
    said = capfd.readouterr().err
    assert "main.py: no effect, since there is one line in the log for each epoch: --log_step\n" in said
    assert "main.py: this is now: enas search rnn --preset demo --dataset data/mine --out logs/mine_" in said
    found = only("logs")
    settings = json.loads((found / "config.json").read_text())
    assert settings["search"]["controller_optimizer"] == "adam"
    assert settings["search"]["optimizer"] == "sgd"
    assert settings["supernet"]["nodes"] == 3
    run(f"--mode derive --load_path {found.name} --derive_num_sample 2")
    assert len(json.loads((found / "candidates.json").read_text())["candidates"]) == 4
    run(f"--mode single --dag_path {found} --preset demo --shared_max_step 2 --max_epoch 1 --shared_hid 8 --threads 1")
    capfd.readouterr()
    run(f"--mode test --load_path {found}")
    result = json.loads((found / "train" / "result.json").read_text())
    assert f"test perplexity {result['test/perplexity']:.4f}" in capfd.readouterr().out
    run(f"--load_path {found} --resume")


def test_the_authors_flags_search_and_train_fixed_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    flags = """--search_for macro --data_path=data/digits --output_dir=outputs --preset demo --threads 1 --batch_size=8
        --num_epochs=1 --child_num_layers=3 --child_out_filters=4 --shared_max_step 2 --cache_dir cache"""
    search = f"{flags} --controller_train_steps=1 --controller_num_aggregate=2 --derive_num_sample 1 --reset_output_dir"
    run(search)
    assert "there is no folder data/digits: taking the data set digits" in capfd.readouterr().err
    run(search)  # the first run is kept
    assert len(list(Path().glob("outputs*/architecture.json"))) == 2
    assert main([*f"{flags} --output_dir=fixed --nocontroller_training".replace("--output_dir=outputs", "").split(),
                 "--child_fixed_arc=0 3 0 0 1 0"]) == 0  # fmt: skip
    choices = json.loads(Path("fixed/architecture.json").read_text())["choices"]
    assert choices["layer1.op"] == "sep5x5"
    assert choices["layer2.skips"] == ["stem"]


def test_a_cell_of_enas_pytorch_is_trained() -> None:
    write_text_of_ones_own()
    dag = {"-1": [[0, "tanh"]], "-2": [[0, "tanh"]], "0": [[1, "ReLU"]], "1": [[2, "avg"]], "2": [[3, "h[t]"]]}
    Path("dag.json").write_text(json.dumps(dag))
    flags = "--dataset pydoc --preset demo --shared_max_step 1 --max_epoch 1 --shared_hid 4 --cache_dir cache"
    run(f"--mode single --dag_path dag.json {flags}")
    assert json.loads((only("logs") / "architecture.json").read_text())["choices"]["node1.op"] == "relu"


@pytest.mark.parametrize("flag", ["--controler_lr 3", "--num_gpu 4", "--mode derive", "--max_epoch 0"])
def test_bad_input_gets_one_line_and_status_2(flag: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "pydoc", *flag.split()]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    wrong = [line for line in lines if not line.startswith(("main.py: there is no folder", "main.py: this is now"))]
    assert len(wrong) == 1


def test_the_script_runs_from_any_folder_and_its_help_does_not_load_torch() -> None:
    script = Path(__file__).parents[2] / "main.py"
    code = f"import sys, runpy; sys.argv = ['main.py', '--help']; runpy.run_path({str(script)!r}, run_name='__main__')"
    check = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--controller_lr_cosine" in done.stdout
