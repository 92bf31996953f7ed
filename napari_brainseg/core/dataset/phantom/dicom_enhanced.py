"""A phantom's series as one Enhanced MR file (PS3.3, A.36): frames with functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.phantom.dicom_files import PROTOCOL, decimal, masked

if TYPE_CHECKING:
    from pydicom import Dataset

    from napari_brainseg.core.dataset.phantom.dicom import PhantomSeries, Sampled

__all__ = ["enhanced_file"]

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
_KIND = ["ORIGINAL", "PRIMARY", "BRAIN", "NONE"]


def enhanced_file(common: Dataset, series: PhantomSeries, sampled: Sampled) -> Dataset:
    """Make the data set of a series; frames lie in reversed order, as nothing forbids."""
    from pydicom import Dataset

    dataset = Dataset(common)
    dataset.SOPClassUID = ENHANCED_MR
    dataset.InstanceNumber = "1"
    for keyword in ("ScanningSequence", "SequenceVariant", "RepetitionTime", "EchoTime",
                    "InversionTime", "FlipAngle", "EchoTrainLength", "AcquisitionDate",
                    "AcquisitionTime"):  # fmt: skip
        if keyword in dataset:
            del dataset[keyword]
    _describe(dataset, series)
    slots = [k for k in reversed(range(len(sampled.stored))) if k not in series.missing]
    dataset.NumberOfFrames = len(slots)
    dataset.Rows, dataset.Columns = sampled.stored.shape[1:]
    dataset.SharedFunctionalGroupsSequence = [_shared(series, sampled)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(series, sampled, k, n) for n, k in enumerate(slots)
    ]
    dataset.PixelData = masked(sampled.stored[slots], series.bits_stored).tobytes()
    return dataset


def _describe(dataset: Dataset, series: PhantomSeries) -> None:
    from pydicom.uid import generate_uid

    date, time = dataset.SeriesDate, dataset.SeriesTime
    dataset.ImageType = _KIND
    dataset.PixelPresentation = "MONOCHROME"
    dataset.VolumetricProperties = "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"
    dataset.ComplexImageComponent = "MAGNITUDE"
    dataset.AcquisitionContrast = "FLUID_ATTENUATED" if _inverts(series) else "T1"
    dataset.AcquisitionDateTime = f"{date}{time}"
    dataset.AcquisitionDuration = 180.0
    dataset.ContentQualification = "RESEARCH"
    dataset.ResonantNucleus = "1H"
    dataset.KSpaceFiltering = "NONE"
    dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.AcquisitionContextSequence = []
    dataset.PulseSequenceName = "SE"
    dataset.MRAcquisitionType = "2D"
    dataset.EchoPulseSequence = "SPIN"
    dataset.MultipleSpinEcho = "NO"
    dataset.MultiPlanarExcitation = "NO"
    dataset.PhaseContrast = "NO"
    dataset.TimeOfFlightContrast = "NO"
    dataset.SteadyStatePulseSequence = "NONE"
    dataset.EchoPlanarPulseSequence = "NO"
    dataset.SaturationRecovery = "NO"
    dataset.SpectrallySelectedSuppression = "NONE"
    dataset.OversamplingPhase = "NONE"
    dataset.GeometryOfKSpaceTraversal = "RECTILINEAR"
    dataset.RectilinearPhaseEncodeReordering = "LINEAR"
    dataset.SegmentedKSpaceTraversal = "SINGLE"
    dataset.NumberOfKSpaceTrajectories = 1
    if "ContrastBolusAgent" in dataset:
        del dataset["ContrastBolusAgent"]
        dataset.ContrastBolusAgentSequence = [_contrast()]
    organization = generate_uid(entropy_srcs=[dataset.SeriesInstanceUID, "dimensions"])
    dataset.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organization)]
    dataset.DimensionIndexSequence = [
        _item(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=0x00209111,
        )
        for pointer in (0x00209056, 0x00209057)
    ]


def _shared(series: PhantomSeries, sampled: Sampled) -> Dataset:
    matrix = np.array(sampled.affine_lps)
    between, rows, columns = series.spacing_mm
    protocol = PROTOCOL[series.modality]
    return _item(
        PixelMeasuresSequence=[
            _item(
                PixelSpacing=decimal([rows, columns]),
                SliceThickness=decimal([between])[0],
                SpacingBetweenSlices=decimal([between])[0],
            )
        ],
        PlaneOrientationSequence=[
            _item(
                ImageOrientationPatient=decimal(
                    [*(matrix[:3, 2] / columns), *(matrix[:3, 1] / rows)]
                )
            )
        ],
        FrameAnatomySequence=[
            _item(
                FrameLaterality="U",
                AnatomicRegionSequence=[_code("12738006", "SCT", "Brain")],
            )
        ],
        PixelValueTransformationSequence=[
            _item(
                RescaleIntercept=decimal([series.intercept or 0.0])[0],
                RescaleSlope=decimal([series.slope or 1.0])[0],
                RescaleType="US",
            )
        ],
        MRImageFrameTypeSequence=[
            _item(
                FrameType=_KIND,
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique="NONE",
                ComplexImageComponent="MAGNITUDE",
                AcquisitionContrast="FLUID_ATTENUATED" if _inverts(series) else "T1",
            )
        ],
        MREchoSequence=[_item(EffectiveEchoTime=float(protocol["EchoTime"]))],
        MRTimingAndRelatedParametersSequence=[
            _item(
                RepetitionTime=protocol["RepetitionTime"],
                FlipAngle="90",
                EchoTrainLength=protocol["EchoTrainLength"],
                RFEchoTrainLength=protocol["EchoTrainLength"],
                GradientEchoTrainLength=0,
                OperatingModeSequence=[_item(OperatingModeType="RF", OperatingMode="IEC_NORMAL")],
                SpecificAbsorptionRateSequence=[
                    _item(
                        SpecificAbsorptionRateDefinition="IEC_HEAD",
                        SpecificAbsorptionRateValue=0.5,
                    )
                ],
            )
        ],
        MRModifierSequence=[_modifier(series)],
        MRAveragesSequence=[_item(NumberOfAverages="1")],
        MRFOVGeometrySequence=[
            _item(
                InPlanePhaseEncodingDirection="ROW",
                MRAcquisitionFrequencyEncodingSteps=256,
                MRAcquisitionPhaseEncodingStepsInPlane=256,
                PercentSampling="100",
                PercentPhaseFieldOfView="100",
            )
        ],
        MRImagingModifierSequence=[
            _item(
                MagnetizationTransfer="NONE",
                BloodSignalNulling="NO",
                Tagging="NONE",
                TransmitterFrequency=63.87,
                PixelBandwidth="130",
            )
        ],
        MRReceiveCoilSequence=[
            _item(
                ReceiveCoilName="HEAD",
                ReceiveCoilManufacturerName="BrainSeg phantom",
                ReceiveCoilType="VOLUME",
                QuadratureReceiveCoil="YES",
            )
        ],
        MRTransmitCoilSequence=[
            _item(
                TransmitCoilName="BODY",
                TransmitCoilManufacturerName="BrainSeg phantom",
                TransmitCoilType="BODY",
            )
        ],
    )


def _modifier(series: PhantomSeries) -> Dataset:
    item = _item(
        InversionRecovery="YES" if _inverts(series) else "NO",
        FlowCompensation="NONE",
        Spoiling="NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )
    if _inverts(series):
        item.InversionTimes = [float(PROTOCOL[series.modality]["InversionTime"])]
    return item


def _frame(series: PhantomSeries, sampled: Sampled, k: int, n: int) -> Dataset:
    matrix = np.array(sampled.affine_lps)
    groups = _item(
        FrameContentSequence=[
            _item(
                StackID="1",
                InStackPositionNumber=k + 1,
                DimensionIndexValues=[1, k + 1],
                FrameAcquisitionDateTime="20200102101500",
                FrameReferenceDateTime="20200102101500",
                FrameAcquisitionDuration=1000.0,
                FrameAcquisitionNumber=n + 1,
            )
        ],
        PlanePositionSequence=[
            _item(ImagePositionPatient=decimal(matrix[:3, 3] + k * matrix[:3, 0]))
        ],
    )
    if "ContrastBolusAgent" in PROTOCOL[series.modality]:
        groups.ContrastBolusUsageSequence = [
            _item(
                ContrastBolusAgentNumber=1,
                ContrastBolusAgentAdministered="YES",
                ContrastBolusAgentDetected="YES",
                ContrastBolusAgentPhase="IMMEDIATE",
            )
        ]
    return groups


def _contrast() -> Dataset:
    agent = _code("C-B03F9", "SRT", "Gadobutrol")
    agent.ContrastBolusAgentNumber = 1
    agent.ContrastBolusAdministrationRouteSequence = [_code("47625008", "SCT", "Intravenous route")]
    agent.ContrastBolusIngredientCodeSequence = [_code("C-17800", "SRT", "Gadolinium")]
    agent.ContrastBolusVolume = 7.5
    agent.ContrastBolusIngredientConcentration = 1.0
    agent.ContrastBolusIngredientOpaque = "YES"
    return agent


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _inverts(series: PhantomSeries) -> bool:
    return "InversionTime" in PROTOCOL[series.modality]


def _item(**elements: Any) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
