//! Figures: values in, SVG + PNG + CSV out. plotters is used here only.
