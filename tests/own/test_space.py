"""What `own_space` makes of questions and a model, and how spaces in files are found."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enas.architecture import Architecture
from enas.cli import main
from enas.config import DataConfig
from enas.controller import sample_uniformly
from enas.errors import ArchitectureError, UsageError
from enas.own import Choice, Count, ImageSpec, Op, Recipe, Step, Vocabulary, own_space
from enas.search.scoring import Decoder
from enas.search.setup import SearchSettings
from enas.sources import find
from enas.space import Space
from enas.spaces import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "03_your_own_space.py"
ACTIVATIONS = Vocabulary(("relu", "tanh"))
SPEC = ImageSpec(channels=1, height=8, width=8, classes=10)


@dataclass(frozen=True)
class Size:
    """Sizes."""

    layers: Count = 2
    """Layers."""


@dataclass(frozen=True)
class Config:
    """Settings."""

    width: Count = 4
    """Width."""


def questions(size: Size) -> Sequence[Step]:
    return [Step(Op(f"layer{i}.op", ACTIVATIONS)) for i in range(size.layers)]


class Model(nn.Module):
    def __init__(self, config: Config, size: Size, spec: ImageSpec, architecture: Architecture | None) -> None:
        super().__init__()
        self.entry = nn.Conv2d(spec.channels, config.width, 3)
        self.norm = nn.BatchNorm2d(config.width)
        options = {"relu": lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), "tanh": nn.Tanh}
        self.choices = nn.ModuleList(
            Choice(Op(f"layer{i}.op", ACTIVATIONS), options, architecture) for i in range(size.layers)
        )
        self.exit = nn.Linear(config.width, spec.classes)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        x = self.norm(self.entry(images))
        for choice in self.choices:
            x = choice(x, architecture=architecture)
        return self.exit(x.mean((2, 3)))


SPACE = own_space(questions=questions, model=Model, size=Size, config=Config)


def random_architecture(space: Space, size: dict[str, int]) -> Architecture:
    steps = space.steps(size)
    return Decoder(space.name, steps, size)(sample_uniformly(steps, 1, torch.Generator().manual_seed(3))[0])


def test_sizes_are_flags_of_the_search_only_and_go_into_the_architecture() -> None:
    preset = SPACE.presets["cpu"]
    assert SPACE.default_preset == "cpu"
    assert preset.supernet == SPACE.supernet_config(layers=2, width=4)
    assert preset.network == Config(4)
    assert SPACE.size(preset.supernet) == {"layers": 2}
    assert len(SPACE.steps({"layers": 5})) == 5


@pytest.mark.parametrize("size", [{}, {"layers": 0}, {"layers": 2, "width": 3}, {"blocks": 2}])
def test_a_size_of_another_space_is_refused(size: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError, match="size"):
        SPACE.steps(size)


def test_a_network_holds_the_chosen_part_of_the_shared_weights_and_computes_the_same() -> None:
    space = load(str(EXAMPLE))
    preset = space.presets["demo"]
    architecture = random_architecture(space, {"blocks": 3})
    shared = space.supernet(preset.supernet, SPEC, running_statistics=False).eval()
    network = space.network(preset.network, SPEC, architecture).eval()
    own = {key.removeprefix("model."): key for key in network.state_dict()}
    assert own.keys() < shared.state_dict().keys()
    network.load_state_dict({key: shared.state_dict()[name] for name, key in own.items()})
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images), shared(images, architecture), rtol=0, atol=0)


def test_plain_batch_norm_uses_the_batch_in_shared_weights_and_averages_in_a_network() -> None:
    architecture = random_architecture(SPACE, {"layers": 2})
    images = 3 + torch.randn(6, 1, 8, 8)
    shared = SPACE.supernet(SPACE.presets["cpu"].supernet, SPEC)
    assert not [name for name, _ in shared.named_buffers()]
    shared.eval()
    assert not torch.equal(shared(images, architecture)[:3], shared(images[:3], architecture))
    running = SPACE.supernet(SPACE.presets["cpu"].supernet, SPEC, running_statistics=True).eval()
    torch.testing.assert_close(running(images, architecture)[:3], running(images[:3], architecture))
    assert SPACE.network(Config(), SPEC, architecture).model.norm.track_running_stats
    example = load(str(EXAMPLE))
    with pytest.raises(UsageError, match="has no batch norm"):
        example.supernet(example.presets["demo"].supernet, SPEC, running_statistics=True)


def test_a_model_that_follows_the_progress_is_told() -> None:
    class Following(Model):
        heard = 0.0

        def set_progress(self, fraction: float) -> None:
            self.heard = fraction

    space = own_space(questions=questions, model=Following, size=Size, config=Config)
    network = space.network(Config(), SPEC, random_architecture(space, {"layers": 2}))
    network.set_progress(0.25)
    assert network.model.heard == 0.25


@dataclass(frozen=True)
class Same:
    width: Count = 1


@dataclass(frozen=True)
class WithoutDefault:
    layers: int


@pytest.mark.parametrize(
    ("size", "config", "words"),
    [
        (Same, Config, "Same and Config both have a field 'width'"),
        (WithoutDefault, Config, "WithoutDefault.layers needs a default"),
        (Size, dict, "dict must be a frozen dataclass"),
    ],
)
def test_classes_of_settings_that_do_not_fit_are_refused(size: type, config: type, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        own_space(questions=questions, model=Model, size=size, config=config)


def test_a_choice_needs_a_module_for_each_answer() -> None:
    with pytest.raises(UsageError, match="offers relu, tanh, but its modules are relu"):
        Choice(Op("layer0.op", ACTIVATIONS), {"relu": nn.ReLU}, None)


def test_recipes_change_single_settings() -> None:
    recipes = {"fast": Recipe("demo", size=Size(3), network=Config(9), search={"epochs": 2}, train={"lr_max": 0.5})}
    space = own_space(questions=questions, model=Model, size=Size, config=Config, recipes=recipes)
    preset, macro = space.presets["fast"], load("macro").presets["demo"]
    assert space.default_preset == "fast"
    assert (preset.supernet.layers, preset.supernet.width, preset.network.width) == (3, 4, 9)
    assert preset.search.epochs == 2
    assert preset.search.batch_size == macro.search.batch_size
    assert preset.train.lr_max == 0.5


# Spaces in files.


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user's, in which the program is started as a console script is: without the folder on the path."""
    monkeypatch.chdir(tmp_path)
    before, modules = list(sys.path), set(sys.modules)
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(tmp_path))]
    yield tmp_path
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_dotted_path_is_found_in_the_current_folder(project: Path) -> None:
    (project / "my_module.py").write_text(EXAMPLE.read_text())
    space = load("my_module.SPACE")
    assert (space.name, space.label) == ("my_module.SPACE", "my_module.SPACE")


def test_a_file_is_named_by_its_whole_path_and_loaded_once(project: Path) -> None:
    (project / "1.py").write_text(EXAMPLE.read_text() + "\nOTHER = SPACE\n")
    space = load("1.py")
    assert (space.name, space.label) == (f"{project}/1.py:SPACE", "1")
    assert load(f".{os.sep}1.py:OTHER").label == "1-OTHER"
    assert load(space.name).supernet_config is space.supernet_config  # the same class, so that settings compare equal
    assert find("random:1.py").architecture.space == space.name
    assert find("random:1.py:SPACE:7").architecture == find("random:1.py:7").architecture


def test_a_file_may_import_its_neighbour(project: Path) -> None:
    (project / "lib").mkdir()
    (project / "lib" / "neighbour_of_it.py").write_text(EXAMPLE.read_text())
    (project / "lib" / "space.py").write_text("from neighbour_of_it import SPACE\n")
    assert load("lib/space.py").label == "space"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "nothing.py", "there is no file"),
        ("x = 1", "a.py", "the module has no SPACE; it holds no space"),
        ("SPACE = 1", "a.py", "is a int, not an enas.space.Space"),
        ("import no_such_thing", "a.py", "No module named 'no_such_thing'"),
        ("\nboom()", "a.py", "NameError: name 'boom' is not defined (.*a.py, line 2)"),
        ("x = (", "a.py", "was never closed"),
        ("\n1 / 0", "a.SPACE", "ZeroDivisionError: division by zero (.*a.py, line 2)"),
        ("x = 1", "a.b-c", "give module.attribute"),
        ("x = 1", "space", "or one of your own: module.attribute"),
    ],
)
def test_what_cannot_be_loaded_gets_one_line(
    text: str, name: str, words: str, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "a.py").write_text(text)
    assert main(["search", name]) == 2
    error = capfd.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    start, _, rest = words.partition(".*")
    assert start in error
    assert rest in error


def test_a_field_with_the_name_of_another_flag_gets_one_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for field in ("epochs", "device", "hidden"):
        source = EXAMPLE.read_text().replace("    width: Count = 32", f"    width: Count = 32\n    {field}: Count = 1")
        (project / f"with_{field}.py").write_text(source)
        assert main(["search", f"with_{field}.py"]) == 2
        error = capfd.readouterr().err.strip()
        assert f"Config.{field}: there is another flag --{field} already; rename the field" in error
        assert len(error.splitlines()) == 1


def test_help_has_the_words_of_both_classes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["search", str(EXAMPLE), "--help"])
    shown = capsys.readouterr().out
    assert "Blocks of the network." in shown
    assert "Features of a patch." in shown
    settings = SearchSettings.from_preset(load(str(EXAMPLE)), "demo", DataConfig())
    assert SearchSettings.from_json(settings.to_json(), "run") == settings
