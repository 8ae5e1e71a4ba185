"""Reads regions of ours, writes what it read, and says what it saw; then writes some of its own.

Usage: roi_files.py FOLDER, where ours.roi.zip is. Leaves again.zip, and theirs.zip with its description on stdout.
"""

import json
import os
import sys

import numpy
import roifile

folder = sys.argv[1]
seen = []
rois = roifile.roiread(os.path.join(folder, "ours.roi.zip"))
for roi in rois:
    points = roi.subpixel_coordinates if roi.subpixel_coordinates is not None else roi.integer_coordinates
    if points is not None and roi.subpixel_coordinates is None:
        points = points + [roi.left, roi.top]
    seen.append(
        {
            "name": roi.name,
            "type": int(roi.roitype),
            "points": None if points is None else points.tolist(),
            "path": None if roi.multi_coordinates is None else roi.multi_coordinates.tolist(),
            "bounds": [roi.left, roi.top, roi.right, roi.bottom],
            "box": [roi.xd, roi.yd, roi.widthd, roi.heightd],
            "ends": [roi.x1, roi.y1, roi.x2, roi.y2],
            "position": [roi.position, roi.c_position, roi.z_position, roi.t_position],
            "stroke": [roi.stroke_color.hex(), roi.float_stroke_width],
            "fill": roi.fill_color.hex(),
            "group": roi.group,
            "options": int(roi.options),
            "properties": {key: str(value) for key, value in roi.properties.items()},
            "text": roi.text,
            "font": [roi.text_name, roi.text_size, roi.text_style, roi.text_justification, roi.text_angle],
            "counters": None if roi.counters is None else roi.counters.tolist(),
            "slices": None if roi.counter_positions is None else roi.counter_positions.tolist(),
        }
    )
roifile.roiwrite(os.path.join(folder, "again.zip"), rois, name=[f"{i:04d}" for i in range(len(rois))], mode="w")

random = numpy.random.default_rng(1)
theirs = []
for index in range(20):
    if index % 2:
        points = random.integers(-4000, 60000, (index + 3, 2))
    else:
        points = random.normal(0, 1e4, (index + 3, 2)).astype(numpy.float32)
    roi = roifile.ImagejRoi.frompoints(points, name=f"theirs {index} é", position=index, c=1, z=index, t=index * 2)
    roi.roitype = [0, 5, 7, 8, 4, 10][index % 6]
    roi.roitype = roifile.ROI_TYPE(roi.roitype)
    roi.stroke_color = bytes([255, 1, 2, index])
    roi.float_stroke_width = 1.5
    roi.props = "a: 1\nb: two\n"
    theirs.append(roi)
roifile.roiwrite(os.path.join(folder, "theirs.zip"), theirs, mode="w")
own = [
    {
        "name": roi.name,
        "points": (
            roi.integer_coordinates + [roi.left, roi.top]
            if roi.subpixel_coordinates is None
            else roi.subpixel_coordinates
        ).tolist(),
    }
    for roi in theirs
]
print(json.dumps({"seen": seen, "theirs": own}))
