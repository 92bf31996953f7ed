"""The configuration of a run: what protocols set, what is refused and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import RunConfig, parse_config


def test_reference_protocol_is_the_published_program() -> None:
    config = parse_config({"protocol": "reference"})

    assert (config.recipe, config.sampling, config.augmentation) == ("reference",) * 3
    assert (config.loss, config.optimizer, config.learning_rate) == ("dice", "adam", 1e-4)
    assert (config.epochs, config.steps_per_epoch, config.batch_size) == (100, 208, 16)
    assert (config.keep, config.ema, config.weight_decay) == ("best", 0, 0)


def test_a_protocols_defaults_may_be_changed_and_survive_the_config_file() -> None:
    config = parse_config({"protocol": "reference", "epochs": 20, "network": "attention-unet"})

    assert (config.epochs, config.network) == (20, "attention-unet")
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"protocol": "reference", "recipe": "native"}, "the reference protocol has recipe"),
        ({"protocol": "reference", "validation_patients": ["A"]}, "has validation_patients"),
        ({"protocol": "clean", "keep": "best"}, "the clean protocol has keep"),
        ({"protocol": "clean", "ema": 0}, "set ema above 0"),
        ({"protocol": "clean", "schedule": "plateau"}, "fixed schedule"),
        ({"protocol": "k-fold", "fold": 6}, "fold 6 of 5 does not exist"),
        ({"protocol": "k-fold", "train_patients": ["A"]}, "has train_patients"),
        ({"nesterov": True}, "nesterov needs optimizer sgd"),
        ({"schedule": "linear", "final_learning_rate": 1}, "lies above learning_rate"),
        ({"schedule": "cosine", "warmup_epochs": 20}, "leave nothing of the run"),
        ({"warmup_epochs": 1}, "one-cycle has its own warm-up"),
        ({"early_stopping": 3, "validation_share": 0}, "early_stopping needs validation"),
        ({"schedule": "plateau", "validation_patients": []}, "there are none"),
        ({"schedule": "plateau", "train_patients": ["A"]}, "there are none"),
        ({"base": "b", "encoder_weights": "w"}, "not for fine-tuning"),
        ({"network_options": ["norm"]}, "'norm' is no option; write name=value"),
        ({"epochz": 3}, "epochz"),
        ({"crop": 100}, "multiple of 16"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_named(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    assert told in caught.value.message
    assert "epochs" in caught.value.hint  # the known keys


def test_network_options_from_flags() -> None:
    config = RunConfig(network_options=["norm=group", "deep_supervision=true", "prune=3"])  # type: ignore[arg-type]

    assert config.network_options == {"norm": "group", "deep_supervision": True, "prune": 3}
