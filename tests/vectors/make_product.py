"""A small Sentinel-2 product, as GDAL reads it: product/NAME.SAFE and product.json. Its pixels are made here.

    python tests/vectors/make_product.py      (needs rasterio and numpy)
"""

import json
import shutil
from pathlib import Path

import numpy as np
import rasterio

HERE = Path(__file__).parent
NAME = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
GRANULE = "L2A_T33NZA_A036000_20220706T085611"
# Name in files, metres, pixels, side of a code tile: the last tiles are cut off.
IMAGES = [("B02", 10, 120, 64), ("B03", 10, 120, 128), ("B05", 20, 60, 64), ("B05", 60, 20, 64), ("SCL", 20, 60, 64)]
IDS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]

safe = HERE / "product" / f"{NAME}.SAFE"
shutil.rmtree(safe, ignore_errors=True)
images = safe / "GRANULE" / GRANULE / "IMG_DATA"
random = np.random.default_rng(7)
known = {}
listed = []
for band, metres, side, tile in IMAGES:
    if band == "SCL":
        values = np.full((side, side), 4, np.uint8)
        values[:10], values[10:20, :30], values[-1] = 9, 3, 0
    else:
        row, column = np.mgrid[:side, :side] / side
        values = (1800 + 900 * row + 500 * np.sin(9 * column) + random.normal(0, 60, (side, side))).astype(np.uint16)
        values[-1, :], values[0, 0], values[1, 1] = 0, 65535, 970
    name = f"T33NZA_20220706T085611_{band}_{metres}m"
    path = images / f"R{metres}m" / f"{name}.jp2"
    path.parent.mkdir(parents=True, exist_ok=True)
    options = dict(REVERSIBLE="YES", QUALITY="100", BLOCKXSIZE=tile, BLOCKYSIZE=tile, GEOJP2="NO", GMLJP2="NO")
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=side, height=side, count=1, dtype=values.dtype, **options
    ) as image:
        image.write(values, 1)
    for rest in path.parent.glob("*.aux.xml"):
        rest.unlink()
    with rasterio.open(path) as image:
        read = image.read(1)
    np.testing.assert_array_equal(read, values)
    known[f"{band}_{metres}m"] = {"row": read[side // 2 + 4].tolist(), "column": read[:, 5].tolist(), "sum": int(read.sum())}
    listed.append(f"GRANULE/{GRANULE}/IMG_DATA/R{metres}m/{name}")

# A band whose offset differs from the others', so that none takes another's.
offsets = [f'<BOA_ADD_OFFSET band_id="{k}">{-900 if band == "B5" else -1000}</BOA_ADD_OFFSET>' for k, band in enumerate(IDS)]
special = [
    f"<Special_Values><SPECIAL_VALUE_TEXT>{name}</SPECIAL_VALUE_TEXT>"
    f"<SPECIAL_VALUE_INDEX>{value}</SPECIAL_VALUE_INDEX></Special_Values>"
    for name, value in [("NODATA", 0), ("SATURATED", 65535)]
]
(safe / "MTD_MSIL2A.xml").write_text(f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2022-07-06T08:56:11.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{NAME}.SAFE</PRODUCT_URI>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
<PROCESSING_BASELINE>04.00</PROCESSING_BASELINE>
<Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME></Datatake>
<Product_Organisation><Granule_List><Granule>
{"".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in listed)}
</Granule></Granule_List></Product_Organisation>
</Product_Info><Product_Image_Characteristics>
{"".join(special)}
<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>
<BOA_ADD_OFFSET_VALUES_LIST>{"".join(offsets)}</BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></n1:General_Info>
<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>16.7</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
""")
sizes = "".join(
    f'<Size resolution="{metres}"><NROWS>{side}</NROWS><NCOLS>{side}</NCOLS></Size>'
    f'<Geoposition resolution="{metres}"><ULX>499980</ULX><ULY>1200000</ULY><XDIM>{metres}</XDIM><YDIM>-{metres}</YDIM></Geoposition>'
    for metres, side in [(10, 120), (20, 60), (60, 20)]
)
(safe / "GRANULE" / GRANULE / "MTD_TL.xml").write_text(f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:Geometric_Info><Tile_Geocoding><HORIZONTAL_CS_CODE>EPSG:32633</HORIZONTAL_CS_CODE>{sizes}</Tile_Geocoding>
</n1:Geometric_Info></n1:Level-2A_Tile_ID>
""")
(HERE / "product.json").write_text(json.dumps(known, separators=(",", ":")) + "\n")
