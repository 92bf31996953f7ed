"""Temperature, threshold and cleaning chosen on all patients that a cross-validation held out."""
