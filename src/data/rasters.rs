//! Patches cut from GeoTIFF bands at the labelled pixels of a raster.
