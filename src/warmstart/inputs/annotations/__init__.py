"""Labelled photos for detection and segmentation, from the layouts that people have; every fault is listed.

    boxes   `BoxData`, and `read_boxes`, which finds out the layout
    voc, coco, yolo, table   one layout a file
    masks   photos with a picture of classes each
    shapes  polygons and run lengths to masks
"""
