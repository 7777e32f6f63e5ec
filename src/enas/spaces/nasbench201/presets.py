"""Named recipes of the NAS-Bench-201 space."""

from dataclasses import replace

from enas.config import AugmentConfig, ControllerConfig, SearchConfig, TrainConfig
from enas.space import Preset
from enas.spaces.nasbench201.network import NasBench201NetworkConfig
from enas.spaces.nasbench201.supernet import NasBench201SupernetConfig

PAPER = Preset(
    # Search: the settings of the benchmark's authors for ENAS (250 epochs, weight decay 2.5e-4, temperature 5, tanh constant
    # 2.5). Training: the benchmark's own (200 epochs, batch 256), on all training images.
    supernet=NasBench201SupernetConfig(),
    network=NasBench201NetworkConfig(),
    controller=ControllerConfig(hidden=64, temperature=5.0, tanh_constant=2.5),
    search=SearchConfig(epochs=250, lr_first_cycle=250, weight_decay=2.5e-4),
    train=TrainConfig(
        epochs=200,
        batch_size=256,
        lr_max=0.1,
        lr_min=0.0,
        lr_first_cycle=200,
        weight_decay=5e-4,
        train_on_valid=True,
    ),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

CPU = Preset(
    # Less than half an hour of search on two processor cores with CIFAR-10: one cell a stage and a stem of stride 2.
    supernet=NasBench201SupernetConfig(filters=16, cells=1, stem_stride=2),
    network=NasBench201NetworkConfig(filters=16, cells=1),
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
    supernet=NasBench201SupernetConfig(filters=4, cells=1),
    network=NasBench201NetworkConfig(filters=4, cells=1),
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
