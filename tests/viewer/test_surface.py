"""Smooth surfaces of masks: where they lie, how large they are."""

from __future__ import annotations

import numpy as np

from napari_brainseg.core.imaging import Geometry
from napari_brainseg.viewer.spacing import display_spacing
from napari_brainseg.viewer.surface import mask_surface
from napari_brainseg.viewer.surface_job import KeptSurfaces, SurfaceJob, joined, shades_of_masks

SPACING = (5.0, 1.0, 1.0)


def ball(radius_mm: float, centre=(10, 32, 32), shape=(20, 64, 64)) -> np.ndarray:
    grid = np.indices(shape)
    away = [(g - c) * s for g, c, s in zip(grid, centre, SPACING, strict=True)]
    return (np.sqrt(sum(a**2 for a in away)) <= radius_mm).astype(np.uint8)


def volume_of(surface) -> float:
    a, b, c = (surface.vertices_mm[surface.faces[:, i]].astype(float) for i in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)


def test_a_ball_stays_round_though_its_slices_are_far_apart():
    surface = mask_surface(ball(20.0), SPACING)
    centre = np.array([50.0, 32.0, 32.0])
    radii = np.linalg.norm(surface.vertices_mm - centre, axis=1)
    assert abs(radii.mean() - 20.0) < 1.0
    # Steps between slices would be half a slice thickness and more.
    assert radii.std() < 1.0
    assert surface.faces.max() < len(surface.vertices_mm)


def test_the_volume_is_about_that_of_the_mask():
    mask = ball(20.0)
    assert 0.9 < volume_of(mask_surface(mask, SPACING)) / (mask.sum() * 5.0) < 1.05


def test_a_single_voxel_is_still_seen_where_it_lies():
    mask = np.zeros((20, 64, 64), np.uint8)
    mask[3, 40, 7] = 1
    surface = mask_surface(mask, SPACING)
    assert np.abs(surface.vertices_mm.mean(axis=0) - [15.0, 40.0, 7.0]).max() < 1.0


def test_a_lesion_at_the_edge_of_the_volume_is_closed():
    mask = np.zeros((6, 32, 32), np.uint8)
    mask[:2, :10, :10] = 1
    surface = mask_surface(mask, SPACING)
    edges = np.sort(np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]],
                                    surface.faces[:, [2, 0]]]), axis=1)  # fmt: skip
    _, shared_by = np.unique(edges, axis=0, return_counts=True)
    assert (shared_by == 2).all()


def test_normals_point_outwards():
    surface = mask_surface(ball(20.0), SPACING)
    away = surface.vertices_mm - np.array([50.0, 32.0, 32.0])
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert (np.einsum("ij,ij->i", away, surface.normals) > 0.8).all()


def test_an_empty_mask_has_no_surface():
    assert mask_surface(np.zeros((4, 8, 8), np.uint8), SPACING) is None


def job_of(geometry: Geometry, slices: int, scale: tuple[float, float, float]) -> SurfaceJob:
    return SurfaceJob({}, display_spacing(geometry, slices), scale, slices)


def test_surfaces_stay_within_the_images_so_that_napari_counts_the_same_slices():
    corners = np.array([(0, 0, 0), (19, 255, 255)], float)
    unknown = job_of(Geometry(), 20, (1.0, 1.0, 1.0))
    placed = unknown.placed(corners * unknown.spacing.mm)
    assert placed.min() >= 0
    assert (placed.max(axis=0) <= corners[1]).all()
    # True to shape: 20 slices of 8 mm by 256 pixels of 0.94 mm.
    height, width, _ = np.ptp(placed, axis=0)
    assert abs(width / height - 255 * 0.94 / (19 * 8.0)) < 1e-6
    known = job_of(Geometry((5.0, 0.5, 0.5)), 20, (5.0, 0.5, 0.5))
    assert np.allclose(np.sort(known.placed(corners * known.spacing.mm), axis=0), corners)


def test_slices_ascend_away_from_the_viewer_or_3d_would_be_a_mirror_image():
    job = job_of(Geometry(), 20, (1.0, 1.0, 1.0))
    first, last = job.placed(np.array([(0.0, 0, 0), (19 * 8.0, 0, 0)]))[:, 0]
    assert first == 19
    assert last == 0


def test_one_mask_is_opaque_and_those_around_it_translucent():
    job = job_of(Geometry(), 20, (1.0, 1.0, 1.0))
    meshes = {
        "Ground truth": mask_surface(ball(25.0), SPACING),
        "Prediction": mask_surface(ball(15.0), SPACING),
    }
    vertices, faces, values = joined(job, meshes)
    shades = shades_of_masks()
    opacity = [shades[int(v)][3] for v in dict.fromkeys(values)]
    assert opacity == [1.0, 0.0, 0.35]
    assert shades[int(values[0])][:3] == (0xD5 / 255, 0x5E / 255, 0)
    assert faces.max() == len(vertices) - 1


def test_a_surface_is_made_once_for_the_same_voxels():
    kept = KeptSurfaces()
    made = kept.surface(ball(15.0), SPACING)
    assert kept.surface(ball(15.0), SPACING) is made
    assert kept.surface(ball(15.0), (4.0, 1.0, 1.0)) is not made
    assert kept.surface(ball(16.0), SPACING) is not made
