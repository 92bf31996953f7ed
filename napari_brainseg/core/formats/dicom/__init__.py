"""DICOM: what scanners and hospital archives write."""
