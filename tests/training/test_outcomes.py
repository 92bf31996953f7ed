"""What options make of a patient, against masks that are made and looked at."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.postprocessing import Postprocessing, postprocess
from training.postprocess.outcomes import outcomes_of
from training.postprocess.search import PLAIN, Option, chosen_without, grid

OPTIONS = grid(spared=True)


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_that_of_the_mask_as_delivered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(rng.random((5, 24, 24)), (0.5, 1.5, 1.5))
    probability = ((blurred - blurred.min()) / np.ptp(blurred)).astype(np.float32)
    truth = np.zeros(probability.shape, dtype=np.uint8)
    truth[1:3, 4:15, 4:12] = 1
    some = [OPTIONS[place] for place in rng.choice(len(OPTIONS), 40, replace=False)]
    small = [Option(o.threshold, o.steps.model_copy(update={"minimum_size_vox": 20})) for o in some]

    found = outcomes_of(probability, truth, (*some, *small))

    assert found.lesion_vox == truth.sum()
    assert found.free_slices == 3
    for place, option in enumerate((*some, *small)):
        mask = postprocess(probability, threshold=option.threshold, steps=option.steps)
        labels, count = ndimage.label(mask)
        touching = np.count_nonzero(np.unique(labels[truth > 0]))
        assert found.dsc[place] == pytest.approx(dsc(mask, truth), abs=1e-12)
        assert found.mask_vox[place] == mask.sum()
        assert found.overlap_vox[place] == (mask & truth).sum()
        assert found.true_islands[place] == touching
        assert found.false_islands[place] == count - touching
        assert found.marked_slices[place] == mask[[0, 3, 4]].any(axis=(1, 2)).sum()


@pytest.mark.parametrize("lesion", [0, 1])
def test_where_nothing_is_probable_every_mask_is_empty(lesion: int) -> None:
    truth = np.zeros((2, 8, 8), dtype=np.uint8)
    truth[0, 3, 3] = lesion

    found = outcomes_of(np.full(truth.shape, 0.01, dtype=np.float32), truth, OPTIONS[:50])

    assert (found.dsc == 1 - lesion).all()
    assert not found.mask_vox.any()
    assert not found.marked_slices.any()
    assert found.free_slices == 2 - lesion


def test_a_spared_share_is_tried_with_every_minimum_size() -> None:
    shared = [o for o in OPTIONS if o.steps.spared_share]

    assert not any(o.steps.spared_share for o in grid())
    assert {o.steps.spared_share for o in shared} >= {0.1, 1.0}
    assert all(o.steps.minimum_size_vox and not o.steps.largest_component for o in shared)
    assert len(set(OPTIONS)) == len(OPTIONS)


def test_nothing_is_chosen_on_the_group_it_is_measured_with() -> None:
    """The last group alone loves an option; only the others get it."""
    largest = Option(0.5, Postprocessing(largest_component=True))
    scores = np.array([[0.8, 0.7], [0.7, 0.6], [0.6, 0.5], [0.5, 0.4], [0.1, 0.9], [0.1, 0.9]])
    groups = np.array([0, 0, 1, 1, 2, 2])

    best, _ = chosen_without(scores, [PLAIN, largest], groups)

    assert best.tolist() == [1, 1, 1, 1, 0, 0]
