"""Model cards: as a run delivers them, and rewritten from everything that was measured."""

from training.card.of_run import model_card

__all__ = ["model_card"]
