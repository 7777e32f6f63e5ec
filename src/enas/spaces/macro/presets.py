"""Named recipes of the macro space."""

from enas.config import AugmentConfig, ControllerConfig, SearchConfig, TrainConfig
from enas.space import Preset
from enas.spaces.macro.network import MacroNetworkConfig
from enas.spaces.macro.supernet import MacroSupernetConfig

PAPER = Preset(
    # The authors' scripts for CIFAR-10, macro search and macro final; where they and the paper differ, the scripts.
    supernet=MacroSupernetConfig(layers=12, filters=36, dropout=0.1),
    network=MacroNetworkConfig(filters=96, dropout=0.5),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=1.5),
    search=SearchConfig(decay_unsampled=True),
    train=TrainConfig(train_on_valid=True),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

CPU = Preset(
    # Less than half an hour of search and a quarter of training on two processor cores with CIFAR-10. A single cosine cycle,
    # since a restart costs more than it brings in a short run; and a controller that learns from few rewards: Adam's usual
    # epsilon, for its gradients are far smaller than the authors' 1e-3, and a weak pull towards the skip target, which
    # otherwise outweighs them (docs/log.md).
    supernet=MacroSupernetConfig(layers=6, filters=24, dropout=0.1),
    network=MacroNetworkConfig(filters=16, dropout=0.1),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=2.5),
    search=SearchConfig(
        epochs=12,
        lr_first_cycle=12,
        controller_steps=20,
        controller_samples=10,
        controller_lr=5e-3,
        controller_epsilon=1e-8,
        skip_weight=0.1,
        baseline_decay=0.9,
        reward_batch_size=250,
        derive_samples=60,
        derive_examples=1000,
    ),
    train=TrainConfig(epochs=5, batch_size=128, lr_max=0.1, lr_min=0.0, lr_first_cycle=5, lr_every_step=True),
    search_augment=AugmentConfig(),
    train_augment=AugmentConfig(),
)

DEMO = Preset(
    # A minute on two processor cores with the embedded digits.
    supernet=MacroSupernetConfig(layers=4, filters=12, dropout=0.1),
    network=MacroNetworkConfig(filters=12, dropout=0.1),
    controller=ControllerConfig(hidden=64, temperature=None, tanh_constant=2.5),
    search=SearchConfig(
        epochs=12,
        batch_size=64,
        lr_first_cycle=12,
        controller_steps=10,
        controller_samples=8,
        controller_lr=5e-3,
        controller_epsilon=1e-8,
        skip_weight=0.1,
        baseline_decay=0.9,
        reward_batch_size=100,
        derive_samples=30,
    ),
    train=TrainConfig(epochs=15, batch_size=64, lr_max=0.1, lr_min=0.0, lr_first_cycle=15, lr_every_step=True),
    search_augment=AugmentConfig(crop_padding=1, flip=False),
    train_augment=AugmentConfig(crop_padding=1, flip=False),
)

PRESETS = {"paper": PAPER, "cpu": CPU, "demo": DEMO}
