"""Named recipes of the NAS-Bench-Macro space."""

from dataclasses import replace

from enas.config import AugmentConfig, ControllerConfig, SearchConfig, TrainConfig
from enas.space import Preset
from enas.spaces.nasbench_macro.network import NasBenchMacroNetworkConfig
from enas.spaces.nasbench_macro.supernet import NasBenchMacroSupernetConfig

PAPER = Preset(
    # Search: the authors' settings for the macro space, on the benchmark's own networks. Training: that of the benchmark
    # (50 epochs, batch 256, all 50,000 training images), whose accuracies are those of the best epoch on the test images.
    supernet=NasBenchMacroSupernetConfig(),
    network=NasBenchMacroNetworkConfig(),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=1.5),
    search=SearchConfig(decay_unsampled=True),
    train=TrainConfig(
        epochs=50,
        batch_size=256,
        lr_max=0.1,
        lr_min=0.0,
        lr_first_cycle=50,
        weight_decay=5e-4,
        train_on_valid=True,
    ),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

CPU = Preset(
    # Half an hour of search on one processor core with CIFAR-10: half the channels of the benchmark, and a stem of stride 2,
    # 8 times faster than the true size (docs/log.md). Fair sampling until the shared weights rank architectures well, then a
    # controller that learns in a few dozen updates, as for a table, and keeps every answer possible (docs/results.md).
    supernet=NasBenchMacroSupernetConfig(filters=16, features=640, stem_stride=2),
    network=NasBenchMacroNetworkConfig(filters=16, features=640),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=1.5),
    search=SearchConfig(
        epochs=30,
        lr_max=0.1,
        lr_first_cycle=30,
        controller_steps=20,
        controller_samples=10,
        controller_lr=5e-3,
        controller_epsilon=1e-8,
        baseline="leave_one_out",
        normalise_advantage=True,
        warmup_epochs=20,
        warmup_sampling="fair",
        reward_batch_size=500,
        derive_samples=300,
        derive_stages=3,
    ),
    train=TrainConfig(epochs=6, batch_size=128, lr_max=0.1, lr_min=0.0, lr_first_cycle=6, lr_every_step=True),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

DEMO = Preset(
    # A minute or so on two processor cores with the embedded digits.
    supernet=NasBenchMacroSupernetConfig(filters=4, features=64),
    network=NasBenchMacroNetworkConfig(filters=4, features=64),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=2.5),
    search=SearchConfig(
        epochs=12,
        batch_size=64,
        lr_max=0.1,
        lr_first_cycle=12,
        controller_steps=10,
        controller_samples=8,
        controller_lr=5e-3,
        controller_epsilon=1e-8,
        baseline_decay=0.9,
        reward_batch_size=100,
        derive_samples=30,
    ),
    train=TrainConfig(epochs=15, batch_size=64, lr_max=0.1, lr_min=0.0, lr_first_cycle=15, lr_every_step=True),
    search_augment=AugmentConfig(crop_padding=1, flip=False),
    train_augment=AugmentConfig(crop_padding=1, flip=False),
)

TABULAR = replace(
    # For rewards from a table, without shared weights: chosen by measurement on NAS-Bench-Macro (docs/log.md). Tanh constant,
    # baseline and normalised advantages as in `cpu`; smaller and faster updates, since these rewards have no noise.
    CPU,
    search=replace(CPU.search, controller_samples=5, controller_lr=2e-2),
)

PRESETS = {"paper": PAPER, "cpu": CPU, "demo": DEMO, "tabular": TABULAR}
